#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "mailboxfs/base/clock.h"
#include "mailboxfs/base/error.h"
#include "mailboxfs/base/fd.h"
#include "mailboxfs/base/secret.h"
#include "mailboxfs/net/http_client.h"

namespace mailboxfs::oauth {

struct AccessToken {
  base::Secret value;
  // When sessions that were opened with it are better replaced. Never less than a minute after it
  // was asked for, whatever the endpoint says: nobody gets work done in shorter sessions.
  base::MonoTime expires = base::MonoTime::max();
};

// For `status`: never the token.
struct TokenStatus {
  bool valid = false;
  int64_t expires_in_seconds = 0;
  uint64_t requests = 0;  // Sent to the endpoint since start.
  std::string last_error;
};

// Gives access tokens. Thread-safe.
class TokenSource {
 public:
  virtual ~TokenSource() = default;
  // A token that is valid for a while, or, if the endpoint's tokens live for less than five
  // seconds, one that is no older than that; from memory, or requested once however many callers
  // wait (single-flight: a caller that leaves does not end it for the others). Throws Error:
  // kLoginRefused (the endpoint says no for good; remembered for a while), kNetwork, kTls,
  // kServer, kThrottled, kTimeout, kCancelled, kConfig (the secret cannot be read).
  virtual AccessToken Get(const base::Deadline& deadline, const base::WakeEvent& wake) = 0;
  // A server accepted this token in a login.
  virtual void Accepted(const AccessToken& /*token*/) {}
  // A server refused a login with this token. That may be the mailbox's fault, and all mailboxes
  // share the token; so it is kept if it was issued, or accepted by any server, less than a minute
  // ago, and else given up. True: the next Get gives another token, which may do better.
  virtual bool Refused(const AccessToken& token) {
    Invalidate(token);
    return true;
  }
  // The token is dead, the server said that it expired: don't give it out again.
  virtual void Invalidate(const AccessToken& token) = 0;
  virtual TokenStatus GetStatus() const = 0;
};

// Reads the secret anew; throws Error(kConfig).
using SecretReader = std::function<base::Secret()>;

// RFC 6749 section 4.4, with the client authenticated in the form body (section 2.3.1).
struct ClientCredentials {
  std::string token_endpoint;  // Placeholders already filled in.
  std::string client_id;
  std::string scope;
  SecretReader secret;
  std::optional<std::string> ca_file;
};

// `http` and `clock` are borrowed and must outlive the source. `random` gives values in [0, 1) for jitter.
std::unique_ptr<TokenSource> MakeClientCredentialsSource(ClientCredentials credentials, net::HttpClient& http,
                                                         const base::Clock& clock, std::function<double()> random);

}  // namespace mailboxfs::oauth
