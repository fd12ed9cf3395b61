#include "mailboxfs/imap/framer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "mailboxfs/base/error.h"

namespace mailboxfs::imap {
namespace {

using ::testing::ElementsAre;

// Fragments as "T:text", "L:size", "D:octets" (joined), "E".
std::vector<std::string> Drain(Framer& framer, std::vector<std::string> out = {}) {
  while (const std::optional<Framer::Fragment> fragment = framer.Next()) {
    switch (fragment->kind) {
      case Framer::Fragment::Kind::kText: out.push_back("T:" + std::string(fragment->bytes)); break;
      case Framer::Fragment::Kind::kLiteralBegin: out.push_back("L:" + std::to_string(fragment->size)); break;
      case Framer::Fragment::Kind::kLiteralData:
        if (out.empty() || !out.back().starts_with("D:")) out.emplace_back("D:");
        out.back().append(fragment->bytes);
        break;
      case Framer::Fragment::Kind::kEnd: out.emplace_back("E"); break;
    }
  }
  return out;
}

std::vector<std::string> Frame(std::string_view input) {
  Framer framer;
  framer.Push(input);
  return Drain(framer);
}

TEST(Framer, ALineIsAResponse) { EXPECT_THAT(Frame("* 5 EXISTS\r\n"), ElementsAre("T:* 5 EXISTS", "E")); }

TEST(Framer, ALiteralIsPartOfItsResponse) {
  EXPECT_THAT(Frame("* 1 FETCH (BODY[] {5}\r\na\r\nbc UID 7)\r\n* OK\r\n"),
              ElementsAre("T:* 1 FETCH (BODY[] ", "L:5", "D:a\r\nbc", "T: UID 7)", "E", "T:* OK", "E"));
}

TEST(Framer, LiteralsCanFollowEachOther) {
  EXPECT_THAT(Frame("* 1 FETCH (A {1}\r\nx B {0}\r\n C {2}\r\nyz)\r\n"),
              ElementsAre("T:* 1 FETCH (A ", "L:1", "D:x", "T: B ", "L:0", "T: C ", "L:2", "D:yz", "T:)", "E"));
}

TEST(Framer, NonSynchronizingAndBinaryLiteralsAreLiterals) {
  EXPECT_THAT(Frame("* 1 FETCH (A {1+}\r\nx B ~{2}\r\nyz C ~{1+}\r\n!)\r\n"),
              ElementsAre("T:* 1 FETCH (A ", "L:1", "D:x", "T: B ", "L:2", "D:yz", "T: C ", "L:1", "D:!", "T:)", "E"));
}

TEST(Framer, TextForPeopleAnnouncesNoLiteral) {
  for (const std::string line : {"* OK Done {5}", "* NO {5}", "* bad x {5}", "* BYE {5}", "* PREAUTH {5}", "A1 OK {5}",
                                 "A1 NO [X] {5}", "+ go on {5}", "+{5}", "Server Unavailable. {5}", "{5}", ""}) {
    EXPECT_THAT(Frame(line + "\r\n"), ElementsAre("T:" + line, "E")) << line;
  }
}

TEST(Framer, WordsThatOnlyBeginLikeAStatusAreData) {
  EXPECT_THAT(Frame("* OKAY {1}\r\nx\r\n"), ElementsAre("T:* OKAY ", "L:1", "D:x", "T:", "E"));
}

TEST(Framer, NothingInQuotesIsALiteral) {
  EXPECT_THAT(Frame("* LIST () \"/\" \"a {5}\r\n"), ElementsAre("T:* LIST () \"/\" \"a {5}", "E"));
  EXPECT_THAT(Frame("* LIST () \"/\" \"a \\\" {5}\r\n"), ElementsAre("T:* LIST () \"/\" \"a \\\" {5}", "E"));
  EXPECT_THAT(Frame("* LIST () \"\\\\\" {1}\r\nx\r\n"), ElementsAre("T:* LIST () \"\\\\\" ", "L:1", "D:x", "T:", "E"));
}

TEST(Framer, AQuoteInsideAnAtomDoesNotHideALiteral) {
  EXPECT_THAT(Frame("* 1 FETCH (FLAGS (a\"b) BODY[] {1}\r\nx)\r\n"),
              ElementsAre("T:* 1 FETCH (FLAGS (a\"b) BODY[] ", "L:1", "D:x", "T:)", "E"));
}

TEST(Framer, WhatOnlyLooksLikeALiteralIsText) {
  for (const std::string line :
       {"* X {}", "* X {+}", "* X {a}", "* X {-1}", "* X {5 }", "* X {5} ", "* X 5}", "* X {5"}) {
    EXPECT_THAT(Frame(line + "\r\n"), ElementsAre("T:" + line, "E")) << line;
  }
}

TEST(Framer, LeadingNulsDoNotHideAStatus) {
  const std::string nuls(2, '\0');
  EXPECT_THAT(Frame(nuls + "* OK {5}\r\n"), ElementsAre("T:" + nuls + "* OK {5}", "E"));
  EXPECT_THAT(Frame(nuls + "* X {1}\r\ny\r\n"), ElementsAre("T:" + nuls + "* X ", "L:1", "D:y", "T:", "E"));
}

TEST(Framer, ABareLineFeedEndsALine) {
  EXPECT_THAT(Frame("* X {1}\nyz\n\n\r\n"), ElementsAre("T:* X ", "L:1", "D:y", "T:z", "E", "T:", "E", "T:", "E"));
}

TEST(Framer, ACarriageReturnWithinALineIsText) { EXPECT_THAT(Frame("a\rb\r\r\n"), ElementsAre("T:a\rb\r", "E")); }

TEST(Framer, KnowsWhetherTheStreamMayEnd) {
  Framer framer;
  EXPECT_TRUE(framer.AtBoundary());
  for (const char c : std::string_view("* X {2}\r\nab\r")) {
    framer.Push({&c, 1});
    Drain(framer);
    EXPECT_FALSE(framer.AtBoundary());
  }
  framer.Push("\n");
  EXPECT_FALSE(framer.AtBoundary()) << "before the end has been taken";
  Drain(framer);
  EXPECT_TRUE(framer.AtBoundary());
}

TEST(Framer, ChunksDoNotMatter) {
  const std::string input =
      "* OK hello {3}\r\n\r\n* LIST () \"/\" {4}\r\na\r\nb\n* 1 FETCH (X ~{3+}\r\n{1} BODY[] {6}\r\n* OK\r\n)\r\nA OK "
      "x\r\n";
  const std::vector<std::string> whole = Frame(input);
  for (size_t cut = 0; cut <= input.size(); ++cut) {
    Framer framer;
    framer.Push(std::string_view(input).substr(0, cut));
    std::vector<std::string> got = Drain(framer);
    framer.Push(std::string_view(input).substr(cut));
    EXPECT_EQ(Drain(framer, got), whole) << cut;
  }
  Framer framer;
  std::vector<std::string> got;
  for (const char c : input) {
    framer.Push({&c, 1});
    got = Drain(framer, got);
  }
  EXPECT_EQ(got, whole);
}

void ExpectPoison(const FramerLimits& limits, std::string_view input) {
  for (const bool by_octet : {false, true}) {
    Framer framer(limits);
    const auto feed = [&] {
      for (size_t i = 0; i < input.size(); i += by_octet ? 1 : input.size()) {
        framer.Push(input.substr(i, by_octet ? 1 : input.size()));
        Drain(framer);
      }
    };
    try {
      feed();
      ADD_FAILURE() << "no limit held for " << input.substr(0, 40);
    } catch (const base::Error& error) {
      EXPECT_EQ(error.kind(), base::ErrorKind::kProtocol);
    }
    framer.Push("* OK\r\n");
    EXPECT_THROW(framer.Next(), base::Error) << "poisoned";
    EXPECT_FALSE(framer.AtBoundary());
  }
}

TEST(Framer, LimitsTheLine) {
  FramerLimits limits;
  limits.max_line = 10;
  ExpectPoison(limits, "* X45678901");
  ExpectPoison(limits, "* X45678901\n");
  Framer framer(limits);
  framer.Push("* X4567890\r");
  EXPECT_TRUE(Drain(framer).empty());
  framer.Push("\n");
  EXPECT_THAT(Drain(framer), ElementsAre("T:* X4567890", "E"));
}

TEST(Framer, ALiteralGivesNoNewAllowanceToTheLine) {
  FramerLimits limits;
  limits.max_line = 10;
  ExpectPoison(limits, "* X {1}\r\na {1}\r\nb {1}\r\n");
}

TEST(Framer, LimitsLiterals) {
  FramerLimits limits;
  limits.max_literal = 100;
  limits.max_literals = 2;
  ExpectPoison(limits, "* X {101}\r\n");
  ExpectPoison(limits, "* X {99999999999999999999999999999}\r\n");
  ExpectPoison(limits, "* X {0}\r\n {0}\r\n {0}\r\n");
}

TEST(Framer, HandsOnALiteralAsItComes) {
  Framer framer;
  framer.Push("* 1 FETCH (BODY[] {1000000}\r\n");
  Drain(framer);
  framer.Push("abc");
  const std::optional<Framer::Fragment> fragment = framer.Next();
  ASSERT_TRUE(fragment);
  EXPECT_EQ(fragment->bytes, "abc");
}

}  // namespace
}  // namespace mailboxfs::imap
