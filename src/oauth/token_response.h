#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "mailboxfs/base/clock.h"
#include "mailboxfs/base/secret.h"
#include "mailboxfs/json/json.h"
#include "mailboxfs/net/http_client.h"
#include "token_request.h"

namespace mailboxfs::oauth {

// What whoever asked knows to do about a refusal; empty: no more than anybody.
using Adviser = std::function<std::string(const TokenRefusal&)>;

struct ResponseContext {
  std::string action;                        // "cannot get an access token from https://...": for texts.
  std::vector<const base::Secret*> secrets;  // Must not appear in texts, whatever the server says.
  base::WallTime now;
  Adviser advise;      // May be null.
  bool dated = false;  // What was sent holds times of our clock.
};

using EndpointOutcome = std::variant<json::Value, TokenFailure>;

// Reads the answer of an OAuth endpoint: a JSON object, or a failure (RFC 6749 section 5.2), also one that is no
// JSON. Its error is kLoginRefused (for good; remembered for 5 minutes), kThrottled, or kServer. Reentrant.
EndpointOutcome ReadResponse(const net::HttpResponse& response, const ResponseContext& context);

// Reads a granted token (RFC 6749 section 5.1); kServer if it cannot be used. Nothing secret stays in `answer`.
// Reentrant.
std::variant<TokenGrant, TokenFailure> ReadGrant(json::Value& answer, const ResponseContext& context);

// Can it stand in a SASL message and an HTTP form, where a control character would end a field? Reentrant.
bool IsTokenText(std::string_view text);

// Until a token's own "exp"; nullopt: it does not say. Reentrant.
std::optional<base::Duration> LifetimeOf(const json::Value& answer, std::string_view token, base::WallTime now);

}  // namespace mailboxfs::oauth
