#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "mailboxfs/base/error.h"
#include "mailboxfs/imap/response_parser.h"
#include "support/describe.h"

namespace mailboxfs::imap {
namespace {

// What "* 12 FETCH (<items>)" says.
std::string Parse(std::string_view items) {
  const std::vector<std::string> lines = testing::ReadAll("* 12 FETCH (" + std::string(items) + ")\r\n", {});
  if (lines.size() == 2 && lines[0].starts_with("fetch 12") && lines[1] == "end") return lines[0].substr(8);
  return lines.size() == 1 ? lines[0] : "not one FETCH";
}

TEST(Fetch, ItemsInAnyOrder) {
  const char* expected = " uid=84 flags=(\\Seen $MDNSent) date=837596665 size=45274 modseq=7";
  EXPECT_EQ(
      Parse("UID 84 FLAGS (\\Seen $MDNSent) INTERNALDATE \"17-Jul-1996 02:44:25 -0700\" RFC822.SIZE 45274 MODSEQ (7)"),
      expected);
  EXPECT_EQ(Parse("modseq (7)  rfc822.size 45274 internaldate \"17-Jul-1996 02:44:25 -0700\" Flags ( \\Seen $MDNSent ) "
                  "Uid 84 "),
            expected);
  EXPECT_EQ(Parse(""), "");
}

TEST(Fetch, Sections) {
  EXPECT_EQ(Parse("BODY[] {6}\r\na\r\nb\r\n UID 3"), " uid=3 []='a<0d><0a>b<0d><0a>'");
  EXPECT_EQ(Parse("UID 3 BODY[]<0> \"ab\""), " uid=3 []<0>='ab'");
  EXPECT_EQ(Parse("BODY[]<10.20> \"ab\""), " []<10>='ab'");
  EXPECT_EQ(Parse("BODY[HEADER.FIELDS (DATE FROM)] {2}\r\n\r\n"), " [HEADER.FIELDS (DATE FROM)]='<0d><0a>'");
  EXPECT_EQ(Parse("BODY[HEADER.FIELDS (\"]\" {1}\r\n])] \"\""), " [HEADER.FIELDS (\"]\" ])]=''");
  EXPECT_EQ(Parse("BODY[1.2.MIME] \"x\" BODY[TEXT] NIL"), " [1.2.MIME]='x' [TEXT]=nil");
  EXPECT_EQ(Parse("BODY[] ~{2}\r\nab"), " []='ab'");
  EXPECT_EQ(Parse("BODY[]{2}\r\nab"), " []='ab'");
}

TEST(Fetch, NilAndEmptyBodiesDiffer) {
  EXPECT_EQ(Parse("BODY[] NIL"), " []=nil");
  EXPECT_EQ(Parse("BODY[] nil"), " []=nil");
  EXPECT_EQ(Parse("BODY[] \"\""), " []=''");
  EXPECT_EQ(Parse("BODY[] {0}\r\n"), " []=''");
}

TEST(Fetch, SizesOutOfRangeAreUnset) {
  EXPECT_EQ(Parse("RFC822.SIZE 18446744073709551615"), " size=18446744073709551615");
  EXPECT_EQ(Parse("RFC822.SIZE 0"), " size=0");
  EXPECT_EQ(Parse("RFC822.SIZE 18446744073709551616"), "");
  EXPECT_EQ(Parse("RFC822.SIZE -1 UID 5"), " uid=5");
  EXPECT_EQ(Parse("RFC822.SIZE NIL UID 5"), " uid=5");
}

TEST(Fetch, ModSeqOfServersWithoutOne) {
  EXPECT_EQ(Parse("MODSEQ (0)"), "");
  EXPECT_EQ(Parse("MODSEQ (-1)"), "");
  EXPECT_EQ(Parse("MODSEQ 12"), " modseq=12");
}

TEST(Fetch, Flags) {
  EXPECT_EQ(Parse("FLAGS ()"), " flags=()");
  EXPECT_EQ(Parse("FLAGS NIL"), " flags=()");
  EXPECT_EQ(Parse("FLAGS ([Gmail]/x a] b[ \\*)"), " flags=([Gmail]/x a] b[ \\*)");
  EXPECT_EQ(Parse("FLAGS x"), "error");
}

TEST(Fetch, Uids) {
  EXPECT_EQ(Parse("UID 4294967295"), " uid=4294967295");
  EXPECT_EQ(Parse("UID 3 UID 3"), " uid=3");
  for (const char* items : {"UID 0", "UID 4294967296", "UID -3", "UID x", "UID NIL", "UID", "UID 3 UID 4"}) {
    EXPECT_EQ(Parse(items), "error") << items;
  }
}

struct Date {
  const char* text;
  std::optional<int64_t> seconds;
};

TEST(Fetch, InternalDates) {
  const Date dates[] = {
      {"17-Jul-1996 02:44:25 -0700", 837596665},  {" 1-Jan-1970 00:00:00 +0000", 0},
      {"1-Jan-1970 01:00:00 +0100", 0},           {"01-Oct-2022 12:34:56 +0530", 1664607896},
      {"29-FEB-2024 23:59:60 +0000", 1709251200}, {"31-Dec-1969 23:59:59 +0000", -1},
      {"01-Jan-2040 00:00:00 +0000", 2208988800}, {" 7-Feb-1994 21:52:25", 760657945},
      {"29-Feb-2023 00:00:00 +0000", {}},         {"32-Jan-2023 00:00:00 +0000", {}},
      {"00-Jan-2023 00:00:00 +0000", {}},         {"01-Foo-2023 00:00:00 +0000", {}},
      {"01-Jan-23 00:00:00 +0000", {}},           {"01-Jan-2023 24:00:00 +0000", {}},
      {"01-Jan-2023 00:60:00 +0000", {}},         {"01-Jan-2023 00:00:61 +0000", {}},
      {"01-Jan-2023 00:00:00 GMT", {}},           {"01-Jan-2023 00:00:00 +000", {}},
      {"01-Jan-2023 00:00:00 +0000 x", {}},       {"", {}},
      {"-1-Jan-2023 00:00:00 +0000", {}},         {"01-Jan-2023 00:00", {}},
  };
  for (const Date& date : dates) {
    const std::string expected = date.seconds ? " date=" + std::to_string(*date.seconds) : "";
    EXPECT_EQ(Parse("INTERNALDATE \"" + std::string(date.text) + "\""), expected) << date.text;
  }
  EXPECT_EQ(Parse("INTERNALDATE NIL UID 3"), " uid=3");
  EXPECT_EQ(Parse("INTERNALDATE {26}\r\n17-Jul-1996 02:44:25 -0700"), " date=837596665");
}

TEST(Fetch, GmailsNumbersOutOfRangeAreUnset) {
  EXPECT_EQ(Parse("X-GM-MSGID 1278455344230334865 UID 3"), " uid=3 gmail=1278455344230334865");
  EXPECT_EQ(Parse("x-gm-msgid \"7\""), " gmail=7");
  EXPECT_EQ(Parse("X-GM-MSGID 18446744073709551615"), " gmail=18446744073709551615");
  for (const char* number : {"0", "18446744073709551616", "-1", "NIL", "(7 8)", "\"\"", "7x", "{1}\r\n7"}) {
    EXPECT_EQ(Parse("X-GM-MSGID " + std::string(number) + " UID 3"), " uid=3") << number;
  }
}

// Everything that MailKit's transcripts of Exchange and others have.
TEST(Fetch, UnknownItemsAreSkipped) {
  for (const char* item : {
           "X-GM-THRID 1278455344230334865",
           "X-GM-LABELS (\\Inbox \"\\\\Sent\" Important \"Muy Importante\")",
           "EMAILID (M6d99ac3275bb4e) THREADID NIL",
           "ENVELOPE (NIL \"s\" ((\"\xE2\x80\x9CMicrosoft Exchange Server\xE2\x80\x9D\" NIL NIL "
           "\".MISSING-HOST-NAME.\")) NIL)",
           "ENVELOPE (NIL NIL ((\xE2\x80\x9CMicrosoft\xE2\x80\x9D NIL NIL \".MISSING\")) NIL)",
           "BODYSTRUCTURE (\"text\" \"plain\" NIL NIL NIL \"7BIT\" -1 0 NIL \"inline\" NIL)",
           "BODYSTRUCTURE (NIL NIL NIL NIL NIL \"7BIT\" 0 NIL NIL NIL NIL)",
           "BODYSTRUCTURE ((\"a\" \"b\" (\"name\" \"x) (y\") NIL)(\"a\"\"b\") \"mixed\" (NIL NIL))",
           "BODY ((\"TEXT\" {5}\r\nPL(IN)(\"x\" \"y\") \"MIXED\")",
           "RFC822.HEADER {3}\r\n) (",
           "BINARY.SIZE[1.2] 44",
           "BINARY[1] ~{2}\r\n)(",
           "PREVIEW \"a\\\"b\"",
           "SNIPPET (FUZZY {2}\r\nab)",
       }) {
    EXPECT_EQ(Parse(std::string(item) + " UID 9"), " uid=9") << item;
  }
}

TEST(Fetch, NestingIsBounded) {
  const auto nested = [](size_t depth) { return "X " + std::string(depth, '(') + std::string(depth, ')') + " UID 1"; };
  EXPECT_EQ(Parse(nested(100)), " uid=1");
  EXPECT_EQ(Parse(nested(500'000)), "error");
}

TEST(Fetch, BrokenOnesAreErrors) {
  for (const char* line : {"* 1 FETCH",
                           "* 1 FETCH UID 3",
                           "* 0 FETCH (UID 3)",
                           "* 4294967296 FETCH (UID 3)",
                           "* 1 FETCH (UID 3",
                           "* 1 FETCH (UID 3))",
                           "* 1 FETCH (UID 3) x",
                           "* 1 FETCH (X (UID 3)",
                           "* 1 FETCH (X \"y)",
                           "* 1 FETCH (BODY[ NIL)",
                           "* 1 FETCH (BODY[])",
                           "* 1 FETCH (BODY[] x)",
                           "* 1 FETCH (BODY[] (x))",
                           "* 1 FETCH (BODY[]<x> \"y\")",
                           "* 1 FETCH (BODY[]<0 \"y\")",
                           "* 1 FETCH (\"x\" 3)",
                           "* 1 FETCH ((x) 3)",
                           "* 1 FETCH ({1}\r\nx 3)",
                           "* 1 FETCH (]x 3)",
                           "* 1 FETCH (X 3 {1}\r\nx)"}) {
    EXPECT_EQ(testing::ReadAll(std::string(line) + "\r\n", {}), std::vector<std::string>{"error"}) << line;
  }
}

// A literal that is longer than it says: the rest must not pass as protocol.
TEST(Fetch, LeftoversOfALiteralAreAnError) {
  EXPECT_EQ(Parse("BODY[] {2}\r\nabcd UID 3"), "error");
  EXPECT_EQ(Parse("BODY[] {2}\r\nabX 1 UID 3"), "error");
  EXPECT_EQ(testing::ReadAll("* 1 FETCH (BODY[] {1}\r\na)\r\nbc)\r\n", {}),
            (std::vector<std::string>{"fetch 1 []='a'", "error"}));
}

TEST(Fetch, TwoBodiesAreAnError) {
  EXPECT_EQ(Parse("BODY[] {1}\r\na BODY[] {1}\r\nb"), "error");
  EXPECT_EQ(Parse("BODY[] NIL BODY[] \"b\""), "error");
}

TEST(Fetch, AStreamedLiteralMustBeABody) {
  RawResponse raw;
  raw.text = {"* 1 FETCH (BODY[TEXT] ", ")"};
  raw.literals.push_back({"", true, 5});
  EXPECT_THROW(ParseResponse(raw), base::Error);
  raw.text = {"* LIST () NIL ", ""};
  EXPECT_NO_THROW(ParseResponse(raw)) << "no body is lost";
  raw.text = {"* 1 FETCH (BODY[] ", ")"};
  const Response response = ParseResponse(raw);
  const FetchData& fetch = std::get<FetchData>(std::get<UntaggedData>(response));
  ASSERT_EQ(fetch.sections.size(), 1U);
  EXPECT_TRUE(fetch.sections[0].streamed);
}

std::optional<FetchPrefix> Prefix(std::vector<std::string> text, std::vector<std::string> literals = {}) {
  RawResponse raw;
  raw.text = std::move(text);
  for (std::string& bytes : literals) {
    const uint64_t size = bytes.size();
    raw.literals.push_back({std::move(bytes), false, size});
  }
  return ParseFetchPrefix(raw);
}

TEST(FetchPrefix, SeesABodyAndItsUid) {
  const std::optional<FetchPrefix> prefix = Prefix({"* 7 FETCH (FLAGS (\\Seen) UID 9 body[] "});
  ASSERT_TRUE(prefix);
  EXPECT_EQ(prefix->sequence, 7U);
  EXPECT_EQ(prefix->uid, 9U);
  EXPECT_TRUE(prefix->is_full_body);
  EXPECT_EQ(Prefix({"* 7 FETCH (BODY[]"})->uid, std::nullopt);
  EXPECT_TRUE(Prefix({"* 7 FETCH (BODY[]"})->is_full_body);
}

TEST(FetchPrefix, OtherLiteralsAreNoBodies) {
  EXPECT_FALSE(Prefix({"* 7 FETCH (BODY[TEXT] "})->is_full_body);
  EXPECT_FALSE(Prefix({"* 7 FETCH (BODY[]<0> "})->is_full_body);
  EXPECT_FALSE(Prefix({"* 7 FETCH (BODY[] NIL X "})->is_full_body);
  EXPECT_FALSE(Prefix({"* 7 FETCH (X (BODY[] "})->is_full_body);
  EXPECT_FALSE(Prefix({"* 7 FETCH (X \"(BODY[]\" Y "})->is_full_body);
  EXPECT_FALSE(Prefix({"* 7 FETCH (BODY["})->is_full_body);
  EXPECT_FALSE(Prefix({"* 7 FETCH (BODY[", "] "}, {"TEXT"})->is_full_body);
  EXPECT_FALSE(Prefix({"* 7 FETCH (BODY[] ", " X "}, {"body"})->is_full_body);
  EXPECT_TRUE(Prefix({"* 7 FETCH (X ", " BODY[] "}, {"UID 3"})->is_full_body);
}

TEST(FetchPrefix, OtherResponsesHaveNone) {
  EXPECT_FALSE(Prefix({"* LIST () NIL "}));
  EXPECT_FALSE(Prefix({"* 7 FETCHED (BODY[] "}));
  EXPECT_FALSE(Prefix({"A 7 FETCH (BODY[] "}));
  EXPECT_FALSE(Prefix({"* 7 FETCH (UID 3) "}, {}) && Prefix({"* 7 FETCH (UID 3) "})->is_full_body);
  EXPECT_FALSE(Prefix({""}));
}

}  // namespace
}  // namespace mailboxfs::imap
