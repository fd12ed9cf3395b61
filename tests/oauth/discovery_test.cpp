// Endpoints that are read from the issuer's document.
#include "discovery.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>

#include "oauth_testing.h"

namespace mailboxfs::oauth {
namespace {

using base::ErrorKind;
using std::chrono::seconds;
using testing::ErrorOf;
using testing::Grant;
using ::testing::HasSubstr;
using testing::kSecret;
using testing::Refusal;

class DiscoveryTest : public ::testing::Test {
 protected:
  DiscoveryTest() { authority_.issuer = "https://id.example.test/realm"; }

  static std::string Document(const std::string& issuer = "https://id.example.test/realm",
                              const std::string& token_endpoint = "https://id.example.test/realm/token") {
    return R"({"issuer":")" + issuer + R"(","token_endpoint":")" + token_endpoint +
           R"(","authorization_endpoint":"https://id.example.test/realm/auth"})";
  }
  std::optional<TokenFailure> Find(std::string Authority::*endpoint = &Authority::token_endpoint) {
    if (!discovery_) discovery_.emplace(authority_, http_, clock_);
    return discovery_->Find(endpoint, base::Deadline::Never(), wake_);
  }
  // The error for this document.
  base::Error FindError(const std::string& document) {
    discovery_.reset();
    http_.Answer(200, document);
    const std::optional<TokenFailure> failure = Find();
    return failure ? failure->error : base::Error(ErrorKind::kInternal, "no error");
  }

  base::ManualClock clock_;
  base::WakeEvent wake_;
  testing::FakeHttpClient http_;
  Authority authority_;
  std::optional<Discovery> discovery_;
};

TEST_F(DiscoveryTest, TheDocumentIsReadOnce) {
  authority_.ca_file = "/ca.pem";
  http_.Answer(200, Document());
  EXPECT_FALSE(Find());
  EXPECT_FALSE(Find(&Authority::authorization_endpoint));
  EXPECT_EQ(discovery_->authority().token_endpoint, "https://id.example.test/realm/token");
  EXPECT_EQ(discovery_->authority().authorization_endpoint, "https://id.example.test/realm/auth");
  ASSERT_EQ(http_.count(), 1U);
  const net::HttpRequest request = http_.request(0);
  EXPECT_EQ(request.method, net::HttpRequest::Method::kGet);
  EXPECT_EQ(request.url, "https://id.example.test/realm/.well-known/openid-configuration");
  EXPECT_EQ(request.ca_file, "/ca.pem");
}

TEST_F(DiscoveryTest, WhatIsConfiguredIsNotAskedForNorReplaced) {
  authority_.token_endpoint = "https://mine.example.test/token";
  http_.Answer(200, Document());
  EXPECT_FALSE(Find());
  EXPECT_EQ(http_.count(), 0U);
  EXPECT_FALSE(Find(&Authority::authorization_endpoint));
  EXPECT_EQ(discovery_->authority().token_endpoint, "https://mine.example.test/token");
}

TEST_F(DiscoveryTest, ASlashAtTheEndMakesNoDifference) {
  authority_.issuer = "https://id.example.test/";
  EXPECT_STREQ(FindError(Document("https://id.example.test")).what(), "no error");
  EXPECT_EQ(http_.request(0).url, "https://id.example.test/.well-known/openid-configuration");
  authority_.issuer = "https://id.example.test";
  EXPECT_STREQ(FindError(Document("https://id.example.test/")).what(), "no error");
}

TEST_F(DiscoveryTest, AnotherIssuersDocumentIsNotBelieved) {
  const base::Error error = FindError(Document("https://evil.example.test/realm"));
  EXPECT_EQ(error.kind(), ErrorKind::kConfig);
  EXPECT_THAT(error.what(), HasSubstr("says that it is https://evil.example.test/realm's"));
  EXPECT_EQ(discovery_->authority().token_endpoint, "");
  EXPECT_EQ(FindError(Document("https://id.example.test/Realm")).kind(), ErrorKind::kConfig) << "case matters";
}

TEST_F(DiscoveryTest, EndpointsMustBeSafe) {
  const base::Error error = FindError(Document(authority_.issuer, "http://id.example.test/token"));
  EXPECT_EQ(error.kind(), ErrorKind::kConfig);
  EXPECT_THAT(error.what(), HasSubstr("only https"));
  EXPECT_STREQ(FindError(Document(authority_.issuer, "http://127.0.0.1:1/token")).what(), "no error");
}

TEST_F(DiscoveryTest, WhatIsNoDocumentIsSaid) {
  for (const char* body : {"", "<html>", "[]", "{}", R"({"issuer":5})"}) {
    const base::Error error = FindError(body);
    EXPECT_EQ(error.kind(), ErrorKind::kConfig) << body;
    EXPECT_THAT(error.what(), HasSubstr("no OpenID configuration"));
  }
}

TEST_F(DiscoveryTest, AnEndpointThatTheIssuerLacksIsNamed) {
  http_.Answer(200, Document());
  const std::optional<TokenFailure> failure = Find(&Authority::device_endpoint);
  ASSERT_TRUE(failure);
  EXPECT_EQ(failure->error.kind(), ErrorKind::kConfig);
  EXPECT_THAT(failure->error.what(), HasSubstr("\"device_endpoint\""));
}

TEST_F(DiscoveryTest, ADocumentWithoutTheEndpointIsReadAgain) {
  http_.Answer(200, R"({"issuer":"https://id.example.test/realm"})");
  http_.Answer(200, Document());
  const TokenFailure failure = Find().value();
  EXPECT_EQ(failure.error.kind(), ErrorKind::kConfig);
  EXPECT_EQ(failure.pause, Pause::kBackoff);
  EXPECT_FALSE(Find());
  EXPECT_EQ(discovery_->authority().token_endpoint, "https://id.example.test/realm/token");
  EXPECT_EQ(http_.count(), 2U);
}

TEST_F(DiscoveryTest, WithoutAnIssuerTheKeyIsNamed) {
  authority_.issuer.clear();
  const std::optional<TokenFailure> failure = Find();
  ASSERT_TRUE(failure);
  EXPECT_EQ(failure->error.kind(), ErrorKind::kConfig);
  EXPECT_THAT(failure->error.what(), HasSubstr("\"token_endpoint\" is not set"));
}

TEST_F(DiscoveryTest, FailuresAreTriedAgain) {
  http_.Answer(503, "");
  http_.Answer(404, "<html>");
  http_.Answer(400, Refusal("invalid_tenant", "90002"));
  http_.Fail(ErrorKind::kNetwork);
  http_.Answer(200, Document());
  EXPECT_EQ(Find().value().error.kind(), ErrorKind::kServer);
  EXPECT_THAT(Find().value().error.what(), HasSubstr("check \"issuer\""));
  const TokenFailure refused = Find().value();
  EXPECT_EQ(refused.error.kind(), ErrorKind::kLoginRefused);
  EXPECT_EQ(refused.refusal.value().cause, "tenant-unknown");
  EXPECT_EQ(ErrorOf([this] { Find(); }).kind(), ErrorKind::kNetwork);
  EXPECT_FALSE(Find());
}

TEST_F(DiscoveryTest, ASourceDiscoversThenAsksAndLeavesAWrongDocumentAlone) {
  ClientCredentials grant = testing::Credentials("", ClientSecret{[] { return base::Secret(kSecret); }});
  grant.authority = authority_;
  const auto source = MakeTokenSource(grant, http_, clock_, [] { return 0.0; });
  http_.Answer(200, Document("https://evil.example.test"));
  http_.Answer(200, Document());
  http_.Answer(200, Grant("tok", R"("expires_in":0)"));
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(ErrorOf([&] { source->Get(base::Deadline::Never(), wake_); }).kind(), ErrorKind::kConfig);
  }
  EXPECT_EQ(http_.count(), 1U);
  clock_.Advance(seconds(60));
  EXPECT_EQ(source->Get(base::Deadline::Never(), wake_).value.Reveal(), "tok");
  EXPECT_EQ(http_.request(2).url, "https://id.example.test/realm/token");
  clock_.Advance(seconds(60));
  source->Get(base::Deadline::Never(), wake_);
  EXPECT_EQ(http_.count(), 4U);
}

TEST_F(DiscoveryTest, AResourceIsSentInPlaceOfAScope) {
  ClientCredentials grant =
      testing::Credentials("https://x.test/token", ClientSecret{[] { return base::Secret("s"); }});
  grant.resource = "https://outlook.office365.com";
  http_.Answer(200, Grant("tok"));
  MakeTokenSource(grant, http_, clock_, [] { return 0.0; })->Get(base::Deadline::Never(), wake_);
  using Field = std::pair<std::string, std::string>;
  EXPECT_THAT(http_.request(0).form,
              ::testing::ElementsAre(Field("grant_type", "client_credentials"), Field("client_id", "client"),
                                     Field("resource", "https://outlook.office365.com"), Field("client_secret", "s")));
}

TEST_F(DiscoveryTest, ClientCredentialsWithNothingToShowAreNone) {
  const auto source = MakeTokenSource(testing::Credentials("https://x.test/token", NoAuthentication{}), http_, clock_,
                                      [] { return 0.0; });
  EXPECT_EQ(ErrorOf([&] { source->Get(base::Deadline::Never(), wake_); }).kind(), ErrorKind::kConfig);
  EXPECT_EQ(http_.count(), 0U);
}

}  // namespace
}  // namespace mailboxfs::oauth
