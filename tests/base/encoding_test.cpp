#include "mailboxfs/base/encoding.h"

#include <gtest/gtest.h>

namespace mailboxfs::base {
namespace {

// RFC 4648 section 10.
TEST(Base64, MatchesTheRfcVectorsBothWays) {
  const std::pair<std::string, std::string> vectors[] = {{"", ""},
                                                         {"f", "Zg=="},
                                                         {"fo", "Zm8="},
                                                         {"foo", "Zm9v"},
                                                         {"foob", "Zm9vYg=="},
                                                         {"fooba", "Zm9vYmE="},
                                                         {"foobar", "Zm9vYmFy"}};
  for (const auto& [plain, encoded] : vectors) {
    EXPECT_EQ(Base64Encode(plain), encoded);
    EXPECT_EQ(Base64Decode(encoded), plain);
  }
}

TEST(Base64, RefusesWhatIsNotCanonical) {
  for (const char* bad : {"Zg", "Zg=", "Z===", "Zh==", "Zm 9", "Zm9v\n", "====", "Zg==Zg=="}) {
    EXPECT_EQ(Base64Decode(bad), std::nullopt) << bad;
  }
}

TEST(Base64, UrlFormUsesItsAlphabetWithoutPadding) {
  const std::string bytes("\xfb\xff\xfe", 3);
  EXPECT_EQ(Base64UrlEncode(bytes), "-__-");
  EXPECT_EQ(Base64UrlDecode("-__-"), bytes);
  EXPECT_EQ(Base64UrlEncode("f"), "Zg");
  EXPECT_EQ(Base64UrlDecode("Zg"), "f");
}

TEST(PercentEncode, EncodesAllButUnreserved) {
  EXPECT_EQ(PercentEncode("a+b&c=d%e~f g/-._"), "a%2Bb%26c%3Dd%25e~f%20g%2F-._");
  EXPECT_EQ(PercentEncode("\xc3\xa9"), "%C3%A9");
}

TEST(Printable, HidesControlAndCutsLongText) {
  EXPECT_EQ(Printable("a\r\n\x1b[31m\xff\\"), "a\\x0d\\x0a\\x1b[31m\\xff\\x5c");
  EXPECT_EQ(Printable("abcdef", 3), "abc...");
}

TEST(Ascii, ComparesWithoutCase) {
  EXPECT_TRUE(EqualsIgnoreCase("InBox", "INBOX"));
  EXPECT_FALSE(EqualsIgnoreCase("INBOX", "INBOX2"));
  EXPECT_TRUE(ContainsIgnoreCase("The Microsoft Exchange IMAP4", "microsoft exchange"));
}

}  // namespace
}  // namespace mailboxfs::base
