#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "mailboxfs/base/clock.h"
#include "mailboxfs/base/error.h"
#include "mailboxfs/base/fd.h"
#include "mailboxfs/base/secret.h"

namespace mailboxfs::oauth {

struct AccessToken {
  base::Secret value;
  // When sessions that were opened with it are better replaced. Never less than a minute after it
  // was asked for, whatever the endpoint says: nobody gets work done in shorter sessions.
  base::MonoTime expires = base::MonoTime::max();
};

// What was said in place of a token (RFC 6749 section 5.2, and Microsoft's additions), for diagnosis. Printable,
// without secrets.
struct TokenRefusal {
  // A stable word for why: "secret-wrong", "consent-missing", ...
  std::string cause;
  // 0: it was no endpoint that said it ("login-needed", "command-failed").
  long http_status = 0;
  std::string error;                                // "invalid_client".
  std::string description;                          // Its first line.
  int64_t aadsts = 0;                               // Microsoft's number; 0: none.
  std::string trace_id, correlation_id, timestamp;  // Microsoft's support asks for these.
};

// For `status` and `check`: never the token.
struct TokenStatus {
  bool valid = false;
  int64_t expires_in_seconds = 0;
  uint64_t requests = 0;                           // Sent to the endpoint since start.
  std::string last_error;                          // Of the last request, if it failed.
  std::optional<TokenRefusal> last_refusal;        // The same in parts, unless nobody answered.
  std::optional<std::chrono::seconds> clock_skew;  // Our clock minus that of the last answer's Date header.
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
  // A person has mended something: a refusal that is remembered is not held against the next Get. A pause that the
  // server asked for still is.
  virtual void ForgetRefusal() {}
  virtual TokenStatus GetStatus() const = 0;
};

}  // namespace mailboxfs::oauth
