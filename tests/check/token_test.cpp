#include "token.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "account_facts.h"
#include "check_testing.h"
#include "oauth/rsa_testing.h"

namespace mailboxfs::check {
namespace {

using base::Error;
using base::ErrorKind;
using config::AuthMethod;
using config::SecretSpec;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class TokenTest : public testing::CheckTest {
 protected:
  TokenTest() {
    std::string pattern = ::testing::TempDir() + "mailboxfs-check-XXXXXX";
    if (::mkdtemp(pattern.data()) == nullptr) std::abort();
    directory_ = pattern;
  }
  ~TokenTest() override { std::filesystem::remove_all(directory_); }

  SecretSpec Write(const std::string& name, const std::string& text) const {
    const std::string path = directory_ + "/" + name;
    std::ofstream(path, std::ios::binary) << text;
    ::chmod(path.c_str(), 0600);
    SecretSpec spec;
    spec.value = path;
    spec.lines = text.find("-----BEGIN") != text.npos;
    return spec;
  }
  TokenResult Look() {
    TokenResult result;
    Try([&](const Context& context, Subject& subject) {
      Facts facts = FactsOf(account);
      result = CheckToken(context, subject, account, *tokens, facts);
    });
    return result;
  }
  Finding Refused(const std::string& cause, const std::string& error = "invalid_client") {
    oauth::TokenRefusal refusal;
    refusal.cause = cause;
    refusal.http_status = 400;
    refusal.error = error;
    tokens->Refuse(refusal);
    Look();
    return Only("token");
  }

  std::string directory_;
};

TEST_F(TokenTest, ThereIsOne) {
  tokens->status.expires_in_seconds = 3599;
  tokens->status.clock_skew = std::chrono::seconds(7);
  const TokenResult result = Look();
  ASSERT_TRUE(result.token);
  EXPECT_EQ(result.clock_skew, std::chrono::seconds(7));
  EXPECT_EQ(Only("token").evidence, "login.microsoftonline.com gave a token for 3599 s");
  EXPECT_EQ(exit_code, 0);
}

TEST_F(TokenTest, RefusalIsQuotedWithWhatMicrosoftsSupportAsksFor) {
  oauth::TokenRefusal refusal;
  refusal.cause = "secret-wrong";
  refusal.http_status = 401;
  refusal.error = "invalid_client";
  refusal.description = "AADSTS7000215: Invalid client secret provided.";
  refusal.aadsts = 7000215;
  refusal.trace_id = "t-1";
  refusal.correlation_id = "c-2";
  refusal.timestamp = "2026-01-02 03:04:05Z";
  tokens->Refuse(refusal);
  EXPECT_FALSE(Look().token);
  const Finding finding = Only("token");
  EXPECT_EQ(finding.verdict, Verdict::kFailed);
  EXPECT_EQ(finding.cause, "secret-wrong");
  EXPECT_EQ(finding.evidence,
            "login.microsoftonline.com says: HTTP 401: invalid_client: AADSTS7000215: Invalid client secret provided.; "
            "trace_id t-1; correlation_id c-2; timestamp 2026-01-02 03:04:05Z");
  EXPECT_THAT(finding.advice, AllOf(HasSubstr("Value"), HasSubstr(testing::kClient)));
  EXPECT_EQ(exit_code, 3);
}

TEST_F(TokenTest, AdviceHasTheRealValues) {
  EXPECT_THAT(Refused("consent-missing").advice,
              HasSubstr(std::string("\n    https://login.microsoftonline.com/") + testing::kTenant +
                        "/adminconsent?client_id=" + testing::kClient + "\n"));
  EXPECT_THAT(Refused("tenant-unknown").advice,
              AllOf(HasSubstr(testing::kTenant), HasSubstr("login.microsoftonline.com")));
  EXPECT_THAT(Refused("scope-malformed").advice, HasSubstr("https://outlook.office365.com/.default"));
  EXPECT_THAT(Refused("permission-missing").advice, HasSubstr("Application permissions > IMAP.AccessAsApp"));
  account.auth.method = AuthMethod::kDeviceCode;
  EXPECT_THAT(Refused("permission-missing").advice, HasSubstr("Delegated permissions > IMAP.AccessAsUser.All"));
  EXPECT_THAT(Refused("login-expired").advice, HasSubstr("\n    mailboxfs login -c '/my files/config.json' contoso"));
  EXPECT_THAT(Refused("login-revoked").advice, HasSubstr("\n    mailboxfs login -c '/my files/config.json' contoso"));
  account.provider = "microsoft365-dod";
  EXPECT_THAT(Refused("scope-several").advice, HasSubstr("https://outlook-dod.office365.us/IMAP.AccessAsUser.All"));
}

TEST_F(TokenTest, SecretThatLooksLikeAnIdIsRecognisedAndNotShown) {
  const std::string id = "3fa85f64-5717-4562-b3fc-2c963f66afa6";
  account.auth.client_secret = Write("secret", id + "\n");
  EXPECT_THAT(Refused("secret-wrong").evidence, AllOf(HasSubstr("looks like a secret's ID"), Not(HasSubstr(id))));
  account.auth.client_secret = Write("secret", "'hunter2'\n");
  EXPECT_THAT(Refused("secret-wrong").evidence, AllOf(HasSubstr("quote"), Not(HasSubstr("hunter2"))));
  account.auth.client_secret = Write("secret", "hunter2\n");
  EXPECT_THAT(Refused("secret-wrong").evidence, Not(HasSubstr("of the secret")));
  // It may ask somebody.
  account.auth.client_secret->kind = SecretSpec::Kind::kCommand;
  account.auth.client_secret->command = {"/bin/echo", id};
  EXPECT_THAT(Refused("secret-wrong").evidence, Not(HasSubstr("of the secret")));
}

TEST_F(TokenTest, WhatAFederatedTokenSaysIsPrinted) {
  account.auth.federated_token =
      Write("token", testing::Jwt(R"({"iss":"https://k8s.example.org","sub":"system:sa:x","aud":["api://Azure"]})"));
  EXPECT_THAT(Refused("federation-mismatch").advice,
              AllOf(HasSubstr("Issuer    https://k8s.example.org\n"), HasSubstr("Subject   system:sa:x\n"),
                    HasSubstr("Audience  api://Azure")));
  account.auth.federated_token = Write("token", "no token");
  EXPECT_THAT(Refused("federation-mismatch").advice, HasSubstr("<ISSUER OF THE TOKEN>"));
}

TEST_F(TokenTest, WhatTheDomainsAdministratorMustEnterIsPrintedAndNoKey) {
  account.vendor = config::Vendor::kGoogle;
  account.auth.method = AuthMethod::kServiceAccount;
  account.auth.scope = "https://mail.google.com/";
  account.auth.token_endpoint.clear();
  account.auth.service_account_key =
      Write("key.json", R"({"type":"service_account","client_id" : "100000000000000000001","private_key":"-----BEGIN x",
                      "token_uri":"https://tokens.example.org/token"})");
  const Finding finding = Refused("client-unauthorized", "unauthorized_client");
  EXPECT_THAT(finding.advice, AllOf(HasSubstr("100000000000000000001"), HasSubstr("https://mail.google.com/")));
  EXPECT_THAT(finding.evidence, HasSubstr("tokens.example.org says"));
  EXPECT_THAT(finding.advice + finding.evidence, Not(HasSubstr("BEGIN")));
}

TEST_F(TokenTest, WithoutAnAnswerTheCauseIsWhatFailed) {
  for (const auto& [kind, text, cause, exit] : {
           std::tuple(ErrorKind::kNetwork, "cannot reach x: Could not resolve host: x", "dns", 4),
           std::tuple(ErrorKind::kNetwork, "cannot reach x: Connection refused", "connection", 4),
           std::tuple(ErrorKind::kTls, "cannot reach x: certificate", "tls", 4),
           std::tuple(ErrorKind::kTimeout, "cannot reach x: late", "timeout", 4),
           std::tuple(ErrorKind::kThrottled, "later", "throttled", 4),
           std::tuple(ErrorKind::kServer, "garbage", "unexpected-answer", 4),
           std::tuple(ErrorKind::kConfig, "/x cannot be read", "secret-unreadable", 2),
           std::tuple(ErrorKind::kLoginRefused, "no", "client-refused", 3),
           std::tuple(ErrorKind::kDisk, "/x.lock: read-only file system", "disk", 2),
       }) {
    tokens->error = Error(kind, text);
    EXPECT_FALSE(Look().token) << text;
    EXPECT_EQ(Only("token").cause, cause) << text;
    EXPECT_EQ(Only("token").evidence, text);
    EXPECT_FALSE(Only("token").advice.empty()) << text;
    EXPECT_EQ(exit_code, exit) << text;
  }
  tokens->error = Error(ErrorKind::kLoginRefused, "nobody has logged in");
  account.auth.method = AuthMethod::kDeviceCode;
  Look();
  EXPECT_EQ(Only("token").cause, "login-needed");
  account.auth.method = AuthMethod::kTokenCommand;
  tokens->error = Error(ErrorKind::kConfig, "the command ended with status 41");
  Look();
  EXPECT_EQ(Only("token").cause, "command-failed");
  tokens->error = Error(ErrorKind::kTimeout, "late");
  Look();
  EXPECT_EQ(Only("token").cause, "command-timeout");
  account.auth.method = AuthMethod::kManagedIdentity;
  for (const ErrorKind kind : {ErrorKind::kTimeout, ErrorKind::kNetwork}) {
    tokens->error = Error(kind, "cannot reach it");
    Look();
    EXPECT_EQ(Only("token").cause, "no-metadata-service");
  }
  tokens->error = Error(ErrorKind::kCancelled, "enough");
  EXPECT_THROW(Look(), Error);
}

TEST_F(TokenTest, ALoginTellsItsAge) {
  account.auth.method = AuthMethod::kDeviceCode;
  account.auth.login_file = Write("login.json", "{}").value;
  account.vendor = config::Vendor::kMicrosoft;
  const auto look = [&](std::chrono::hours age) {
    const auto now = std::chrono::time_point_cast<std::chrono::seconds>(clock.WallNow() - age);
    const timespec time{std::chrono::system_clock::to_time_t(now), 0};
    const timespec times[2] = {time, time};
    EXPECT_EQ(::utimensat(AT_FDCWD, account.auth.login_file.c_str(), times, 0), 0);
    Look();
    return Only("login-age");
  };
  EXPECT_EQ(look(std::chrono::hours(48)).verdict, Verdict::kInfo);
  EXPECT_THAT(look(std::chrono::hours(48)).evidence, AllOf(HasSubstr("stored 2 days ago"), HasSubstr("90 days")));
  EXPECT_EQ(look(std::chrono::hours(61 * 24)).cause, "login-aging");
  account.vendor = config::Vendor::kGoogle;
  EXPECT_EQ(look(std::chrono::hours(61 * 24)).verdict, Verdict::kInfo);
  account.auth.method = AuthMethod::kRefreshToken;
  Look();
  EXPECT_THAT(Ids(), Not(::testing::Contains("login-age"))) << "the file of another program may be newer";
  account.auth.method = AuthMethod::kDeviceCode;
  account.auth.login_file += ".none";
  Look();
  EXPECT_THAT(Ids(), Not(::testing::Contains("login-age")));
}

TEST_F(TokenTest, ThrottlingSaysForHowLong) {
  oauth::TokenRefusal refusal;
  refusal.cause = "throttled";
  refusal.error = "slow_down";
  tokens->Refuse(refusal, ErrorKind::kThrottled);
  tokens->error = Error(ErrorKind::kThrottled, "HTTP 429; it asks for a pause of 60 s");
  Look();
  EXPECT_THAT(Only("token").evidence, HasSubstr("60 s"));
  EXPECT_EQ(exit_code, 4);
}

TEST_F(TokenTest, CertificatesAndWhenTheyEnd) {
  const oauth::testing::KeyPair pair;  // It lives for a day from now.
  account.auth.certificate.emplace();
  account.auth.certificate->certificate = Write("app.pem", pair.CertificatePem());
  account.auth.certificate->private_key = Write("app.key", pair.KeyPem());
  const auto look = [&](base::Duration from_now) {
    clock.Advance(std::chrono::duration_cast<base::Duration>(std::chrono::system_clock::now() - clock.WallNow()) +
                  from_now);
    bool usable = false;
    Facts facts = FactsOf(account);
    Try([&](const Context& context, Subject& subject) {
      usable = CheckCertificate(context, subject, account, facts);
      EXPECT_EQ(facts.Get("thumbprint").size(), 40U);
    });
    return usable;
  };
  EXPECT_TRUE(look(std::chrono::seconds(0)));
  EXPECT_EQ(Only("certificate").cause, "certificate-expiring");
  EXPECT_THAT(Only("certificate").evidence, AllOf(HasSubstr("thumbprint "), HasSubstr("it ends in 23 h")));
  EXPECT_EQ(exit_code, 1);
  EXPECT_FALSE(look(std::chrono::hours(25)));
  EXPECT_EQ(Only("certificate").cause, "certificate-expired");
  EXPECT_EQ(exit_code, 3);
  EXPECT_TRUE(look(-std::chrono::hours(24 * 60)));
  EXPECT_EQ(Only("certificate").cause, "clock-skew") << "not valid yet";
  account.auth.certificate->private_key = Write("app.key", "no key");
  Try([&](const Context& context, Subject& subject) {
    Facts facts;
    EXPECT_FALSE(CheckCertificate(context, subject, account, facts));
  });
  EXPECT_EQ(Only("certificate").cause, "secret-unreadable");
  EXPECT_EQ(exit_code, 2);
}

}  // namespace
}  // namespace mailboxfs::check
