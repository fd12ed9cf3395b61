#include "services.h"

#include <random>
#include <utility>

namespace mailboxfs::cli {
namespace {

// Jitter for back-off and renewal; needs no cryptographic quality.
double RandomUnit() {
  thread_local std::mt19937_64 generator{std::random_device{}()};
  return std::uniform_real_distribution<double>(0.0, 1.0)(generator);
}

// Accounts that name the same client share its token; another secret is another login. It is
// told by where it comes from; one that stands in the file, by its place.
std::vector<std::string> ClientKey(const config::AuthConfig& auth) {
  using Kind = config::SecretSpec::Kind;
  std::vector<std::string> key = {auth.token_endpoint, auth.client_id, auth.scope, auth.ca_file.value_or(""),
                                  std::to_string(static_cast<int>(auth.secret.kind))};
  switch (auth.secret.kind) {
    case Kind::kFile:
    case Kind::kEnvironment:
    case Kind::kCredential: key.push_back(auth.secret.value); break;
    case Kind::kCommand: key.insert(key.end(), auth.secret.command.begin(), auth.secret.command.end()); break;
    case Kind::kLiteral: key.push_back(auth.secret.where); break;
  }
  return key;
}

}  // namespace

Services::Services(unsigned max_connections)
    : connector_(net::MakeCurlConnector()), http_(net::MakeCurlHttpClient()), budget_(max_connections) {}

std::shared_ptr<oauth::TokenSource> Services::TokensFor(const config::Account& account) {
  const config::AuthConfig& auth = account.auth;
  if (auth.method != config::AuthMethod::kClientCredentials) return nullptr;
  std::shared_ptr<oauth::TokenSource>& source = tokens_by_client_[ClientKey(auth)];
  if (!source) {
    oauth::ClientCredentials credentials{auth.token_endpoint, auth.client_id, auth.scope,
                                         [spec = auth.secret] { return config::ReadSecret(spec); }, auth.ca_file};
    source = oauth::MakeClientCredentialsSource(std::move(credentials), *http_, base::Clock::System(), &RandomUnit);
  }
  tokens_by_account_[account.name] = source;
  return source;
}

mail::ImapOptions Services::MakeOptions(const config::Config& config, const config::Account& account,
                                        const config::MailboxConfig& mailbox) {
  mail::ImapOptions options;
  options.name = account.name + "/" + mailbox.address;
  options.endpoint = net::Endpoint{account.imap.host, account.imap.port,
                                   account.imap.tls ? net::Tls::kImplicit : net::Tls::kNone, account.imap.ca_file};
  options.login.user = account.auth.user.value_or(mailbox.address);
  options.login.tokens = TokensFor(account);
  if (!options.login.tokens) {
    options.login.password = [spec = account.auth.secret] { return config::ReadSecret(spec); };
  }
  options.connections = account.imap.connections;
  options.timeouts.connect = config.timeouts.connect;
  options.timeouts.login = config.timeouts.login;
  options.timeouts.stall = config.timeouts.stall;
  options.timeouts.idle = config.timeouts.idle;
  return options;
}

mail::ImapEnvironment Services::environment() {
  return mail::ImapEnvironment{*connector_, budget_, base::Clock::System(), &RandomUnit};
}

}  // namespace mailboxfs::cli
