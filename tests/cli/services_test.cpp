#include "services.h"

#include <gtest/gtest.h>

#include <functional>

namespace mailboxfs::cli {
namespace {

using Kind = config::SecretSpec::Kind;

config::Account Contoso(const std::string& name, Kind kind) {
  config::Account account;
  account.name = name;
  account.auth.method = config::AuthMethod::kClientCredentials;
  account.auth.token_endpoint = "https://login.example.org/token";
  account.auth.client_id = "id";
  account.auth.scope = "scope";
  account.auth.secret.kind = kind;
  account.auth.secret.where = "accounts." + name + ".auth.client_secret";
  if (kind == Kind::kCommand) {
    account.auth.secret.command = {"pass", "show", "contoso"};
  } else if (kind != Kind::kLiteral) {
    account.auth.secret.value = "contoso";
  }
  return account;
}

TEST(Services, AccountsOfOneClientShareAToken) {
  Services services(1);
  for (const Kind kind : {Kind::kFile, Kind::kEnvironment, Kind::kCommand, Kind::kCredential}) {
    const auto tokens = services.TokensFor(Contoso("a", kind));
    ASSERT_NE(tokens, nullptr);
    EXPECT_EQ(services.TokensFor(Contoso("b", kind)), tokens) << static_cast<int>(kind);
  }
}

TEST(Services, LiteralSecretsAreToldApartByTheirPlace) {
  Services services(1);
  const auto tokens = services.TokensFor(Contoso("a", Kind::kLiteral));
  EXPECT_EQ(services.TokensFor(Contoso("a", Kind::kLiteral)), tokens);
  EXPECT_NE(services.TokensFor(Contoso("b", Kind::kLiteral)), tokens);
}

TEST(Services, OtherClientsHaveOtherTokens) {
  const std::function<void(config::AuthConfig*)> changes[] = {
      [](config::AuthConfig* auth) { auth->token_endpoint += "2"; },
      [](config::AuthConfig* auth) { auth->client_id += "2"; },
      [](config::AuthConfig* auth) { auth->scope += "2"; },
      [](config::AuthConfig* auth) { auth->ca_file = "/ca.pem"; },
      [](config::AuthConfig* auth) { auth->secret.kind = Kind::kEnvironment; },
      [](config::AuthConfig* auth) { auth->secret.value += "2"; },
  };
  Services services(1);
  const auto tokens = services.TokensFor(Contoso("a", Kind::kFile));
  for (const auto& change : changes) {
    config::Account other = Contoso("b", Kind::kFile);
    change(&other.auth);
    EXPECT_NE(services.TokensFor(other), tokens);
  }
  config::Account words = Contoso("c", Kind::kCommand);
  const auto of_command = services.TokensFor(words);
  words.auth.secret.command = {"pass", "show contoso"};
  EXPECT_NE(services.TokensFor(words), of_command);
}

TEST(Services, PasswordsNeedNoToken) {
  Services services(1);
  config::Account account = Contoso("a", Kind::kFile);
  account.auth.method = config::AuthMethod::kPassword;
  EXPECT_EQ(services.TokensFor(account), nullptr);
}

}  // namespace
}  // namespace mailboxfs::cli
