#include "mailboxfs/imap/mailbox_name.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

namespace mailboxfs::imap {
namespace {

struct Pair {
  std::string_view utf8;
  std::string_view wire;
};

constexpr Pair kKnown[] = {
    {"", ""},
    {"INBOX", "INBOX"},
    {"~peter/mail/台北/日本語", "~peter/mail/&U,BTFw-/&ZeVnLIqe-"},  // RFC 3501 section 5.1.3.
    {"Éléments envoyés", "&AMk-l&AOk-ments envoy&AOk-s"},            // Exchange, French.
    {"Entwürfe", "Entw&APw-rfe"},
    {"Gelöschte Elemente", "Gel&APY-schte Elemente"},
    {"Отправленные", "&BB4EQgQ,BEAEMAQyBDsENQQ9BD0ESwQ1-"},
    {"R&D", "R&-D"},
    {"&&", "&-&-"},
    {"é&é", "&AOk-&-&AOk-"},
    {"a\tb", "a&AAk-b"},
    {"\x7F", "&AH8-"},
    {"😀", "&2D3eAA-"},
    {"\xF4\x8F\xBF\xBF", "&2,,f,w-"},
    {"\xEF\xBF\xBF", "&,,8-"},
};

TEST(MailboxName, KnownNamesInBothDirections) {
  for (const Pair& pair : kKnown) {
    EXPECT_EQ(DecodeModifiedUtf7(pair.wire), pair.utf8) << pair.wire;
    EXPECT_EQ(EncodeModifiedUtf7(pair.utf8), pair.wire) << pair.utf8;
  }
}

TEST(MailboxName, RejectsWhatIsNotModifiedUtf7) {
  constexpr std::string_view kInvalid[] = {
      "&",                    // Nothing follows.
      "&AOk",                 // No '-'.
      "&AOk é-",              // Not Base64.
      "&AO/-",                // '/' belongs to other Base64.
      "&AOk=-",               // Padding.
      "&A-",                  // Half a unit.
      "&AO-",                 // 12 bits.
      "&AOkA-",               // 24 bits: unused digit.
      "&AOl-",                // Unused bits are not zero.
      "&2D0-",                // High surrogate alone.
      "&3gA-",                // Low surrogate alone.
      "&3gDYPQ-",             // The wrong way round.
      "&2D3YPd4A-",           // Two high ones.
      "&2D0AQQ-",             // A high one and a letter.
      "&AEE-",                // 'A' has a plain form.
      "&ACY-",                // So has '&'.
      "&AOkAQQ-",             // A plain letter at the end of a run.
      "&AOk-&AOk-",           // One run, cut in two.
      "caf\xC3\xA9",          // Bare UTF-8.
      "a\tb",        "\x7F",  // Control characters.
  };
  for (const std::string_view wire : kInvalid) EXPECT_EQ(DecodeModifiedUtf7(wire), std::nullopt) << wire;
  EXPECT_EQ(DecodeModifiedUtf7(std::string_view("\0", 1)), std::nullopt);
}

TEST(MailboxName, RejectsWhatIsNotUtf8) {
  constexpr std::string_view kInvalid[] = {
      "\x80",         "\xC0\x80",         "\xC1\xBF",         "\xC3",         "\xC3(",
      "\xE0\x80\x80", "\xE2\x82",         "\xED\xA0\x80",     "\xED\xBF\xBF", "\xF0\x80\x80\x80",
      "\xF0\x9F\x98", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFF",
  };
  for (const std::string_view text : kInvalid) EXPECT_EQ(EncodeModifiedUtf7(text), std::nullopt);
}

std::string RandomText(std::mt19937& random) {
  constexpr uint32_t kStarts[] = {0x20,   0x26,   0x01,   0xE9,    0x7FF,   0x800,
                                  0xD7FF, 0xE000, 0xFFFF, 0x10000, 0x1F600, 0x10FFFF};
  std::u32string points(random() % 12, U' ');
  for (char32_t& point : points) {
    point = kStarts[random() % std::size(kStarts)];
    if (random() % 2 == 0) point = 'a' + random() % 26;
  }
  std::string out;
  for (const char32_t point : points) {
    if (point < 0x80) {
      out += static_cast<char>(point);
    } else if (point < 0x800) {
      out += {static_cast<char>(0xC0 | point >> 6), static_cast<char>(0x80 | (point & 63))};
    } else if (point < 0x10000) {
      out += {static_cast<char>(0xE0 | point >> 12), static_cast<char>(0x80 | (point >> 6 & 63)),
              static_cast<char>(0x80 | (point & 63))};
    } else {
      out += {static_cast<char>(0xF0 | point >> 18), static_cast<char>(0x80 | (point >> 12 & 63)),
              static_cast<char>(0x80 | (point >> 6 & 63)), static_cast<char>(0x80 | (point & 63))};
    }
  }
  return out;
}

TEST(MailboxName, EveryTextComesBack) {
  std::mt19937 random(20221001);  // NOLINT(cert-msc51-cpp): the same texts each time.
  for (int i = 0; i < 20'000; ++i) {
    const std::string text = RandomText(random);
    const std::optional<std::string> wire = EncodeModifiedUtf7(text);
    ASSERT_TRUE(wire) << text;
    EXPECT_EQ(wire->find_first_not_of(
                  " !\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrst"
                  "uvwxyz{|}~"),
              std::string::npos);
    EXPECT_EQ(DecodeModifiedUtf7(*wire), text) << *wire;
  }
}

TEST(MailboxName, NoTwoWireNamesDecodeToOneText) {
  std::mt19937 random(7);  // NOLINT(cert-msc51-cpp)
  constexpr std::string_view kOctets = "&&--AAOkg,2D3eb+9";
  int decoded_names = 0;
  for (int i = 0; i < 60'000; ++i) {
    std::string wire(random() % 9, ' ');
    for (char& c : wire) c = kOctets[random() % kOctets.size()];
    const std::optional<std::string> text = DecodeModifiedUtf7(wire);
    if (!text) continue;
    ++decoded_names;
    EXPECT_EQ(EncodeModifiedUtf7(*text), wire);
  }
  EXPECT_GT(decoded_names, 500);
}

TEST(MailboxName, SplitsAtTheDelimiterAndKeepsWhatCannotBeDecoded) {
  const std::vector<NamePart> parts = SplitMailboxName("Entw&APw-rfe/R&-D/&AOk//x", '/');
  ASSERT_EQ(parts.size(), 5U);
  EXPECT_EQ(parts[0].text, "Entwürfe");
  EXPECT_FALSE(parts[0].raw);
  EXPECT_EQ(parts[1].text, "R&D");
  EXPECT_EQ(parts[2].text, "&AOk");
  EXPECT_TRUE(parts[2].raw);
  EXPECT_EQ(parts[3].text, "");
  EXPECT_FALSE(parts[3].raw);
  EXPECT_EQ(parts[4].text, "x");
}

TEST(MailboxName, AFlatNameIsOnePart) {
  const std::vector<NamePart> parts = SplitMailboxName("a/b.c", std::nullopt);
  ASSERT_EQ(parts.size(), 1U);
  EXPECT_EQ(parts[0].text, "a/b.c");
}

TEST(MailboxName, ADecodedSlashIsNotADelimiter) {
  const std::vector<NamePart> parts = SplitMailboxName("a/b.c", '.');
  ASSERT_EQ(parts.size(), 2U);
  EXPECT_EQ(parts[0].text, "a/b");
}

TEST(MailboxName, OnlyInboxIsWithoutCase) {
  EXPECT_TRUE(IsInbox("INBOX"));
  EXPECT_TRUE(IsInbox("Inbox"));
  EXPECT_FALSE(IsInbox("INBOX/a"));
  EXPECT_FALSE(IsInbox(""));
}

}  // namespace
}  // namespace mailboxfs::imap
