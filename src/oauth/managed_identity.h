#pragma once

#include <string>

#include "mailboxfs/net/http_client.h"
#include "mailboxfs/oauth/grants.h"
#include "token_request.h"

namespace mailboxfs::oauth {

// Asks Azure's metadata service, again and again if it is not ready yet, as Microsoft wants it: after 0, 2, 6, 14 and
// 30 s. What the deadline leaves no time for becomes a pause.
class ManagedIdentityRequest final : public TokenRequest {
 public:
  // `http` and `clock` are borrowed.
  ManagedIdentityRequest(ManagedIdentity grant, net::HttpClient& http, const base::Clock& clock);
  TokenAnswer Ask(const base::Deadline& deadline, const base::WakeEvent& wake) override;

 private:
  TokenAnswer AskOnce(const base::Deadline& deadline, const base::WakeEvent& wake) const;

  const ManagedIdentity grant_;
  const std::string url_;
  net::HttpClient& http_;
  const base::Clock& clock_;
  size_t retries_ = 0;  // Since it was last ready.
};

}  // namespace mailboxfs::oauth
