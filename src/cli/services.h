#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "mailboxfs/config/config.h"
#include "mailboxfs/mail/connection_budget.h"
#include "mailboxfs/mail/imap_source.h"
#include "mailboxfs/net/http_client.h"
#include "mailboxfs/net/transport.h"
#include "mailboxfs/oauth/token_source.h"

namespace mailboxfs::cli {

// What all mailboxes share: transport, HTTP, the limit on connections, and one token source
// for each client (endpoint, ID, scope, source of the secret). Built by `mount` and `check`
// alike. Thread-bound while MakeOptions is used; what it hands out is thread-safe.
class Services {
 public:
  explicit Services(unsigned max_connections);

  mail::ImapOptions MakeOptions(const config::Config& config, const config::Account& account,
                                const config::MailboxConfig& mailbox);
  mail::ImapEnvironment environment();
  // Null for accounts without OAuth.
  std::shared_ptr<oauth::TokenSource> TokensFor(const config::Account& account);

  // By "account" name, for `status`.
  const std::map<std::string, std::shared_ptr<oauth::TokenSource>>& tokens_by_account() const {
    return tokens_by_account_;
  }
  const mail::ConnectionBudget& budget() const { return budget_; }

 private:
  std::unique_ptr<net::Connector> connector_;
  std::unique_ptr<net::HttpClient> http_;
  mail::ConnectionBudget budget_;
  std::map<std::vector<std::string>, std::shared_ptr<oauth::TokenSource>> tokens_by_client_;
  std::map<std::string, std::shared_ptr<oauth::TokenSource>> tokens_by_account_;
};

}  // namespace mailboxfs::cli
