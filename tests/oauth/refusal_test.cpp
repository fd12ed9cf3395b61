// Why an endpoint refused, in words that stay the same, and what to do about it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>

#include "aadsts.h"
#include "clock_skew.h"
#include "mailboxfs/base/encoding.h"
#include "oauth_testing.h"
#include "rsa_testing.h"

namespace mailboxfs::oauth {
namespace {

using base::ErrorKind;
using std::chrono::seconds;
using testing::Credentials;
using testing::ErrorOf;
using testing::Gives;
using testing::Grant;
using ::testing::HasSubstr;
using testing::kSecret;
using ::testing::Not;
using testing::Refusal;

class RefusalTest : public ::testing::Test {
 protected:
  // A new source that asks once, with this answer.
  base::Error ErrorFor(net::HttpResponse response) {
    http_ = std::make_unique<testing::FakeHttpClient>();
    http_->Answer(std::move(response));
    source_ = MakeTokenSource(Credentials("https://login.example.test/token", authentication_), *http_, clock_,
                              [] { return 0.0; });
    return ErrorOf([this] { source_->Get(base::Deadline::Never(), wake_); });
  }
  base::Error ErrorFor(long status, const std::string& body) {
    net::HttpResponse response;
    response.status = status;
    response.body = body;
    return ErrorFor(response);
  }
  std::string CauseFor(long status, const std::string& body) {
    ErrorFor(status, body);
    return source_->GetStatus().last_refusal.value().cause;
  }
  // The clock of the tests says 1969-12-20.
  net::HttpResponse WithDate(net::HttpResponse response, const char* date) {
    response.date = date;
    return response;
  }

  base::ManualClock clock_;
  base::WakeEvent wake_;
  ClientAuthentication authentication_ = ClientSecret{Gives(kSecret)};
  std::unique_ptr<testing::FakeHttpClient> http_;
  std::unique_ptr<TokenSource> source_;
};

TEST_F(RefusalTest, EveryAadstsNumberHasItsCause) {
  const std::vector<std::pair<const char*, const char*>> causes = {
      {"secret-wrong", "7000215"},
      {"secret-expired", "7000222"},
      {"app-not-in-tenant", "700016 700011"},
      {"app-disabled", "7000112 70001"},
      {"tenant-unknown", "90002"},
      {"wrong-cloud", "90038 900382 900432"},
      {"resource-unknown", "500011"},
      {"no-subscription", "650052"},
      {"permission-missing", "650056 650057 65005"},
      {"consent-missing", "65001 90094"},
      {"scope-malformed", "70011 1002012"},
      {"scope-several", "28002 700022"},
      {"parameter-missing", "900144"},
      {"secret-missing", "7000218"},
      {"secret-unwanted", "700025"},
      {"certificate-unregistered", "700027 700030"},
      {"assertion-rejected", "50012 50013 500133 700024"},
      {"federation-mismatch", "700211 700212 700213"},
      {"federation-unsupported", "700229"},
      {"conditional-access", "53003 530032 50131"},
      {"security-defaults", "530035"},
      {"interaction-needed", "50074 50076 50079"},
      {"login-revoked", "50173"},
      {"login-expired", "700082 70008 70043"},
      {"user-disabled", "50057"},
      {"user-unknown", "50034"},
      {"password-wrong", "50126"},
      {"tenant-needed", "50194 9001023"},
      {"code-unusable", "54005 501481"},
      {"authorization-pending", "70016"},
      {"device-code-wrong", "70018"},
      {"device-code-expired", "70019"},
      {"request-loop", "50196"},
      {"transient", "90055 90006 90012 90024 90033 90090 50033"},
  };
  for (const auto& [cause, codes] : causes) {
    std::istringstream words(codes);
    for (std::string code; words >> code;) {
      const base::Error error = ErrorFor(400, Refusal("invalid_client", code));
      EXPECT_EQ(source_->GetStatus().last_refusal.value().cause, cause) << code;
      EXPECT_EQ(source_->GetStatus().last_refusal.value().aadsts, std::stoll(code));
      const bool transient = std::string_view(cause) == "transient";
      EXPECT_EQ(error.kind(), transient ? ErrorKind::kServer : ErrorKind::kLoginRefused) << code;
      if (!transient && std::string_view(cause) != "authorization-pending") {
        EXPECT_THAT(error.what(), HasSubstr("; ")) << "what to do about " << code;
      }
    }
  }
}

TEST_F(RefusalTest, WithoutSuchANumberTheErrorAndThenTheStatusTell) {
  const std::vector<std::pair<const char*, const char*>> causes = {
      {"invalid_client", "client-refused"},
      {"unauthorized_client", "client-unauthorized"},
      {"invalid_grant", "grant-invalid"},
      {"invalid_scope", "scope-malformed"},
      {"access_denied", "access-denied"},
      {"consent_required", "consent-missing"},
      {"interaction_required", "interaction-needed"},
      {"novel_error", "unexpected-answer"},
  };
  for (const auto& [error, cause] : causes) {
    EXPECT_EQ(CauseFor(400, std::string(R"({"error":")") + error + "\"}"), cause) << error;
    EXPECT_EQ(CauseFor(429, std::string(R"({"error":")") + error + "\"}"), "throttled") << error;
  }
  EXPECT_EQ(CauseFor(429, "Too Many Requests"), "throttled");
  EXPECT_EQ(CauseFor(500, ""), "server-trouble");
  EXPECT_EQ(CauseFor(503, "<html>"), "server-trouble");
  EXPECT_EQ(CauseFor(302, ""), "redirected");
  EXPECT_EQ(CauseFor(404, "<html>"), "not-found");
  EXPECT_EQ(CauseFor(418, "teapot"), "unexpected-answer");
  EXPECT_EQ(CauseFor(200, "{}"), "unexpected-answer");
  EXPECT_EQ(CauseFor(200, R"({"access_token":"a b"})"), "unexpected-answer");
}

TEST_F(RefusalTest, ANumberThatIsKnownIsPreferred) {
  ErrorFor(400, R"({"error":"invalid_grant","error_codes":["x",12345,65001]})");
  EXPECT_EQ(source_->GetStatus().last_refusal.value().aadsts, 65001);
  ErrorFor(400, R"({"error":"invalid_grant","error_codes":[12345,54321]})");
  EXPECT_EQ(source_->GetStatus().last_refusal.value().aadsts, 12345);
  EXPECT_EQ(source_->GetStatus().last_refusal.value().cause, "grant-invalid");
}

TEST_F(RefusalTest, StatusHasItInParts) {
  ErrorFor(401, Refusal("invalid_client"));
  const TokenRefusal refusal = source_->GetStatus().last_refusal.value();
  EXPECT_EQ(refusal.http_status, 401);
  EXPECT_EQ(refusal.error, "invalid_client");
  EXPECT_EQ(refusal.description, "AADSTS7000215: Something is wrong.");
  EXPECT_EQ(refusal.trace_id, "t-1");
  EXPECT_EQ(refusal.correlation_id, "c-2");
  EXPECT_EQ(refusal.timestamp, "2026-01-02 03:04:05Z");
}

TEST_F(RefusalTest, PartsArePrintableAndWithoutSecrets) {
  ErrorFor(400, std::string(R"({"error":"invalid_client\u0007","error_description":"no )") + kSecret +
                    R"(","trace_id":")" + kSecret + "\"}");
  const TokenRefusal refusal = source_->GetStatus().last_refusal.value();
  EXPECT_EQ(refusal.error, "invalid_client\\x07");
  EXPECT_EQ(refusal.description, "no [redacted]");
  EXPECT_EQ(refusal.trace_id, "[redacted]");
}

TEST_F(RefusalTest, ASecretInAnyEncodingIsNotShown) {
  authentication_ = ClientSecret{Gives(R"(s3cr t+/~"<&>'%)")};
  for (const char* encoded : {
           "s3cr+t%2B%2F%7E%22%3C%26%3E%27%25",                        // A form.
           "s3cr%20t%2b%2f~%22%3c%26%3e%27%25",                        // Lower case.
           "s3cr t+/~&quot;&lt;&amp;&gt;&#39;%",                       // HTML.
           R"(s3cr t+\/~\"<&>'%)",                                     // JSON.
           R"(s3cr\u0020t\u002b\/~\u0022\u003C&>\u0027%)",             // JSON of another kind.
           "s3cr%2520t%252b%252f%257e%2522%253c%2526%253e%2527%2525",  // Twice.
           "s3cr&#43;t%2b%2f~%22%3c%26%3e%27%25",                      // A form in HTML.
       }) {
    const std::string text = ErrorFor(400, std::string("you sent ") + encoded).what();
    EXPECT_THAT(text, AllOf(HasSubstr("[not quoted: it repeats a secret]"), Not(HasSubstr("s3cr")))) << encoded;
  }
  EXPECT_THAT(ErrorFor(400, "100%25 s3cr+other &amp; more").what(), HasSubstr("100%25 s3cr+other &amp; more"));
}

TEST_F(RefusalTest, ItIsForgottenWithTheNextAnswerOrSilence) {
  ErrorFor(503, "");
  EXPECT_TRUE(source_->GetStatus().last_refusal);
  http_->Fail(ErrorKind::kNetwork);
  http_->Answer(200, Grant("tok"));
  clock_.Advance(seconds(2));
  ErrorOf([this] { source_->Get(base::Deadline::Never(), wake_); });
  EXPECT_FALSE(source_->GetStatus().last_refusal) << "nobody answered";
}

TEST_F(RefusalTest, ASecretThatLooksLikeAnIdIsRecognised) {
  authentication_ = ClientSecret{Gives("4f5a9f88-1111-2222-3333-bdca9a88c089")};
  EXPECT_THAT(ErrorFor(401, Refusal("invalid_client")).what(), HasSubstr("looks like the secret's ID"));
  for (const char* secret : {"4f5a9f88-1111-2222-3333-bdca9a88c08", "4f5a9f88x1111-2222-3333-bdca9a88c089", kSecret}) {
    authentication_ = ClientSecret{Gives(secret)};
    EXPECT_THAT(ErrorFor(401, Refusal("invalid_client")).what(), Not(HasSubstr("looks like"))) << secret;
  }
}

TEST_F(RefusalTest, AFederatedTokenThatDoesNotMatchIsShownByItsClaims) {
  const std::string jwt =
      base::Base64UrlEncode("{}") + "." +
      base::Base64UrlEncode(R"({"iss":"https://idp.test","sub":"repo:A/b\u001b","aud":["api://x","y"]})") + ".c2ln";
  authentication_ = FederatedToken{Gives(jwt)};
  const std::string text = ErrorFor(401, Refusal("invalid_client", "700213")).what();
  EXPECT_THAT(text, HasSubstr("issuer https://idp.test, subject repo:A/b\\x1b, audience api://x, y"));
  EXPECT_THAT(text, Not(HasSubstr(jwt)));
  authentication_ = FederatedToken{Gives("opaque")};
  EXPECT_THAT(ErrorFor(401, Refusal("invalid_client", "700211")).what(), HasSubstr("no JSON Web Token"));
}

TEST_F(RefusalTest, ACertificateThatIsNotRegisteredIsNamedByItsThumbprint) {
  const testing::KeyPair& pair = testing::SharedPair();
  const ClientCertificate certificate{Gives(pair.CertificatePem()), Gives(pair.KeyPem()), nullptr,
                                      SigningAlgorithm::kPs256};
  authentication_ = certificate;
  const std::string sha1 = DescribeCertificate(certificate).sha1;
  EXPECT_THAT(sha1, ::testing::MatchesRegex("[0-9A-F]{40}"));
  EXPECT_THAT(ErrorFor(401, Refusal("invalid_client", "700027")).what(), HasSubstr("thumbprint " + sha1));
}

TEST_F(RefusalTest, AClockThatIsWrongIsTheReasonOfARejectedAssertion) {
  net::HttpResponse response;
  response.status = 401;
  response.body = Refusal("invalid_client", "700024");
  const testing::KeyPair& pair = testing::SharedPair();
  authentication_ =
      ClientCertificate{Gives(pair.CertificatePem()), Gives(pair.KeyPem()), nullptr, SigningAlgorithm::kPs256};
  // ManualClock begins 50 years of 365 days after 1970.
  EXPECT_THAT(ErrorFor(WithDate(response, "Fri, 19 Dec 2019 23:49:57 GMT")).what(),
              HasSubstr("this machine's clock is 10 min 3 s ahead of the endpoint's"));
  EXPECT_EQ(source_->GetStatus().clock_skew, seconds(603));
  EXPECT_THAT(ErrorFor(WithDate(response, "Fri, 20 Dec 2019 01:00:00 GMT")).what(),
              HasSubstr("this machine's clock is 1 h 0 min 0 s behind the endpoint's"));
  EXPECT_THAT(ErrorFor(WithDate(response, "Fri, 20 Dec 2019 00:01:00 GMT")).what(), HasSubstr("check this machine's"));
  EXPECT_EQ(source_->GetStatus().clock_skew, seconds(-60));
  ErrorFor(WithDate(response, "yesterday"));
  EXPECT_EQ(source_->GetStatus().clock_skew, std::nullopt);
  authentication_ = ClientSecret{Gives(kSecret)};
  EXPECT_THAT(ErrorFor(WithDate(response, "Fri, 20 Dec 2019 01:00:00 GMT")).what(), Not(HasSubstr("behind")))
      << "nothing of our time was sent";
}

TEST_F(RefusalTest, SkewIsSaidInUnitsOfPeople) {
  EXPECT_THAT(DescribeSkew(seconds(61)), HasSubstr(" 1 min 1 s ahead of"));
  EXPECT_THAT(DescribeSkew(seconds(-59)), HasSubstr(" 59 s behind"));
  EXPECT_THAT(DescribeSkew(seconds(-90061)), HasSubstr(" 25 h 1 min 1 s behind"));
  EXPECT_FALSE(IsSkewed(seconds(60)));
  EXPECT_TRUE(IsSkewed(seconds(-61)));
  EXPECT_FALSE(IsSkewed(std::nullopt));
}

}  // namespace
}  // namespace mailboxfs::oauth
