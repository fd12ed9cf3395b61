#include "services.h"

#include <random>
#include <utility>

#include "mailboxfs/base/log.h"

namespace mailboxfs::cli {
namespace {

// Jitter for back-off and renewal; needs no cryptographic quality.
double RandomUnit() {
  thread_local std::mt19937_64 generator{std::random_device{}()};
  return std::uniform_real_distribution<double>(0.0, 1.0)(generator);
}

}  // namespace

Services::Services(unsigned max_connections)
    : connector_(net::MakeCurlConnector()), http_(net::MakeCurlHttpClient()), budget_(max_connections) {}

std::shared_ptr<oauth::TokenSource> Services::TokensFor(const config::Account& account) {
  const config::AuthConfig& auth = account.auth;
  if (auth.method != config::AuthMethod::kClientCredentials) return nullptr;
  // Accounts that name the same client share its token; another secret is another login.
  const std::string key =
      base::Format("{}\n{}\n{}\n{}\n{}\n{}", auth.token_endpoint, auth.client_id, auth.scope, auth.ca_file.value_or(""),
                   static_cast<int>(auth.secret.kind),
                   auth.secret.kind == config::SecretSpec::Kind::kFile ? auth.secret.value : auth.secret.where);
  std::shared_ptr<oauth::TokenSource>& source = tokens_by_client_[key];
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
