#include "mailboxfs/model/header_fields.h"

#include <gtest/gtest.h>

#include <random>

#include "mailboxfs/model/text.h"

namespace mailboxfs::model {
namespace {

TEST(ParseHeaderFields, ReadsTheFieldsNamesAreMadeOf) {
  const HeaderFields fields = ParseHeaderFields(
      "Date: Fri, 21 Nov 1997 09:55:06 -0600\r\n"
      "FROM: John Doe <jdoe@machine.example>\r\n"
      "Subject: Saying Hello\r\n"
      "Message-ID: <1234@local.machine.example>\r\n"
      "\r\n");
  EXPECT_EQ(fields.subject, "Saying Hello");
  EXPECT_EQ(fields.from_name, "John Doe");
  EXPECT_EQ(fields.from_address, "jdoe@machine.example");
  EXPECT_EQ(fields.message_id, "<1234@local.machine.example>");
  EXPECT_EQ(fields.date, "Fri, 21 Nov 1997 09:55:06 -0600");
}

TEST(ParseHeaderFields, UnfoldsAndCollapsesBlanks) {
  EXPECT_EQ(ParseHeaderFields("Subject: one\r\n\ttwo\r\n   three  \r\n").subject, "one two three");
  EXPECT_EQ(ParseHeaderFields("Subject:\n one\n\n two").subject, "one") << "bare LF; the header ends at the empty line";
  EXPECT_EQ(ParseHeaderFields("Subject : spaced").subject, "spaced");
  EXPECT_EQ(ParseHeaderFields("Subject: last line without an end").subject, "last line without an end");
}

TEST(ParseHeaderFields, TheFirstFieldCounts) {
  EXPECT_EQ(ParseHeaderFields("Subject: first\r\nSubject: second\r\n").subject, "first");
  EXPECT_EQ(ParseHeaderFields("Subject:\r\nSubject: second\r\n").subject, "");
}

TEST(ParseHeaderFields, SkipsWhatIsNoField) {
  EXPECT_EQ(ParseHeaderFields("garbage\r\n more\r\n: nameless\r\nSubject: here\r\n").subject, "here");
  EXPECT_EQ(ParseHeaderFields("").subject, "");
  EXPECT_EQ(ParseHeaderFields(std::string("Subject: a\0b\r\n", 14)).subject, std::string("a\0b", 3));
}

TEST(ParseHeaderFields, LooksAtABoundedStretch) {
  const std::string filler = "X: " + std::string(64 * 1024, 'x') + "\r\n";
  EXPECT_EQ(ParseHeaderFields(filler + "Subject: far away\r\n").subject, "");
  EXPECT_EQ(ParseHeaderFields("Subject: near\r\n" + filler).subject, "near");
}

struct FromCase {
  std::string raw, name, address;
};

TEST(ParseHeaderFields, ReadsTheFirstSender) {
  const std::vector<FromCase> cases = {
      {"jdoe@example.org", "jdoe@example.org", "jdoe@example.org"},
      {"<jdoe@example.org>", "jdoe@example.org", "jdoe@example.org"},
      {"\"Doe, \\\"J\\\" John\" <jdoe@example.org>", "Doe, \"J\" John", "jdoe@example.org"},
      {"jdoe@example.org (John Doe)", "John Doe", "jdoe@example.org"},
      {"John (the (great)) Doe <j@example.org>", "John Doe", "j@example.org"},
      {"A <a@example.org>, B <b@example.org>", "A", "a@example.org"},
      {"a@example.org, b@example.org", "a@example.org", "a@example.org"},
      {"Team: A <a@example.org>, b@example.org;", "A", "a@example.org"},
      {"undisclosed-recipients:;", "", ""},
      {"=?utf-8?Q?Doe,_J=C3=B6rg?= <j@example.org>", "Doe, J\u00F6rg", "j@example.org"},
      {"\"=?utf-8?B?SsO2cmc=?=\" <j@example.org>", "J\u00F6rg", "j@example.org"},
      {"J\xF6rg <j@example.org>", "J\u00F6rg", "j@example.org"},
      {"\"unterminated <j@example.org>", "", "unterminated <j@example.org>"},
      {"John <unterminated", "John", "unterminated"},
      {"(((", "(", ""},
      {"", "", ""},
  };
  for (const FromCase& one : cases) {
    const HeaderFields fields = ParseHeaderFields("From: " + one.raw + "\r\n");
    if (one.raw.starts_with("\"unterminated") || one.raw == "(((") continue;  // Only has to end.
    EXPECT_EQ(fields.from_name, one.name) << one.raw;
    EXPECT_EQ(fields.from_address, one.address) << one.raw;
  }
}

struct WordCase {
  std::string raw, text;
};

// RFC 2047 section 8, and what is met in the field.
TEST(DecodeHeaderText, DecodesEncodedWords) {
  const std::vector<WordCase> cases = {
      {"=?ISO-8859-1?Q?a?=", "a"},
      {"=?ISO-8859-1?Q?a?= b", "a b"},
      {"=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=", "ab"},
      {"=?ISO-8859-1?Q?a?=\r\n    =?ISO-8859-1?Q?b?=", "ab"},
      {"=?ISO-8859-1?Q?a_b?=", "a b"},
      {"=?ISO-8859-1?Q?a?= =?ISO-8859-2?Q?_b?=", "a b"},
      {"=?US-ASCII*EN?Q?Keith_Moore?=", "Keith Moore"},
      {"=?iso-8859-1?q?Andr=E9?=", "Andr\u00E9"},
      {"=?utf-8?B?w4TDlsOc?=", "\u00C4\u00D6\u00DC"},
      {"=?UTF-8?Q?=E2=82?= =?utf-8?B?rA==?=", "\u20AC"},  // Split within a character.
      {"=?utf-8?B?w4Q?=", "\u00C4"},                      // Padding left out.
      {"=?utf-8?Q?with spaces inside?=", "with spaces inside"},
      {"Re:=?utf-8?Q?glued?=on", "Re:gluedon"},
      {"=?windows-1252?Q?=80=93?=", "\u20AC\u201C"},
      {"=?iso-8859-1?Q?=80?=", "\u20AC"},
      {"=?koi8-r?B?8NLJ18XU?=", "\u041F\u0440\u0438\u0432\u0435\u0442"},
      {"=?iso-2022-jp?B?GyRCRnxLXBsoQg==?=", "\u65E5\u672C"},
      {"=?Shift_JIS?B?k/qWew==?=", "\u65E5\u672C"},
      {"=?gb2312?B?1tDOxA==?=", "\u4E2D\u6587"},
      {"=?ks_c_5601-1987?B?x9GxuQ==?=", "\uD55C\uAD6D"},
      {"=?big5?B?pKSk5Q==?=", "\u4E2D\u6587"},
      {"=?x-unknown?Q?=C3=A4?=", "\u00E4"},
      {"=?x-unknown?Q?=E4?=", "\u00E4"},
      {"=?us-ascii?Q?=E4?=", "\u00E4"},
      {"=?utf-8?Q?=FF?=", "\uFFFD"},
      {"=?gb18030?B?1g==?=", "\uFFFD"},
  };
  for (const WordCase& one : cases) EXPECT_EQ(DecodeHeaderText(one.raw), one.text) << one.raw;
}

TEST(DecodeHeaderText, LeavesWhatIsMalformed) {
  for (const char* raw : {"=?", "=?=", "=?utf-8?", "=?utf-8?Q?", "=?utf-8?Q?abc", "=?utf-8?X?abc?=", "=?utf-8?B?a*b?=",
                          "=??Q?abc?=", "=?../../etc?Q?abc?=", "=?ut f-8?Q?abc?=", "=?utf-8?Qabc?="}) {
    EXPECT_EQ(DecodeHeaderText(raw), raw);
  }
  EXPECT_EQ(DecodeHeaderText("=?utf-8?Q?a=ZZ=4?="), "a=ZZ=4");
}

TEST(DecodeHeaderText, TakesRawBytesAsUtf8OrWindows1252) {
  EXPECT_EQ(DecodeHeaderText("Gr\u00FC\u00DFe"), "Gr\u00FC\u00DFe");
  EXPECT_EQ(DecodeHeaderText("Gr\xFC\xDF"
                             "e \x80\x81"),
            "Gr\u00FC\u00DFe \u20AC\uFFFD");
}

// Each of these makes a careless decoder quadratic.
// Else it would take longer than any test may.
TEST(ParseHeaderFields, TakesLinearTime) {
  for (const char* unit : {"=?", "=?a?q?", "=?a?b?", "=?utf-8?Q?x?= ", "(", "\"", "<", "=?utf-8?B?AAAA ", "\n ", "\r",
                           "=?iso-2022-jp?Q?=1B$B!?=", "\\(", ": "}) {
    std::string text = "From: ";
    while (text.size() < 20'000 * MAILBOXFS_MANY) text += unit;
    text += "\r\nSubject: ";
    ParseHeaderFields(text);
    text.replace(0, 4, "Subj");
    DecodeHeaderText(text);
  }
}

TEST(ParseHeaderFields, AlwaysGivesValidUtf8) {
  std::mt19937 random(20240229);  // Fixed: failures repeat.
  const std::string_view pieces[] = {"=?", "?=", "utf-8", "?Q?",         "?B?",     "=E4", "\r\n ", "\xE4", "\xC3",
                                     "<",  ">",  "\"",    "(",           ")",       "\\",  ",",     ";",    ":",
                                     "@",  "a",  " ",     "iso-2022-jp", "gb18030", "=1B", "utf-16"};
  for (int round = 0; round < 2'000 * MAILBOXFS_MANY; ++round) {
    std::string text;
    for (unsigned i = random() % 24; i > 0; --i) {
      text += random() % 8 == 0 ? std::string(1, static_cast<char>(random())) : pieces[random() % std::size(pieces)];
    }
    const HeaderFields fields = ParseHeaderFields("Subject: " + text + "\r\nFrom: " + text + "\r\n");
    ASSERT_TRUE(IsValidUtf8(fields.subject)) << text;
    ASSERT_TRUE(IsValidUtf8(fields.from_name)) << text;
    ASSERT_TRUE(IsValidUtf8(fields.from_address)) << text;
  }
}

}  // namespace
}  // namespace mailboxfs::model
