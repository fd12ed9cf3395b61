#include "mailboxfs/oauth/claims.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "mailboxfs/base/encoding.h"

namespace mailboxfs::oauth {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::optional<Claims> Read(const std::string& payload) {
  return ReadClaims(base::Secret(base::Base64UrlEncode(R"({"alg":"RS256"})") + "." + base::Base64UrlEncode(payload) +
                                 ".c2lnbmF0dXJl"));
}

TEST(ClaimsTest, OfAnApplication) {
  const Claims claims = Read(R"({"aud":"https://outlook.office365.com","iss":"https://sts.windows.net/t/","iat":100,
    "nbf":101,"exp":4000,"appid":"app","appidacr":"1","idtyp":"app","oid":"object","sub":"object",
    "roles":["IMAP.AccessAsApp","POP.AccessAsApp"],"tid":"tenant"})")
                            .value();
  EXPECT_THAT(claims.audiences, ElementsAre("https://outlook.office365.com"));
  EXPECT_EQ(claims.issuer, "https://sts.windows.net/t/");
  EXPECT_EQ(claims.subject, "object");
  EXPECT_THAT(claims.roles, ElementsAre("IMAP.AccessAsApp", "POP.AccessAsApp"));
  EXPECT_EQ(claims.scopes, "");
  EXPECT_EQ(claims.app_id, "app");
  EXPECT_EQ(claims.object_id, "object");
  EXPECT_EQ(claims.tenant_id, "tenant");
  EXPECT_EQ(claims.identity_type, "app");
  EXPECT_EQ(claims.user, "");
  EXPECT_EQ(claims.issued, 100);
  EXPECT_EQ(claims.not_before, 101);
  EXPECT_EQ(claims.expires, 4000);
}

TEST(ClaimsTest, OfAUser) {
  const Claims claims = Read(R"({"aud":["a","b"],"azp":"app","scp":"IMAP.AccessAsUser.All offline_access",
    "preferred_username":"me@example.org","unique_name":"other","exp":"4000"})")
                            .value();
  EXPECT_THAT(claims.audiences, ElementsAre("a", "b"));
  EXPECT_EQ(claims.app_id, "app");
  EXPECT_EQ(claims.scopes, "IMAP.AccessAsUser.All offline_access");
  EXPECT_EQ(claims.user, "me@example.org");
  EXPECT_EQ(claims.expires, 4000);
  EXPECT_EQ(claims.issued, std::nullopt);
  EXPECT_EQ(Read(R"({"scp":["one","two"]})").value().scopes, "one two");
}

TEST(ClaimsTest, OpaqueTokensHaveNone) {
  for (const char* token : {"", "EwBAAl3BAAUFFpUAo7J3Ve0bjLBWZWCclRC3EoAA", "a.b", "a.b.c", "ya29.a0.b-c", "..", "a..c",
                            // A list and a string.
                            "e30.W10.c2ln", "e30.Im4i.c2ln"}) {
    EXPECT_EQ(ReadClaims(base::Secret(token)), std::nullopt) << token;
  }
}

TEST(ClaimsTest, WrongTypesAreAbsentAndTextsArePrintableAndBounded) {
  const Claims claims = Read(R"({"aud":5,"roles":[1,"r\u001b",null],"scp":{},"appid":[],"exp":"never","oid":")" +
                             std::string(5000, 'x') + "\"}")
                            .value();
  EXPECT_THAT(claims.audiences, IsEmpty());
  EXPECT_THAT(claims.roles, ElementsAre("r\\x1b"));
  EXPECT_EQ(claims.scopes, "");
  EXPECT_EQ(claims.app_id, "");
  EXPECT_EQ(claims.expires, std::nullopt);
  EXPECT_LT(claims.object_id.size(), 600U);
}

}  // namespace
}  // namespace mailboxfs::oauth
