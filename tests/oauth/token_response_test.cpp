// What the endpoint can answer, seen through the whole source.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>

#include "mailboxfs/base/encoding.h"
#include "oauth_testing.h"

namespace mailboxfs::oauth {
namespace {

using base::ErrorKind;
using std::chrono::seconds;
using testing::ErrorOf;
using testing::Grant;
using ::testing::HasSubstr;
using testing::kSecret;
using ::testing::Not;
using testing::Refusal;

class TokenResponseTest : public ::testing::Test {
 protected:
  AccessToken Get() { return source_->Get(base::Deadline::Never(), wake_); }
  base::Error GetError() {
    return ErrorOf([this] { Get(); });
  }
  // A new source asks once and gets this answer.
  AccessToken GetFor(const std::string& body) {
    Reset();
    http_->Answer(200, body);
    return Get();
  }
  base::Error ErrorFor(long status, const std::string& body) {
    Reset();
    http_->Answer(status, body);
    return GetError();
  }
  void Reset() {
    http_ = std::make_unique<testing::FakeHttpClient>();
    source_ = MakeTokenSource(testing::Credentials("https://hidden:hidden@login.example.test/tenant/token?hidden=1",
                                                   ClientSecret{[] { return base::Secret(kSecret); }}),
                              *http_, clock_, [] { return 0.0; });
  }
  int64_t Lifetime(const std::string& body) {
    return std::chrono::duration_cast<seconds>(GetFor(body).expires - clock_.Now()).count();
  }
  std::string Jwt(const std::string& payload) {
    return base::Base64UrlEncode(R"({"alg":"none"})") + "." + base::Base64UrlEncode(payload) + ".c2ln";
  }
  std::string ExpiringIn(seconds lifetime) {
    return std::to_string(std::chrono::duration_cast<seconds>(clock_.WallNow().time_since_epoch() + lifetime).count());
  }

  base::ManualClock clock_;
  base::WakeEvent wake_;
  std::unique_ptr<testing::FakeHttpClient> http_;
  std::unique_ptr<TokenSource> source_;
};

TEST_F(TokenResponseTest, RequestIsAClientCredentialsFormWithUnencodedValues) {
  GetFor(Grant("tok"));
  const net::HttpRequest request = http_->request(0);
  EXPECT_EQ(request.url, "https://hidden:hidden@login.example.test/tenant/token?hidden=1");
  const std::vector<std::pair<std::string, std::string>> expected = {{"grant_type", "client_credentials"},
                                                                     {"client_id", "client"},
                                                                     {"scope", "https://x.test/.default"},
                                                                     {"client_secret", kSecret}};
  EXPECT_EQ(request.form, expected);
}

TEST_F(TokenResponseTest, ExpiresInMayBeANumberOrAString) {
  EXPECT_EQ(Lifetime(Grant("tok", R"("expires_in":3599)")), 3599);
  EXPECT_EQ(Lifetime(Grant("tok", R"("expires_in":"3599")")), 3599);
  EXPECT_EQ(Lifetime(Grant("tok", R"("expires_in":3599.9)")), 3599);
}

TEST_F(TokenResponseTest, WithoutExpiresInTheJwtSaysElseItIsAnHour) {
  EXPECT_EQ(Lifetime(Grant(Jwt(R"({"exp":)" + ExpiringIn(seconds(1234)) + "}"), "")), 1234);
  EXPECT_EQ(Lifetime(Grant(Jwt(R"({"exp":)" + ExpiringIn(seconds(1234)) + "}"), R"("expires_in":"soon")")), 1234);
  EXPECT_EQ(Lifetime(Grant(Jwt(R"({"exp":)" + ExpiringIn(seconds(1234)) + "}"), R"("expires_in":99)")), 99);
  for (const std::string& token : {std::string("opaque"), std::string("a.b.c"), Jwt("[]"), Jwt(R"({"exp":"x"})")}) {
    EXPECT_EQ(Lifetime(Grant(token, "")), 3600) << token;
  }
}

TEST_F(TokenResponseTest, ATokenDoesNotOutliveItself) {
  EXPECT_EQ(Lifetime(Grant(Jwt(R"({"iat":1000,"exp":1100})"), R"("expires_in":3600)")), 100);
  EXPECT_EQ(Lifetime(Grant(Jwt(R"({"iat":1000,"exp":9000})"), R"("expires_in":3600)")), 3600);
  EXPECT_EQ(Lifetime(Grant(Jwt(R"({"iat":1000,"exp":900})"), R"("expires_in":3600)")), 3600) << "nonsense";
}

TEST_F(TokenResponseTest, AbsurdLifetimesAreBounded) {
  EXPECT_EQ(Lifetime(Grant("tok", R"("expires_in":9223372036854775807)")), 30 * 24 * 3600);
  EXPECT_EQ(Lifetime(Grant("tok", R"("expires_in":1e300)")), 30 * 24 * 3600);
}

TEST_F(TokenResponseTest, ZeroOrNegativeLifetimeServesForSecondsOnly) {
  for (const char* lifetime : {R"("expires_in":0)", R"("expires_in":-5)", R"("expires_in":"0")"}) {
    EXPECT_EQ(GetFor(Grant("tok", lifetime)).value.Reveal(), "tok");
    clock_.Advance(seconds(5));
    Get();
    EXPECT_EQ(http_->count(), 2U) << lifetime;
  }
}

TEST_F(TokenResponseTest, TokenTypeIsBearerInAnyCaseOrAbsent) {
  EXPECT_EQ(GetFor(R"({"access_token":"tok"})").value.Reveal(), "tok");
  EXPECT_EQ(GetFor(R"({"access_token":"tok","token_type":"bEARER"})").value.Reveal(), "tok");
  EXPECT_EQ(ErrorFor(200, R"({"access_token":"tok","token_type":"mac"})").kind(), ErrorKind::kServer);
}

TEST_F(TokenResponseTest, UnusableTokensAreServerErrorsThatDoNotShowThem) {
  const std::vector<std::string> bodies = {
      "",
      "{}",
      "[]",
      R"({"access_token":""})",
      R"({"access_token":5})",
      R"({"access_token":"tok\r\nA1 LOGOUT"})",
      R"({"access_token":"tok\u0001auth"})",
      R"({"access_token":"tok tok"})",
      R"({"access_token":"tok)",
      R"({"access_token":"tok\u00e9"})",
      R"({"access_token":")" + std::string(65537, 't') + "\"}",
  };
  for (const std::string& body : bodies) {
    const base::Error error = ErrorFor(200, body);
    EXPECT_EQ(error.kind(), ErrorKind::kServer) << body.substr(0, 100);
    EXPECT_THAT(error.what(), Not(HasSubstr("tok\\")));
    EXPECT_LT(std::string(error.what()).size(), 300U);
  }
  EXPECT_EQ(GetFor(Grant(std::string(65536, 't'))).value.Reveal().size(), 65536U);
}

TEST_F(TokenResponseTest, ATokenBesideAnEmptyErrorIsATokenAndNeverShown) {
  EXPECT_EQ(GetFor(R"({"access_token":"tok","error":null})").value.Reveal(), "tok");
  EXPECT_EQ(GetFor(R"({"access_token":"tok","error":""})").value.Reveal(), "tok");
  EXPECT_THAT(ErrorFor(400, R"({"access_token":"tok-1"})").what(), Not(HasSubstr("tok-1")));
}

TEST_F(TokenResponseTest, PermanentErrorsAreRefusals) {
  for (const char* error :
       {"invalid_client", "unauthorized_client", "invalid_grant", "invalid_scope", "invalid_request",
        "invalid_resource", "unsupported_grant_type", "access_denied", "consent_required", "interaction_required"}) {
    EXPECT_EQ(ErrorFor(400, Refusal(error)).kind(), ErrorKind::kLoginRefused) << error;
    EXPECT_EQ(ErrorFor(200, Refusal(error)).kind(), ErrorKind::kLoginRefused) << error;
  }
  EXPECT_EQ(ErrorFor(401, "").kind(), ErrorKind::kLoginRefused);
}

TEST_F(TokenResponseTest, TransientErrorsAreNotRefusals) {
  EXPECT_EQ(ErrorFor(400, Refusal("temporarily_unavailable", "1")).kind(), ErrorKind::kServer);
  EXPECT_EQ(ErrorFor(400, Refusal("invalid_request", "90033")).kind(), ErrorKind::kServer);
  EXPECT_EQ(ErrorFor(503, Refusal("invalid_client")).kind(), ErrorKind::kServer);
  EXPECT_EQ(ErrorFor(429, Refusal("invalid_client")).kind(), ErrorKind::kThrottled);
  EXPECT_EQ(ErrorFor(400, R"({"error":"novel_error"})").kind(), ErrorKind::kServer);
  EXPECT_EQ(ErrorFor(400, R"({"error":{"message":"an object"}})").kind(), ErrorKind::kServer);
}

TEST_F(TokenResponseTest, ErrorTextHasWhatSupportAsksForOnOneLine) {
  const std::string text = ErrorFor(401, Refusal("invalid_client")).what();
  for (const char* part :
       {"https://login.example.test/tenant/token", "HTTP 401", "invalid_client", "AADSTS7000215: Something is wrong.",
        "trace_id t-1", "correlation_id c-2", "timestamp 2026-01-02 03:04:05Z"}) {
    EXPECT_THAT(text, HasSubstr(part));
  }
  EXPECT_THAT(text, Not(HasSubstr("Trace ID")));  // The description's second line.
  EXPECT_THAT(text, Not(HasSubstr("hidden")));
  EXPECT_EQ(text.find_first_of("\r\n"), std::string::npos);
}

TEST_F(TokenResponseTest, UsualAadstsCodesSayWhatToDo) {
  const std::vector<std::pair<const char*, const char*>> hints = {
      {"7000215", "Value"},     {"7000222", "expired"},       {"700016", "\"client_id\" and \"tenant\""},
      {"90002", "tenant"},      {"65001", "consent"},         {"70011", "/.default"},
      {"1002012", "/.default"}, {"500011", "Exchange Online"}};
  for (const auto& [code, words] : hints) {
    const std::string text = ErrorFor(400, Refusal("invalid_client", code)).what();
    EXPECT_THAT(text.substr(text.find("; ")), HasSubstr(words)) << code;
  }
  // The description's own number serves if there is no list.
  EXPECT_THAT(ErrorFor(400, R"({"error":"invalid_scope","error_description":"AADSTS70011: bad"})").what(),
              HasSubstr("/.default"));
}

TEST_F(TokenResponseTest, SecretThatTheServerRepeatsIsNotShown) {
  const std::string body = std::string(R"({"error":"invalid_client","error_description":"bad secret ')") + kSecret +
                           "' or s3cr~t%2B%26%3D%25value\"}";
  for (const std::string& answer : {body, std::string("bad secret ") + kSecret}) {
    const std::string text = ErrorFor(400, answer).what();
    EXPECT_THAT(text, HasSubstr("[redacted]"));
    EXPECT_THAT(text, Not(HasSubstr("s3cr")));
  }
}

TEST_F(TokenResponseTest, ControlCharactersAndLengthOfServerTextAreTamed) {
  const std::string text =
      ErrorFor(400, R"({"error":"invalid_client","error_description":"\u001b[31m)" + std::string(5000, 'x') + "\"}")
          .what();
  EXPECT_THAT(text, HasSubstr("\\x1b[31m"));
  EXPECT_LT(text.size(), 1000U);
}

TEST_F(TokenResponseTest, AnswersThatAreNoJsonAreTolerated) {
  EXPECT_THAT(ErrorFor(503, "<!DOCTYPE html><html>...").what(), HasSubstr("HTML page"));
  EXPECT_THAT(ErrorFor(500, "").what(), HasSubstr("empty"));
  EXPECT_THAT(ErrorFor(429, "Too Many Requests").what(), HasSubstr("Too Many Requests"));
  EXPECT_THAT(ErrorFor(502, R"({"error":"inval)").what(), HasSubstr("HTTP 502"));
}

TEST_F(TokenResponseTest, RedirectIsAServerErrorWithAdvice) {
  const base::Error error = ErrorFor(302, "");
  EXPECT_EQ(error.kind(), ErrorKind::kServer);
  EXPECT_THAT(error.what(), HasSubstr("redirects are not followed"));
}

}  // namespace
}  // namespace mailboxfs::oauth
