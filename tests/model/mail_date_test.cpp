#include <gtest/gtest.h>

#include <optional>
#include <string>

#include "mailboxfs/model/header_fields.h"

namespace mailboxfs::model {
namespace {

std::optional<int64_t> Parse(std::string_view text) {
  int64_t seconds = -1;
  if (ParseMailDate(text, &seconds)) return seconds;
  EXPECT_EQ(seconds, -1) << "a failure leaves the result alone";
  return std::nullopt;
}

TEST(ParseMailDate, ReadsTheModernForm) {
  EXPECT_EQ(Parse("Fri, 21 Nov 1997 09:55:06 -0600"), 880127706);
  EXPECT_EQ(Parse("Thu, 1 Jan 1970 00:00:00 +0000"), 0);
  EXPECT_EQ(Parse("1 Jul 2003 10:52:37 +0200"), 1057049557);
  EXPECT_EQ(Parse("Thu, 29 Feb 2024 23:59:60 +0000"), 1709251200) << "leap second";
  EXPECT_EQ(Parse("31 Dec 1969 23:59:59 +0000"), -1);
}

TEST(ParseMailDate, ReadsWithoutSecondsOrWeekdayOrZone) {
  EXPECT_EQ(Parse("21 Nov 1997 09:55 -0600"), 880127700);
  EXPECT_EQ(Parse("Fri, 21 Nov 1997 15:55:06"), 880127706);
}

TEST(ParseMailDate, ReadsObsoleteZonesAndYears) {
  EXPECT_EQ(Parse("21 Nov 97 09:55:06 GMT"), 880106106);
  EXPECT_EQ(Parse("21 Nov 097 09:55:06 UT"), 880106106);
  EXPECT_EQ(Parse("21 Nov 97 09:55:06 EST"), 880106106 + 5 * 3600);
  EXPECT_EQ(Parse("21 Nov 97 09:55:06 PDT"), 880106106 + 7 * 3600);
  EXPECT_EQ(Parse("21 Nov 97 09:55:06 Z"), 880106106);
  EXPECT_EQ(Parse("21 Nov 97 09:55:06 A"), 880106106) << "military zones mean nothing";
  EXPECT_EQ(Parse("21 Nov 97 09:55:06 CEST"), 880106106) << "unknown zones are UTC";
  EXPECT_EQ(Parse("1 Jan 49 00:00 GMT"), 2493072000);
  EXPECT_EQ(Parse("1 Jan 50 00:00 GMT"), -631152000);
}

TEST(ParseMailDate, SkipsCommentsAndFolding) {
  EXPECT_EQ(Parse("Fri (day),\r\n 21 (a (nested \\) one)) Nov 1997 09(h):55 : 06 -0600 (Central)"), 880127706);
}

TEST(ParseMailDate, ReadsWhatOtherProgramsWrite) {
  EXPECT_EQ(Parse("Fri Nov 21 09:55:06 1997"), 880106106);
  EXPECT_EQ(Parse("21-Nov-1997 09:55:06 +0000"), 880106106);
  EXPECT_EQ(Parse("Fri, 21 November 1997 09:55:06 +0000"), 880106106);
}

TEST(ParseMailDate, RefusesWhatIsNoDate) {
  for (const char* text : {"", "garbage", "Fri,", "32 Nov 1997 09:55:06 -0600", "29 Feb 2023 00:00 GMT",
                           "0 Jan 2020 00:00 GMT", "21 Foo 1997 09:55:06 -0600", "21 Nov 1997 24:00:00 +0000",
                           "21 Nov 1997 09:60 +0000", "21 Nov 1997", "21 Nov 19971 09:55:06 +0000",
                           "21 Nov 1997 09:55:06 +1", "21 Nov 1997 09:55:06 +0099", "((((", "21 Nov 7 9:5"}) {
    EXPECT_EQ(Parse(text), std::nullopt) << text;
  }
  EXPECT_EQ(Parse(std::string(1 << 20, '(')), std::nullopt);
}

}  // namespace
}  // namespace mailboxfs::model
