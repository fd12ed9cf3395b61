#include "token_sources.h"

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <utility>

namespace mailboxfs::cli {
namespace {

using Kind = config::SecretSpec::Kind;

const config::MailboxConfig kAda{"ada@example.org", "ada"};
const config::MailboxConfig kBob{"bob@example.org", "bob"};

config::Account Contoso(const std::string& name, Kind kind) {
  config::Account account;
  account.name = name;
  account.auth.method = config::AuthMethod::kClientCredentials;
  account.auth.token_endpoint = "https://login.example.org/token";
  account.auth.client_id = "id";
  account.auth.scope = "scope";
  config::SecretSpec& secret = account.auth.client_secret.emplace();
  secret.kind = kind;
  secret.where = "accounts." + name + ".auth.client_secret";
  if (kind == Kind::kCommand) {
    secret.command = {"pass", "show", "contoso"};
  } else if (kind != Kind::kLiteral) {
    secret.value = "contoso";
  }
  return account;
}

class TokenSourcesTest : public testing::Test {
 protected:
  std::shared_ptr<oauth::TokenSource> For(const config::Account& account) { return sources_.For(account, kAda); }

  const std::unique_ptr<net::HttpClient> http_ = net::MakeCurlHttpClient();
  TokenSources sources_{*http_, [] { return 0.5; }};
};

TEST_F(TokenSourcesTest, AccountsOfOneClientShareAToken) {
  for (const Kind kind : {Kind::kFile, Kind::kEnvironment, Kind::kCommand, Kind::kCredential}) {
    const auto tokens = For(Contoso("a", kind));
    ASSERT_NE(tokens, nullptr);
    EXPECT_EQ(For(Contoso("b", kind)), tokens) << static_cast<int>(kind);
    EXPECT_EQ(sources_.For(Contoso("a", kind), kBob), tokens);
  }
}

TEST_F(TokenSourcesTest, LiteralSecretsAreToldApartByTheirPlace) {
  const auto tokens = For(Contoso("a", Kind::kLiteral));
  EXPECT_EQ(For(Contoso("a", Kind::kLiteral)), tokens);
  EXPECT_NE(For(Contoso("b", Kind::kLiteral)), tokens);
}

TEST_F(TokenSourcesTest, OtherClientsHaveOtherTokens) {
  const std::function<void(config::AuthConfig*)> changes[] = {
      [](config::AuthConfig* auth) { auth->token_endpoint += "2"; },
      [](config::AuthConfig* auth) { auth->issuer += "2"; },
      [](config::AuthConfig* auth) { auth->client_id += "2"; },
      [](config::AuthConfig* auth) { auth->scope += "2"; },
      [](config::AuthConfig* auth) { auth->resource += "2"; },
      [](config::AuthConfig* auth) { auth->ca_file = "/ca.pem"; },
      [](config::AuthConfig* auth) { auth->client_secret->kind = Kind::kEnvironment; },
      [](config::AuthConfig* auth) { auth->client_secret->value += "2"; },
      [](config::AuthConfig* auth) { std::swap(auth->client_secret, auth->federated_token); },
      [](config::AuthConfig* auth) {
        auth->method = config::AuthMethod::kDeviceCode;
        auth->login_file = "/state/logins/b.json";
      },
  };
  const auto tokens = For(Contoso("a", Kind::kFile));
  for (const auto& change : changes) {
    config::Account other = Contoso("b", Kind::kFile);
    change(&other.auth);
    EXPECT_NE(For(other), tokens);
  }
  config::Account words = Contoso("c", Kind::kCommand);
  const auto of_command = For(words);
  words.auth.client_secret->command = {"pass", "show contoso"};
  EXPECT_NE(For(words), of_command);
}

TEST_F(TokenSourcesTest, SomeMethodsHaveATokenForEachMailbox) {
  config::Account google = Contoso("google", Kind::kFile);
  google.auth.method = config::AuthMethod::kServiceAccount;
  google.auth.service_account_key = google.auth.client_secret;
  EXPECT_NE(sources_.For(google, kAda), sources_.For(google, kBob));
  EXPECT_EQ(sources_.For(google, kAda), sources_.For(google, kAda));

  config::Account command;
  command.name = "command";
  command.auth.method = config::AuthMethod::kTokenCommand;
  command.auth.command = {"echo", "token"};
  EXPECT_EQ(sources_.For(command, kAda), sources_.For(command, kBob));
  command.auth.command = {"echo", "token-of-{mailbox}"};
  const auto tokens = sources_.For(command, kAda);
  EXPECT_NE(tokens, sources_.For(command, kBob));

  const base::WakeEvent never;
  const base::Deadline soon = base::Deadline::After(base::Clock::System(), std::chrono::seconds(30));
  EXPECT_EQ(tokens->Get(soon, never).value.Reveal(), "token-of-ada@example.org");

  std::vector<std::string> labels;
  for (const auto& [label, source] : sources_.All()) labels.push_back(label);
  EXPECT_EQ(labels, (std::vector<std::string>{"command", "command/ada@example.org", "command/bob@example.org",
                                              "google/ada@example.org", "google/bob@example.org"}));
}

TEST_F(TokenSourcesTest, PasswordsNeedNoToken) {
  config::Account account = Contoso("a", Kind::kFile);
  account.auth.method = config::AuthMethod::kPassword;
  EXPECT_EQ(For(account), nullptr);
}

}  // namespace
}  // namespace mailboxfs::cli
