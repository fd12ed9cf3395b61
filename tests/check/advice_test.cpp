#include "advice.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <regex>
#include <set>

#include "account_facts.h"

namespace mailboxfs::check {
namespace {

using config::AuthMethod;
using config::Vendor;
using ::testing::HasSubstr;
using ::testing::Not;

// Every word that oauth and the checks have for a cause.
constexpr const char* kCauses[] = {
    "secret-wrong", "secret-expired", "app-not-in-tenant", "app-disabled", "tenant-unknown", "wrong-cloud",
    "resource-unknown", "no-subscription", "permission-missing", "consent-missing", "scope-malformed", "scope-several",
    "parameter-missing", "secret-missing", "secret-unwanted", "certificate-unregistered", "assertion-rejected",
    "federation-mismatch", "federation-unsupported", "conditional-access", "security-defaults", "interaction-needed",
    "login-revoked", "login-expired", "user-disabled", "user-unknown", "password-wrong", "tenant-needed",
    "code-unusable", "authorization-pending", "device-code-wrong", "device-code-expired", "request-loop", "transient",
    "client-refused", "client-unauthorized", "grant-invalid", "access-denied", "throttled", "server-trouble",
    "redirected", "not-found", "unexpected-answer", "dns", "connection", "tls", "timeout", "secret-unreadable",
    "login-needed", "command-failed", "command-timeout", "no-metadata-service", "disk", "certificate-expired",
    "clock-skew",
    // Claims.
    "wrong-audience", "roles-missing", "pop-only", "delegated-token", "scope-missing", "other-app", "other-tenant",
    "token-expired",
    // Mailboxes.
    "login-refused", "not-connected", "not-connected-sometimes", "server-unavailable", "too-many-connections",
    "password-login-disabled", "password-refused", "no-token-login", "connection-closed", "not-imap",
    "login-unexpected", "folders-unlisted", "inbox-unreadable", "all-in-use"};

constexpr Vendor kVendors[] = {Vendor::kOther,    Vendor::kMicrosoft, Vendor::kGoogle,
                               Vendor::kFastmail, Vendor::kYahoo,     Vendor::kApple};
constexpr AuthMethod kMethods[] = {AuthMethod::kClientCredentials, AuthMethod::kManagedIdentity,
                                   AuthMethod::kDeviceCode,        AuthMethod::kAuthorizationCode,
                                   AuthMethod::kRefreshToken,      AuthMethod::kServiceAccount,
                                   AuthMethod::kTokenCommand,      AuthMethod::kPassword};

TEST(Advice, EveryCauseHasSomeWhateverTheAccountIs) {
  for (const char* cause : kCauses) {
    for (const Vendor vendor : kVendors) {
      for (const AuthMethod method : kMethods) {
        config::Account account;
        account.vendor = vendor;
        account.auth.method = method;
        EXPECT_FALSE(AdviceFor(cause, account, {}).empty()) << cause;
      }
    }
  }
  EXPECT_EQ(AdviceFor("no such cause", {}, {}), "");
}

// A name that is misspelt would stay as it is.
TEST(Advice, EveryNameInATextIsOneOfTheFacts) {
  const std::regex name(R"(\{(?!log_in\})[a-z_]+(\|[a-z]+)?\})");
  for (const auto table : {TokenAdvice(), MailboxAdvice()}) {
    for (const Advice& advice : table) {
      const std::string filled = Facts().Fill(advice.text);
      std::smatch found;
      EXPECT_FALSE(std::regex_search(filled, found, name)) << advice.cause << ": " << found.str();
    }
  }
}

TEST(Advice, NoRowHidesAnother) {
  std::set<std::string> general;
  for (const auto table : {TokenAdvice(), MailboxAdvice()}) {
    for (const Advice& advice : table) {
      const std::string cause(advice.cause);
      EXPECT_EQ(general.count(cause), 0U) << cause << ": a row that fits all stands before";
      if (!advice.vendor && !advice.method) general.insert(cause);
    }
  }
}

std::string AdviceTo(AuthMethod method, const char* cause) {
  config::Account account;
  account.vendor = Vendor::kMicrosoft;
  account.provider = "microsoft365";
  account.auth.method = method;
  if (method == AuthMethod::kManagedIdentity) account.auth.resource = "https://graph.microsoft.com";
  return AdviceFor(cause, account, FactsOf(account));
}

// A key that is refused with the method is no advice, nor is a login.
TEST(Advice, NamesWhatTheMethodHas) {
  // The mail host's trouble is not the token's.
  for (const AuthMethod method : kMethods) {
    for (const char* cause : {"connection", "timeout", "login-unexpected"}) {
      EXPECT_THAT(AdviceTo(method, cause),
                  Not(::testing::AnyOf(HasSubstr("Azure"), HasSubstr("command"), HasSubstr("token_endpoint"))))
          << cause;
    }
  }
  EXPECT_THAT(AdviceTo(AuthMethod::kManagedIdentity, "unexpected-answer"), HasSubstr("Identity"));
  EXPECT_THAT(AdviceTo(AuthMethod::kManagedIdentity, "unexpected-answer"), Not(HasSubstr("token_endpoint")));
  for (const char* cause : {"wrong-audience", "resource-unknown"}) {
    EXPECT_THAT(AdviceTo(AuthMethod::kManagedIdentity, cause),
                HasSubstr("Set \"resource\" to https://outlook.office365.com."))
        << cause;
    EXPECT_THAT(AdviceTo(AuthMethod::kClientCredentials, cause),
                HasSubstr("Set \"scope\" to https://outlook.office365.com/.default."))
        << cause;
  }
  for (const char* cause : {"wrong-audience", "scope-missing"}) {
    EXPECT_THAT(AdviceTo(AuthMethod::kTokenCommand, cause), HasSubstr("The command must ask")) << cause;
    EXPECT_THAT(AdviceTo(AuthMethod::kTokenCommand, cause), Not(HasSubstr("\"scope\""))) << cause;
  }
  EXPECT_THAT(AdviceTo(AuthMethod::kManagedIdentity, "pop-only"), HasSubstr("New-MgServicePrincipalAppRoleAssignment"));
  for (const char* cause : {"client-refused", "scope-malformed"}) {
    config::Account google;
    google.vendor = Vendor::kGoogle;
    google.auth.method = AuthMethod::kServiceAccount;
    const std::string advice = AdviceFor(cause, google, FactsOf(google));
    EXPECT_THAT(advice, Not(::testing::AnyOf(HasSubstr("client_id"), HasSubstr(".default")))) << cause;
  }
  config::Account other;
  EXPECT_THAT(AdviceFor("resource-unknown", other, {}), Not(HasSubstr("Exchange")));
  EXPECT_THAT(AdviceTo(AuthMethod::kServiceAccount, "access-denied"), HasSubstr("domain-wide delegation"));
  EXPECT_THAT(AdviceTo(AuthMethod::kClientCredentials, "access-denied"), Not(HasSubstr("start it again")));
}

// `mailboxfs login` refuses accounts with which no person logs in.
TEST(Advice, ALoginIsForThoseWhoHaveOne) {
  config::Account account;
  Facts facts;
  facts.Set("login_command", "mailboxfs login");
  for (const char* cause : kCauses) {
    for (const Vendor vendor : kVendors) {
      for (const AuthMethod method : kMethods) {
        account.vendor = vendor;
        account.auth.method = method;
        const std::string advice = AdviceFor(cause, account, facts);
        EXPECT_THAT(advice, Not(HasSubstr("{log_in}"))) << cause;
        if (config::IsInteractive(method)) continue;
        EXPECT_THAT(advice, Not(HasSubstr("mailboxfs login"))) << cause;
      }
    }
  }
  account.auth.method = AuthMethod::kDeviceCode;
  EXPECT_THAT(AdviceFor("login-expired", account, facts), HasSubstr("\n    mailboxfs login"));
  account.auth.method = AuthMethod::kRefreshToken;
  EXPECT_THAT(AdviceFor("login-needed", account, facts),
              ::testing::AllOf(HasSubstr("\"refresh_token\""), HasSubstr("\"client_id\"")));
}

TEST(Advice, DiffersByVendorAndMethod) {
  config::Account account;
  account.vendor = Vendor::kApple;
  EXPECT_THAT(AdviceFor("password-refused", account, {}), HasSubstr("app-specific password"));
  account.vendor = Vendor::kGoogle;
  account.auth.method = AuthMethod::kServiceAccount;
  Facts facts;
  facts.Set("service_client", "100000000000000000001");
  facts.Set("scope", "https://mail.google.com/");
  EXPECT_THAT(AdviceFor("client-unauthorized", account, facts),
              ::testing::AllOf(HasSubstr("domain-wide delegation"), HasSubstr("100000000000000000001"),
                               HasSubstr("https://mail.google.com/")));
  account.auth.method = AuthMethod::kAuthorizationCode;
  EXPECT_THAT(AdviceFor("login-expired", account, facts), HasSubstr("7 days"));
}

}  // namespace
}  // namespace mailboxfs::check
