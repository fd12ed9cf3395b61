#pragma once

#include <string_view>
#include <variant>

#include "mailboxfs/base/clock.h"
#include "mailboxfs/base/error.h"
#include "mailboxfs/base/secret.h"
#include "mailboxfs/net/http_client.h"

namespace mailboxfs::oauth {

struct TokenGrant {
  base::Secret value;
  // From the moment of the request; zero: for whoever waits now, and no longer.
  base::Duration lifetime{};
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
};

using TokenAnswer = std::variant<TokenGrant, TokenFailure>;

struct TokenResponseContext {
  std::string_view endpoint;   // For texts.
  const base::Secret& secret;  // Must not appear in texts, whatever the server says.
  base::WallTime now;
};

// Reads the answer of a token endpoint (RFC 6749 section 5), also one that is no JSON. The error
// is kLoginRefused (for good; remembered for 5 minutes), kThrottled, or kServer. Reentrant.
TokenAnswer ParseTokenResponse(const net::HttpResponse& response, const TokenResponseContext& context);

}  // namespace mailboxfs::oauth
