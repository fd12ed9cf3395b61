#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "mailboxfs/base/mutex.h"
#include "mailboxfs/config/config.h"
#include "mailboxfs/net/http_client.h"
#include "mailboxfs/oauth/grants.h"
#include "mailboxfs/oauth/login.h"
#include "mailboxfs/oauth/token_source.h"

namespace mailboxfs::cli {

// Throws Error(kConfig), one line that names the key, for certificates and keys that do not fit together.
void CheckCredentials(const config::Config& config);

oauth::Authority AuthorityOf(const config::AuthConfig& auth);
oauth::Client ClientOf(const config::AuthConfig& auth);

// One source for each credential (endpoint, client, scope, where its secret comes from), however many mailboxes use
// it; some credentials are one for each mailbox. Thread-safe.
class TokenSources {
 public:
  // Borrowed; must outlive this and what it gives.
  TokenSources(net::HttpClient& http, std::function<double()> random);

  // Null for accounts without OAuth.
  std::shared_ptr<oauth::TokenSource> For(const config::Account& account, const config::MailboxConfig& mailbox);
  // With what `status` calls them: "account", or "account/mailbox".
  std::vector<std::pair<std::string, std::shared_ptr<oauth::TokenSource>>> All() const;

 private:
  net::HttpClient& http_;
  const std::function<double()> random_;
  mutable base::Mutex mutex_;
  std::map<std::vector<std::string>, std::shared_ptr<oauth::TokenSource>> by_credential_ GUARDED_BY(mutex_);
  std::map<std::string, std::shared_ptr<oauth::TokenSource>> by_label_ GUARDED_BY(mutex_);
};

}  // namespace mailboxfs::cli
