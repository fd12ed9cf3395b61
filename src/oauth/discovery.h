#pragma once

#include <optional>
#include <string>

#include "mailboxfs/base/clock.h"
#include "mailboxfs/base/fd.h"
#include "mailboxfs/net/http_client.h"
#include "mailboxfs/oauth/grants.h"
#include "token_request.h"

namespace mailboxfs::oauth {

// An authorization server's addresses: those that are configured, and the others from the issuer's own document
// (OpenID Connect Discovery 1.0 section 4), which is read until it has what is wanted. Thread-bound.
class Discovery {
 public:
  // `http` and `clock` are borrowed.
  Discovery(Authority authority, net::HttpClient& http, const base::Clock& clock)
      : authority_(std::move(authority)), http_(http), clock_(clock) {}

  // Finds an endpoint out, if it is not known yet. Afterwards it is in authority(). Throws Error(kCancelled) and
  // what is the caller's own deadline, Error(kTimeout).
  std::optional<TokenFailure> Find(std::string Authority::*endpoint, const base::Deadline& deadline,
                                   const base::WakeEvent& wake);
  const Authority& authority() const { return authority_; }

 private:
  std::optional<TokenFailure> Read(std::string Authority::*endpoint, const base::Deadline& deadline,
                                   const base::WakeEvent& wake);

  Authority authority_;
  net::HttpClient& http_;
  const base::Clock& clock_;
};

}  // namespace mailboxfs::oauth
