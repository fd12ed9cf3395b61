#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <variant>

#include "mailboxfs/base/clock.h"
#include "mailboxfs/base/error.h"
#include "mailboxfs/base/fd.h"
#include "mailboxfs/base/secret.h"
#include "mailboxfs/oauth/token_source.h"

namespace mailboxfs::oauth {

struct TokenGrant {
  base::Secret value;
  // From the moment of the request; zero: for whoever waits now, and no longer. nullopt: nobody knows.
  std::optional<base::Duration> lifetime;
  base::Secret refresh_token;  // Empty: none came with it.
};

// When the endpoint may be asked again.
enum class Pause {
  kNone,     // At any time.
  kBackoff,  // After a time that doubles with each failure.
  kFixed,    // After `TokenFailure::length`.
};

struct TokenFailure {
  base::Error error;
  Pause pause = Pause::kNone;
  base::Duration length{};
  std::optional<TokenRefusal> refusal{};  // If there is a cause to name.
  bool sent = true;                       // False: nobody had to be asked to know it.
  base::Secret refresh_token{};           // One may come with an access token that is of no use.
};

struct TokenAnswer {
  std::variant<TokenGrant, TokenFailure> outcome;
  std::optional<std::chrono::seconds> clock_skew{};  // Our clock minus the endpoint's, if it told.
};

// A grant at work: asks for a token once.
class TokenRequest {
 public:
  virtual ~TokenRequest() = default;
  // Throws Error if nobody could be asked. Called by one thread at a time.
  virtual TokenAnswer Ask(const base::Deadline& deadline, const base::WakeEvent& wake) = 0;
  // Changes whenever somebody else changes what is asked with (a login's file): a refusal is remembered only as
  // long as it stays the same. Quick; thread-safe.
  virtual std::string InputVersion() const { return {}; }
};

}  // namespace mailboxfs::oauth
