#include "services.h"

#include <random>

#include "random.h"

namespace mailboxfs::cli {

double RandomUnit() {
  thread_local std::mt19937_64 generator{std::random_device{}()};
  return std::uniform_real_distribution<double>(0.0, 1.0)(generator);
}

Services::Services(unsigned max_connections)
    : connector_(net::MakeCurlConnector()),
      http_(net::MakeCurlHttpClient()),
      budget_(max_connections),
      tokens_(*http_, &RandomUnit) {}

mail::ImapOptions Services::MakeOptions(const config::Config& config, const config::Account& account,
                                        const config::MailboxConfig& mailbox) {
  mail::ImapOptions options;
  options.name = account.name + "/" + mailbox.address;
  options.endpoint = net::Endpoint{account.imap.host, account.imap.port,
                                   account.imap.tls ? net::Tls::kImplicit : net::Tls::kNone, account.imap.ca_file};
  options.login.user = account.auth.user.value_or(mailbox.address);
  options.login.tokens = tokens_.For(account, mailbox);
  if (!options.login.tokens) {
    options.login.password = [password = *account.auth.password] { return config::ReadSecret(password); };
  }
  options.connections = account.imap.connections;
  options.profile = account.imap.profile;
  options.folders = {account.folders.exclude, account.folders.include};
  options.governor = governors_.For(account);
  options.timeouts.connect = config.timeouts.connect;
  options.timeouts.login = config.timeouts.login;
  options.timeouts.stall = config.timeouts.stall;
  options.timeouts.idle = config.timeouts.idle;
  return options;
}

mail::ImapEnvironment Services::environment() {
  return mail::ImapEnvironment{*connector_, budget_, base::Clock::System(), &RandomUnit};
}

check::Means Services::MakeMeans(const config::Config& config) {
  return {[this, &config](const config::Account& account, const config::MailboxConfig& mailbox) {
            return MakeOptions(config, account, mailbox);
          },
          environment(), *http_};
}

}  // namespace mailboxfs::cli
