#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "context.h"
#include "facts.h"
#include "mail/fake_server.h"
#include "mailboxfs/base/encoding.h"
#include "mailboxfs/base/manual_clock.h"
#include "mailboxfs/check/check.h"
#include "oauth/oauth_testing.h"

namespace mailboxfs::check::testing {

constexpr const char* kTenant = "fb561382-2222-2222-2222-06ab992d36b7";
constexpr const char* kClient = "4f5a9f88-1111-1111-1111-bdca9a88c089";
constexpr const char* kObject = "9d2a2d1c-3333-3333-3333-4f1f0c8a7b6e";

// Gives what it is told to.
class FakeSource final : public oauth::TokenSource {
 public:
  oauth::AccessToken Get(const base::Deadline& /*deadline*/, const base::WakeEvent& /*wake*/) override {
    ++asked;
    if (error) throw base::Error(*error);
    return {base::Secret(token), base::MonoTime::max()};
  }
  void Invalidate(const oauth::AccessToken& given) override { invalidated.emplace_back(given.value.Reveal()); }
  void ForgetRefusal() override { forgotten_before.push_back(asked); }
  oauth::TokenStatus GetStatus() const override { return status; }
  void Refuse(oauth::TokenRefusal refusal, base::ErrorKind kind = base::ErrorKind::kLoginRefused) {
    error = base::Error(kind, "cannot get an access token from the endpoint");
    status.last_refusal = std::move(refusal);
  }

  int asked = 0;
  std::vector<std::string> invalidated;
  std::vector<int> forgotten_before;  // How many times it was asked before.
  std::string token = "opaque";
  base::Status error;
  oauth::TokenStatus status;
};

// A token with these claims; its signature is nobody's business.
inline std::string Jwt(const std::string& claims) {
  return base::Base64UrlEncode(R"({"typ":"JWT","alg":"none"})") + "." + base::Base64UrlEncode(claims) + "." +
         base::Base64UrlEncode("signature");
}

// An application's token as Exchange wants it, with `more` members behind.
inline std::string AppToken(const std::string& more = "") {
  return Jwt(
      std::string(R"({"aud":"https://outlook.office365.com","roles":["IMAP.AccessAsApp"],"idtyp":"app","appid":")") +
      kClient + R"(","oid":")" + kObject + R"(","tid":")" + kTenant + "\"" + more + "}");
}

// An account with everything faked around it.
class CheckTest : public ::testing::Test {
 protected:
  CheckTest() {
    account.name = "contoso";
    account.login_command = "mailboxfs login -c '/my files/config.json' contoso";
    account.provider = "microsoft365";
    account.vendor = config::Vendor::kMicrosoft;
    account.imap.host = "outlook.office365.com";
    account.auth.tenant = kTenant;
    account.auth.client_id = kClient;
    account.auth.scope = "https://outlook.office365.com/.default";
    account.auth.token_endpoint = std::string("https://login.microsoftonline.com/") + kTenant + "/oauth2/v2.0/token";
    account.mailboxes = {{"ada@example.org", "ada"}};
    config.path = "/nowhere/config.json";
    config.state_directory = config.cache_directory = "/tmp";
    tokens->token = AppToken();
    reach_report.addresses = {"192.0.2.1", "2001:db8::1"};
    reach_report.address = "192.0.2.1";
    reach_report.tls = "TLSv1.3";
    reach_report.subject = "CN = outlook.com";
    reach_report.issuer = "CN = DigiCert";
    reach_report.not_after = "Jan  1 00:00:00 2030 GMT";
    http.Answer(200, std::string(R"({"issuer":"https://login.microsoftonline.com/)") + kTenant +
                         R"(/v2.0","tenant_region_scope":"EU","cloud_instance_name":"microsoftonline.com"})");
    server.AddMessage("INBOX", 1, "hello");
    SetHook([](const mail::testing::FakeServer::Command&) { return std::nullopt; });
  }

  // `hook` comes before what the checks need beyond the server's own answers.
  void SetHook(mail::testing::FakeServer::Hook hook) {
    server.SetHook([hook = std::move(hook)](const auto& command) -> std::optional<std::string> {
      if (std::optional<std::string> answer = hook(command)) return answer;
      if (!command.text.starts_with("FETCH ")) return std::nullopt;
      return "* 1 FETCH (UID 1 RFC822.SIZE 5)\r\n" + command.tag + " OK done\r\n";
    });
  }

  mail::ImapOptions Options(const config::Account& of, const config::MailboxConfig& mailbox) const {
    mail::ImapOptions options;
    options.name = of.name + "/" + mailbox.address;
    options.endpoint = {of.imap.host, of.imap.port, net::Tls::kImplicit, std::nullopt};
    options.login.user = mailbox.address;
    if (of.auth.method == config::AuthMethod::kPassword) {
      options.login.password = [] { return base::Secret("sesame"); };
    } else {
      options.login.tokens = tokens;
    }
    options.timeouts.retry = base::Duration::zero();
    return options;
  }
  Means MakeMeans() {
    return {[this](const auto& of, const auto& mailbox) { return Options(of, mailbox); },
            {server, budget, clock, [] { return 0.0; }},
            http,
            [this](const net::Endpoint& endpoint, const base::Deadline&, const base::WakeEvent&) {
              reached.push_back(endpoint.host);
              return reach_report;
            }};
  }

  // What one group of checks finds.
  template <typename Call>
  void Try(Call call) {
    findings.clear();
    const std::function<void(const Finding&)> give = [this](const Finding& finding) { findings.push_back(finding); };
    Report report(give);
    const Means means = MakeMeans();
    const Context context{config, means, wake, report};
    Subject subject(report, "contoso");
    call(context, subject);
    exit_code = report.exit_code();
  }
  // All of them.
  void RunAll(const Request& request = {{}, true}) {
    findings.clear();
    config.accounts = {account};
    exit_code =
        check::Run(config, request, MakeMeans(), wake, [this](const Finding& finding) { findings.push_back(finding); });
  }

  // The only finding with this id.
  Finding Only(const std::string& id) const {
    std::vector<Finding> found;
    std::copy_if(findings.begin(), findings.end(), std::back_inserter(found),
                 [&](const Finding& finding) { return finding.id == id; });
    EXPECT_EQ(found.size(), 1U) << id;
    return found.empty() ? Finding{} : found.front();
  }
  std::vector<std::string> Ids() const {
    std::vector<std::string> ids;
    for (const Finding& finding : findings) ids.push_back(finding.id);
    return ids;
  }

  base::ManualClock clock;
  mail::testing::FakeServer server{clock};
  mail::ConnectionBudget budget{4};
  oauth::testing::FakeHttpClient http;
  std::shared_ptr<FakeSource> tokens = std::make_shared<FakeSource>();
  net::ReachReport reach_report;
  std::vector<std::string> reached;
  base::WakeEvent wake;
  config::Config config;
  config::Account account;
  std::vector<Finding> findings;
  int exit_code = 0;
};

}  // namespace mailboxfs::check::testing
