#include "token_sources.h"

#include <algorithm>
#include <optional>

#include "mailboxfs/base/error.h"
#include "mailboxfs/base/log.h"
#include "mailboxfs/config/secret_command.h"

namespace mailboxfs::cli {
namespace {

using config::AuthMethod;
using config::SecretSpec;
using Key = std::vector<std::string>;

constexpr std::string_view kMailboxPlaceholder = "{mailbox}";

void AppendSource(const std::optional<SecretSpec>& spec, Key* key) {
  using Kind = SecretSpec::Kind;
  if (!spec) {
    key->emplace_back();
    return;
  }
  key->push_back(std::to_string(static_cast<int>(spec->kind)));
  switch (spec->kind) {
    case Kind::kFile:
    case Kind::kEnvironment:
    case Kind::kCredential: key->push_back(spec->value); break;
    case Kind::kCommand: key->insert(key->end(), spec->command.begin(), spec->command.end()); break;
    // It is told from others by its place.
    case Kind::kLiteral: key->push_back(spec->where); break;
  }
}

bool HasTokenForEachMailbox(const config::AuthConfig& auth) {
  if (auth.method == AuthMethod::kServiceAccount) return true;
  return std::any_of(auth.command.begin(), auth.command.end(),
                     [](const std::string& word) { return word.find(kMailboxPlaceholder) != std::string::npos; });
}

// Accounts whose credentials are the same share their token.
Key KeyOf(const config::AuthConfig& auth, const config::MailboxConfig& mailbox) {
  Key key = {std::string(config::MethodName(auth.method)),
             auth.token_endpoint,
             auth.issuer,
             auth.client_id,
             auth.scope,
             auth.resource,
             auth.login_file,
             auth.ca_file.value_or("")};
  for (const auto* spec :
       {&auth.client_secret, &auth.federated_token, &auth.refresh_token, &auth.service_account_key}) {
    AppendSource(*spec, &key);
  }
  if (auth.certificate) {
    key.emplace_back(auth.certificate->rs256 ? "RS256" : "PS256");
    AppendSource(auth.certificate->certificate, &key);
    AppendSource(auth.certificate->private_key, &key);
  }
  if (auth.identity) key.insert(key.end(), {auth.identity->first, auth.identity->second});
  key.insert(key.end(), auth.command.begin(), auth.command.end());
  if (HasTokenForEachMailbox(auth)) key.push_back(mailbox.address);
  return key;
}

oauth::SecretReader ReaderOf(const SecretSpec& spec) {
  return [spec] { return config::ReadSecret(spec); };
}

oauth::ClientCertificate CertificateOf(const config::CertificateConfig& certificate) {
  return {ReaderOf(certificate.certificate), ReaderOf(certificate.private_key),
          certificate.passphrase ? ReaderOf(*certificate.passphrase) : oauth::SecretReader(),
          certificate.rs256 ? oauth::SigningAlgorithm::kRs256 : oauth::SigningAlgorithm::kPs256};
}

oauth::TokenCommand CommandOf(const config::AuthConfig& auth, const config::MailboxConfig& mailbox) {
  std::vector<std::string> argv = auth.command;
  for (std::string& word : argv) {
    for (size_t at = word.find(kMailboxPlaceholder); at != std::string::npos;
         at = word.find(kMailboxPlaceholder, at + mailbox.address.size())) {
      word.replace(at, kMailboxPlaceholder.size(), mailbox.address);
    }
  }
  const auto run = [argv](const base::Deadline& deadline, const base::WakeEvent& wake) {
    return config::RunSecretCommand(argv, config::kSecretCommandLimit, deadline, wake);
  };
  return {run, argv[0]};
}

oauth::Grant GrantOf(const config::Account& account, const config::MailboxConfig& mailbox) {
  const config::AuthConfig& auth = account.auth;
  switch (auth.method) {
    case AuthMethod::kManagedIdentity: return oauth::ManagedIdentity{auth.token_endpoint, auth.resource, auth.identity};
    case AuthMethod::kServiceAccount:
      return oauth::ServiceAccount{ReaderOf(*auth.service_account_key), auth.token_endpoint, auth.scope,
                                   mailbox.address, auth.ca_file};
    case AuthMethod::kTokenCommand: return CommandOf(auth, mailbox);
    case AuthMethod::kDeviceCode:
    case AuthMethod::kAuthorizationCode:
      return oauth::RefreshToken{AuthorityOf(auth), ClientOf(auth),        auth.scope,
                                 auth.login_file,   oauth::SecretReader(), "run: " + account.login_command};
    case AuthMethod::kRefreshToken:
      return oauth::RefreshToken{AuthorityOf(auth),
                                 ClientOf(auth),
                                 auth.scope,
                                 auth.login_file,
                                 ReaderOf(*auth.refresh_token),
                                 "put a new one into \"refresh_token\", with the program that got this one"};
    case AuthMethod::kClientCredentials:
    case AuthMethod::kPassword: break;
  }
  return oauth::ClientCredentials{AuthorityOf(auth), ClientOf(auth), auth.scope, auth.resource};
}

// Commands are run when a token is needed, and not before: they may ask somebody.
bool IsCommand(const std::optional<SecretSpec>& spec) { return spec && spec->kind == SecretSpec::Kind::kCommand; }

void CheckCredentialsOf(const config::AuthConfig& auth) {
  if (const std::optional<config::CertificateConfig>& certificate = auth.certificate) {
    if (!IsCommand(certificate->private_key) && !IsCommand(certificate->passphrase)) {
      oauth::CheckClientCertificate(CertificateOf(*certificate));
    }
  }
  if (auth.service_account_key && !IsCommand(auth.service_account_key)) {
    oauth::CheckServiceAccountKey({ReaderOf(*auth.service_account_key), auth.token_endpoint, auth.scope, "", {}});
  }
}

}  // namespace

oauth::Authority AuthorityOf(const config::AuthConfig& auth) {
  return {auth.token_endpoint, auth.authorization_endpoint, auth.device_endpoint, auth.issuer, auth.ca_file};
}

oauth::Client ClientOf(const config::AuthConfig& auth) {
  if (auth.certificate) return {auth.client_id, CertificateOf(*auth.certificate)};
  if (auth.federated_token) return {auth.client_id, oauth::FederatedToken{ReaderOf(*auth.federated_token)}};
  if (auth.client_secret) return {auth.client_id, oauth::ClientSecret{ReaderOf(*auth.client_secret)}};
  return {auth.client_id, oauth::NoAuthentication{}};
}

void CheckCredentials(const config::Config& config) {
  for (const config::Account& account : config.accounts) {
    try {
      CheckCredentialsOf(account.auth);
    } catch (const base::Error& error) {
      throw error.WithContext(base::Format("{}: accounts.{}.auth", config.path, account.name));
    }
  }
}

TokenSources::TokenSources(net::HttpClient& http, std::function<double()> random)
    : http_(http), random_(std::move(random)) {}

std::shared_ptr<oauth::TokenSource> TokenSources::For(const config::Account& account,
                                                      const config::MailboxConfig& mailbox) {
  if (account.auth.method == AuthMethod::kPassword) return nullptr;
  const base::MutexLock lock(mutex_);
  std::shared_ptr<oauth::TokenSource>& source = by_credential_[KeyOf(account.auth, mailbox)];
  if (!source) source = oauth::MakeTokenSource(GrantOf(account, mailbox), http_, base::Clock::System(), random_);
  const bool each = HasTokenForEachMailbox(account.auth);
  by_label_[each ? account.name + "/" + mailbox.address : account.name] = source;
  return source;
}

std::vector<std::pair<std::string, std::shared_ptr<oauth::TokenSource>>> TokenSources::All() const {
  const base::MutexLock lock(mutex_);
  return {by_label_.begin(), by_label_.end()};
}

}  // namespace mailboxfs::cli
