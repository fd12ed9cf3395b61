#include "mailboxfs/imap/command.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <random>

#include "mailboxfs/base/error.h"

namespace mailboxfs::imap {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::vector<std::string> Examine(std::string_view name, LiteralMode literals = LiteralMode::kSynchronizing) {
  return CommandBuilder("A1", "EXAMINE", literals).AString(name).Finish().pieces;
}

TEST(CommandBuilder, WithoutArguments) {
  EXPECT_THAT(CommandBuilder("A1", "NOOP").Finish().pieces, ElementsAre("A1 NOOP\r\n"));
}

TEST(CommandBuilder, RawTextIsVerbatim) {
  EXPECT_THAT(CommandBuilder("A2", "UID FETCH").Raw("1:3").Raw("(UID BODY.PEEK[])").Finish().pieces,
              ElementsAre("A2 UID FETCH 1:3 (UID BODY.PEEK[])\r\n"));
}

TEST(CommandBuilder, AtomsWherePossible) {
  EXPECT_THAT(Examine("INBOX"), ElementsAre("A1 EXAMINE INBOX\r\n"));
  EXPECT_THAT(Examine("a/b&AOk-]~"), ElementsAre("A1 EXAMINE a/b&AOk-]~\r\n"));
}

TEST(CommandBuilder, QuotedWhereAnAtomIsNot) {
  EXPECT_THAT(Examine(""), ElementsAre("A1 EXAMINE \"\"\r\n"));
  EXPECT_THAT(Examine("NIL"), ElementsAre("A1 EXAMINE \"NIL\"\r\n"));
  EXPECT_THAT(Examine("Sent Items"), ElementsAre("A1 EXAMINE \"Sent Items\"\r\n"));
  EXPECT_THAT(Examine("a\tb"), ElementsAre("A1 EXAMINE \"a\tb\"\r\n"));
  EXPECT_THAT(Examine("a\"b\\c"), ElementsAre("A1 EXAMINE \"a\\\"b\\\\c\"\r\n"));
  for (const std::string name : {"a(", "a)", "a{", "a%", "a*", "{5}"}) {
    EXPECT_THAT(Examine(name), ElementsAre("A1 EXAMINE \"" + name + "\"\r\n"));
  }
  EXPECT_THAT(CommandBuilder("A1", "LOGIN").AString("u", false).AString("p", false).Finish().pieces,
              ElementsAre("A1 LOGIN \"u\" \"p\"\r\n"));
}

TEST(CommandBuilder, LiteralsWhereNothingElseIsPossible) {
  EXPECT_THAT(Examine("a\r\nb"), ElementsAre("A1 EXAMINE {4}\r\n", "a\r\nb\r\n"));
  EXPECT_THAT(Examine("caf\xC3\xA9"), ElementsAre("A1 EXAMINE {5}\r\n", "caf\xC3\xA9\r\n"));
  EXPECT_THAT(Examine("a\r\nb", LiteralMode::kLiteralPlus), ElementsAre("A1 EXAMINE {4+}\r\na\r\nb\r\n"));
  EXPECT_THAT(Examine("a\r\nb", LiteralMode::kLiteralMinus), ElementsAre("A1 EXAMINE {4+}\r\na\r\nb\r\n"));
}

TEST(CommandBuilder, LiteralMinusEndsAt4096Octets) {
  const std::string most = std::string(4095, 'x') + "\n";
  EXPECT_THAT(Examine(most, LiteralMode::kLiteralMinus), ElementsAre("A1 EXAMINE {4096+}\r\n" + most + "\r\n"));
  EXPECT_THAT(Examine("x" + most, LiteralMode::kLiteralMinus),
              ElementsAre("A1 EXAMINE {4097}\r\n", "x" + most + "\r\n"));
}

TEST(CommandBuilder, ArgumentsGoOnAfterALiteral) {
  EXPECT_THAT(CommandBuilder("A1", "STATUS").AString("\n").Raw("(MESSAGES)").Finish().pieces,
              ElementsAre("A1 STATUS {1}\r\n", "\n (MESSAGES)\r\n"));
}

TEST(CommandBuilder, NulCannotBeSent) {
  try {
    Examine(std::string_view("a\0b", 3));
    FAIL();
  } catch (const base::Error& error) {
    EXPECT_EQ(error.kind(), base::ErrorKind::kProtocol);
  }
}

TEST(CommandBuilder, OwnTextCannotEndTheLine) {
  for (const std::string_view text :
       {std::string_view("a\r\nA2 LOGOUT"), std::string_view("\n"), std::string_view("\0", 1)}) {
    EXPECT_THROW(CommandBuilder("A1", "X").Raw(text), base::Error);
    EXPECT_THROW(CommandBuilder(text, "X"), base::Error);
    EXPECT_THROW(CommandBuilder("A1", text), base::Error);
  }
}

// Reads a command as a server would: the lines without what is quoted or literal.
TEST(CommandBuilder, NoNameCanEndTheCommand) {
  std::mt19937 random(3);  // NOLINT(cert-msc51-cpp): the same names each time.
  constexpr std::string_view kOctets = "a \r\n\"\\{}1+*\xC3(";
  for (int i = 0; i < 20'000; ++i) {
    std::string name(random() % 8, ' ');
    for (char& c : name) c = kOctets[random() % kOctets.size()];
    const std::string all = Examine(name, LiteralMode::kLiteralPlus).front();
    ASSERT_TRUE(all.starts_with("A1 EXAMINE ") && all.ends_with("\r\n"));
    const std::string argument = all.substr(11, all.size() - 13);
    std::string read;
    if (argument.front() == '{') {
      const size_t end = argument.find("+}\r\n");
      ASSERT_EQ(argument.substr(1, end - 1), std::to_string(name.size()));
      read = argument.substr(end + 4);
    } else if (argument.front() == '"') {
      ASSERT_EQ(argument.find_first_of("\r\n"), std::string::npos);
      for (size_t k = 1; k + 1 < argument.size(); ++k) {
        if (argument[k] == '\\') ++k;
        ASSERT_LT(k + 1, argument.size());
        read.push_back(argument[k]);
      }
    } else {
      ASSERT_EQ(argument.find_first_of(" \r\n\"\\{*(\xC3"), std::string::npos);
      read = argument;
    }
    EXPECT_EQ(read, name);
  }
}

std::vector<std::string> Sets(std::vector<uint32_t> uids, size_t max = 1000) { return FormatUidSets(uids, max); }

TEST(FormatUidSets, JoinsNeighbours) {
  EXPECT_THAT(Sets({}), IsEmpty());
  EXPECT_THAT(Sets({7}), ElementsAre("7"));
  EXPECT_THAT(Sets({1, 2, 3, 7, 9, 10, 11, 12}), ElementsAre("1:3,7,9:12"));
  EXPECT_THAT(Sets({5, 5, 6, 6}), ElementsAre("5:6"));
  EXPECT_THAT(Sets({4294967294, 4294967295}), ElementsAre("4294967294:4294967295"));
}

TEST(FormatUidSets, CutsByOctets) {
  EXPECT_THAT(Sets({1, 3, 5, 7}, 3), ElementsAre("1,3", "5,7"));
  EXPECT_THAT(Sets({1, 3, 5, 7}, 4), ElementsAre("1,3", "5,7"));
  EXPECT_THAT(Sets({1, 3, 5, 7}, 5), ElementsAre("1,3,5", "7"));
  EXPECT_THAT(Sets({100, 101, 200}, 1), ElementsAre("100:101", "200")) << "never less than a range";
}

TEST(FormatUidSets, NamesEveryUidOnce) {
  std::mt19937 random(5);  // NOLINT(cert-msc51-cpp)
  std::vector<uint32_t> uids;
  for (uint32_t uid = 1; uids.size() < 5000; uid += random() % 3 == 0 ? 1 + random() % 1000 : 1) uids.push_back(uid);
  std::vector<uint32_t> named;
  for (const std::string& set : FormatUidSets(uids, 200)) {
    EXPECT_LE(set.size(), 200U);
    for (size_t at = 0; at < set.size();) {
      size_t used = 0;
      const auto first = static_cast<uint32_t>(std::stoul(set.substr(at), &used));
      at += used;
      uint32_t last = first;
      if (at < set.size() && set[at] == ':') {
        last = static_cast<uint32_t>(std::stoul(set.substr(at + 1), &used));
        at += used + 1;
      }
      for (uint32_t uid = first; uid <= last; ++uid) named.push_back(uid);
      if (at < set.size()) {
        ASSERT_EQ(set[at++], ',');
      }
    }
  }
  EXPECT_EQ(named, uids);
}

}  // namespace
}  // namespace mailboxfs::imap
