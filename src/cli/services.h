#pragma once

#include <memory>

#include "governors.h"
#include "mailboxfs/check/check.h"
#include "mailboxfs/config/config.h"
#include "mailboxfs/mail/connection_budget.h"
#include "mailboxfs/mail/imap_source.h"
#include "mailboxfs/net/http_client.h"
#include "mailboxfs/net/transport.h"
#include "token_sources.h"

namespace mailboxfs::cli {

// What all mailboxes share: transport, HTTP, the limit on connections, and the tokens. Built by `mount`, `check` and
// `login` alike. Thread-safe.
class Services {
 public:
  explicit Services(unsigned max_connections);

  mail::ImapOptions MakeOptions(const config::Config& config, const config::Account& account,
                                const config::MailboxConfig& mailbox);
  mail::ImapEnvironment environment();
  // For check::Run; borrows this and `config`.
  check::Means MakeMeans(const config::Config& config);
  net::HttpClient& http() { return *http_; }
  TokenSources& tokens() { return tokens_; }
  Governors& governors() { return governors_; }
  const Governors& governors() const { return governors_; }
  const TokenSources& tokens() const { return tokens_; }
  const mail::ConnectionBudget& budget() const { return budget_; }

 private:
  std::unique_ptr<net::Connector> connector_;
  std::unique_ptr<net::HttpClient> http_;
  mail::ConnectionBudget budget_;
  TokenSources tokens_;
  Governors governors_;
};

}  // namespace mailboxfs::cli
