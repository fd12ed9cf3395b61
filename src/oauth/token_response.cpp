#include "token_response.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "json_members.h"
#include "jwt.h"
#include "mailboxfs/base/encoding.h"
#include "mailboxfs/base/log.h"
#include "refusal.h"

namespace mailboxfs::oauth {
namespace {

using base::Error;
using base::ErrorKind;
using std::chrono::seconds;

constexpr size_t kMaxToken = size_t{64} << 10U;
constexpr seconds kDefaultLifetime{3600};
constexpr seconds kMaxLifetime{30 * 24 * 3600};

TokenFailure Unusable(std::string_view why, const ResponseContext& context) {
  TokenRefusal refusal;
  refusal.cause = "unexpected-answer";
  refusal.http_status = 200;
  refusal.description = why;
  return {Error(ErrorKind::kServer, base::Format("{}: {}; check \"token_endpoint\"", context.action, why)),
          Pause::kBackoff,
          {},
          refusal};
}

// Empty: it can be used.
std::string WhyUnusable(std::string_view token, std::string_view type, const ResponseContext& context) {
  if (token.empty()) return "the answer has no access token";
  if (token.size() > kMaxToken) return "the access token is larger than 64 KiB";
  if (!IsTokenText(token)) return "the access token has characters that no token may have";
  if (type.empty() || base::EqualsIgnoreCase(type, "Bearer")) return "";
  return base::Format("the token's type is \"{}\", not Bearer", FirstLine(type, context, 40));
}

}  // namespace

bool IsTokenText(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c <= '~'; });
}

// "expires_in" is RFC 6749's, "expires_on" (seconds since 1970) Microsoft's.
std::optional<base::Duration> LifetimeOf(const json::Value& answer, std::string_view token, base::WallTime now) {
  std::optional<seconds> lifetime = SecondsMember(answer, "expires_in");
  std::optional<seconds> end;
  if (!lifetime) end = SecondsMember(answer, "expires_on");
  if (const std::optional<json::Value> claims = JwtPayload(token)) {
    const std::optional<seconds> expires = SecondsMember(*claims, "exp");
    const std::optional<seconds> issued = SecondsMember(*claims, "iat");
    if (!lifetime && !end) end = expires;
    // Some endpoints promise more than the token holds. Its own two times need no clock of ours.
    if (lifetime && expires && issued && *expires > *issued) lifetime = std::min(*lifetime, *expires - *issued);
  }
  if (end) lifetime = *end - seconds(UnixSeconds(now));
  if (!lifetime) return std::nullopt;
  return std::clamp(*lifetime, seconds(0), kMaxLifetime);
}

std::variant<TokenGrant, TokenFailure> ReadGrant(json::Value& answer, const ResponseContext& context) {
  TokenGrant grant;
  grant.value = TakeSecret(answer, "access_token");
  grant.refresh_token = TakeSecret(answer, "refresh_token");
  TakeSecret(answer, "id_token");
  const std::string_view token = grant.value.Reveal();
  if (const std::string why = WhyUnusable(token, answer.TextAt("token_type"), context); !why.empty()) {
    TokenFailure failure = Unusable(why, context);
    failure.refresh_token = std::move(grant.refresh_token);
    return failure;
  }
  grant.lifetime = LifetimeOf(answer, token, context.now).value_or(kDefaultLifetime);
  return grant;
}

EndpointOutcome ReadResponse(const net::HttpResponse& response, const ResponseContext& context) {
  json::Value answer = json::ParseLeniently(response.body);
  const bool success = response.status >= 200 && response.status < 300;
  if (success && answer.TextAt("error").empty()) return answer;
  return ReadFailure(response, answer, context);
}

}  // namespace mailboxfs::oauth
