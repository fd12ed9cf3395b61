// Google's service accounts.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>

#include "mailboxfs/json/json.h"
#include "oauth_testing.h"
#include "rsa_testing.h"

namespace mailboxfs::oauth {
namespace {

using base::ErrorKind;
using std::chrono::seconds;
using testing::ErrorOf;
using testing::Field;
using testing::Gives;
using ::testing::HasSubstr;
using ::testing::Not;

class ServiceAccountTest : public ::testing::Test {
 protected:
  static const testing::KeyPair& Pair() { return testing::SharedPair(); }
  static json::Value Key() {
    json::Value key;
    key.Set("type", "service_account");
    key.Set("client_email", "robot@project.iam.gserviceaccount.com");
    key.Set("client_id", "1234567890");
    key.Set("private_key_id", "key-7");
    key.Set("private_key", Pair().KeyPem());
    key.Set("token_uri", "https://oauth2.googleapis.com/token");
    return key;
  }
  void Use(const std::string& key) {
    ServiceAccount grant{Gives(key), token_endpoint_, "https://mail.google.com/", "me@example.org", std::nullopt};
    source_ = MakeTokenSource(grant, http_, clock_, [] { return 0.0; });
  }
  base::Error GetError() {
    return ErrorOf([this] { source_->Get(base::Deadline::Never(), wake_); });
  }
  base::Error ErrorFor(const std::string& error, const std::string& description) {
    http_.Answer(400, R"({"error":")" + error + R"(","error_description":")" + description + "\"}");
    Use(json::Dump(Key()));
    return GetError();
  }
  static json::Value Part(std::string_view jwt, int number) {
    for (int i = 0; i < number; ++i) jwt.remove_prefix(jwt.find('.') + 1);
    return json::Parse(base::Base64UrlDecode(jwt.substr(0, jwt.find('.'))).value());
  }

  base::ManualClock clock_;
  base::WakeEvent wake_;
  testing::FakeHttpClient http_;
  std::string token_endpoint_;
  std::unique_ptr<TokenSource> source_;
};

TEST_F(ServiceAccountTest, TheAssertionIsWhatGoogleAsksFor) {
  http_.Answer(200, testing::Grant("ya29.a0-tok......"));
  Use(json::Dump(Key(), 2));
  EXPECT_EQ(source_->Get(base::Deadline::Never(), wake_).value.Reveal(), "ya29.a0-tok......");
  const net::HttpRequest request = http_.request(0);
  EXPECT_EQ(request.url, "https://oauth2.googleapis.com/token");
  ASSERT_EQ(request.form.size(), 2U);
  EXPECT_EQ(Field(request, "grant_type"), "urn:ietf:params:oauth:grant-type:jwt-bearer");
  const std::string assertion = Field(request, "assertion");
  EXPECT_EQ(json::Dump(Part(assertion, 0)), R"({"alg":"RS256","typ":"JWT","kid":"key-7"})");
  const int64_t now = 50LL * 365 * 86400;
  EXPECT_EQ(json::Dump(Part(assertion, 1)),
            R"({"iss":"robot@project.iam.gserviceaccount.com","scope":"https://mail.google.com/",)"
            R"("aud":"https://oauth2.googleapis.com/token","iat":)" +
                std::to_string(now) + R"(,"exp":)" + std::to_string(now + 3600) + R"(,"sub":"me@example.org"})");
  EXPECT_TRUE(Pair().Verifies(assertion, /*pss=*/false));
}

TEST_F(ServiceAccountTest, AConfiguredEndpointIsAskedAndIsTheAudience) {
  token_endpoint_ = "http://127.0.0.1:1/token";
  http_.Answer(200, testing::Grant("tok"));
  Use(json::Dump(Key()));
  source_->Get(base::Deadline::Never(), wake_);
  EXPECT_EQ(http_.request(0).url, token_endpoint_);
  EXPECT_EQ(*Part(Field(http_.request(0), "assertion"), 1).Find("aud")->AsString(), token_endpoint_);
}

TEST_F(ServiceAccountTest, WithoutDelegationTheClientAndTheScopeAreNamed) {
  const base::Error error = ErrorFor("unauthorized_client",
                                     "Client is unauthorized to retrieve access tokens using this method, or client "
                                     "not authorized for any of the scopes requested.");
  EXPECT_EQ(error.kind(), ErrorKind::kLoginRefused);
  EXPECT_THAT(error.what(), HasSubstr("not configured for client id 1234567890 and scope https://mail.google.com/"));
  EXPECT_THAT(error.what(), HasSubstr("Domain-wide delegation"));
  EXPECT_EQ(source_->GetStatus().last_refusal.value().cause, "client-unauthorized");
}

TEST_F(ServiceAccountTest, OtherRefusalsSayWhatToLookAt) {
  EXPECT_THAT(ErrorFor("invalid_grant", "Invalid email or User ID").what(), HasSubstr("check that me@example.org is"));
  EXPECT_THAT(ErrorFor("invalid_grant", "Invalid JWT Signature.").what(), HasSubstr("make a new key"));
  EXPECT_THAT(ErrorFor("invalid_grant",
                       "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe.")
                  .what(),
              HasSubstr("clock"));
  net::HttpResponse response;
  response.status = 400;
  response.date = "Fri, 20 Dec 2019 02:00:00 GMT";
  response.body = R"({"error":"invalid_grant"})";
  http_.Answer(response);
  Use(json::Dump(Key()));
  EXPECT_THAT(GetError().what(), HasSubstr("this machine's clock is 2 h 0 min 0 s behind"));
}

TEST_F(ServiceAccountTest, WhatIsNoKeyIsSaidWithoutItsContent) {
  json::Value no_key = Key();
  no_key.Set("private_key", "-----BEGIN s3cret");
  json::Value user = json::Value::MakeObject();
  user.Set("type", "authorized_user");
  user.Set("refresh_token", "s3cret");
  for (const std::string& text :
       {std::string("s3cret"), std::string(R"({"private_key":"s3cret"})"), json::Dump(no_key), json::Dump(user)}) {
    Use(text);
    const base::Error error = GetError();
    EXPECT_EQ(error.kind(), ErrorKind::kConfig);
    EXPECT_THAT(error.what(), HasSubstr("service_account_key"));
    EXPECT_THAT(error.what(), Not(HasSubstr("s3cret")));
  }
  EXPECT_EQ(http_.count(), 0U);
}

TEST_F(ServiceAccountTest, AKeyWithoutAnAddressNeedsAConfiguredOne) {
  json::Value key = Key();
  key.Set("token_uri", "");
  Use(json::Dump(key));
  EXPECT_EQ(GetError().kind(), ErrorKind::kConfig);
}

}  // namespace
}  // namespace mailboxfs::oauth
