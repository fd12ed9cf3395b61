#include "token_response.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <optional>
#include <string>

#include "aadsts.h"
#include "http_date.h"
#include "mailboxfs/base/encoding.h"
#include "mailboxfs/base/log.h"
#include "mailboxfs/json/json.h"

namespace mailboxfs::oauth {
namespace {

using base::Error;
using base::ErrorKind;
using std::chrono::seconds;

constexpr size_t kMaxToken = size_t{64} << 10U;
constexpr seconds kDefaultLifetime{3600};
constexpr seconds kMaxLifetime{30 * 24 * 3600};
constexpr seconds kRefusalMemory{300};
constexpr seconds kDefaultThrottle{60};
constexpr seconds kMaxThrottle{24 * 3600};

constexpr std::array<std::string_view, 10> kPermanentErrors = {
    "invalid_client",   "unauthorized_client",    "invalid_grant", "invalid_scope",    "invalid_request",
    "invalid_resource", "unsupported_grant_type", "access_denied", "consent_required", "interaction_required"};

json::Value ParseObject(std::string_view text) {
  try {
    return json::Parse(text);
  } catch (const Error&) {
    return {};  // Plain text, HTML, or cut off: then it has no members.
  }
}

std::string_view StringMember(const json::Value& value, std::string_view key) {
  const json::Value* member = value.Find(key);
  const std::string* text = member == nullptr ? nullptr : member->AsString();
  return text == nullptr ? std::string_view() : std::string_view(*text);
}

// A number, or a string that holds one; Microsoft's endpoints send both.
std::optional<seconds> SecondsMember(const json::Value& value, std::string_view key) {
  constexpr int64_t kMax = int64_t{1} << 53U;
  const json::Value* member = value.Find(key);
  if (member == nullptr) return std::nullopt;
  if (const int64_t* number = member->AsInt()) return seconds(std::clamp(*number, -kMax, kMax));
  if (const double* number = member->AsDouble()) {
    if (std::isnan(*number)) return std::nullopt;
    return seconds(static_cast<int64_t>(std::clamp(*number, -static_cast<double>(kMax), static_cast<double>(kMax))));
  }
  const std::string* text = member->AsString();
  int64_t number = 0;
  if (text == nullptr) return std::nullopt;
  const char* end = text->data() + text->size();
  const auto [stop, code] = std::from_chars(text->data(), end, number);
  if (code != std::errc() || stop != end) return std::nullopt;
  return seconds(std::clamp(number, -kMax, kMax));
}

// The time until a JSON Web Token's "exp" (RFC 7519 section 4.1.4). Other tokens are opaque.
std::optional<seconds> JwtLifetime(std::string_view token, base::WallTime now) {
  const size_t first = token.find('.');
  if (first == std::string_view::npos) return std::nullopt;
  const size_t second = token.find('.', first + 1);
  if (second == std::string_view::npos) return std::nullopt;
  std::string_view payload = token.substr(first + 1, second - first - 1);
  while (!payload.empty() && payload.back() == '=') payload.remove_suffix(1);
  const std::optional<std::string> text = base::Base64UrlDecode(payload);
  if (!text) return std::nullopt;
  const std::optional<seconds> expires = SecondsMember(ParseObject(*text), "exp");
  if (!expires) return std::nullopt;
  return *expires - std::chrono::floor<seconds>(now.time_since_epoch());
}

// Servers may repeat the secret as it is, or as the form had it.
std::string WithoutSecret(std::string_view text, const base::Secret& secret) {
  const base::Secret encoded(base::PercentEncode(secret.Reveal()));
  return base::Redact(base::Redact(std::string(text), secret), encoded);
}

// The first line that holds something, fit to be shown.
std::string FirstLine(std::string_view text, const TokenResponseContext& context, size_t limit) {
  const size_t begin = std::min(text.find_first_not_of(" \t\r\n"), text.size());
  text.remove_prefix(begin);
  const std::string line = WithoutSecret(text.substr(0, text.find_first_of("\r\n")), context.secret);
  return base::Printable(line, limit);
}

// Entra's own number: of "error_codes", else (for the hint's sake) of the text "AADSTS7000215: ...".
int64_t AadstsCode(const json::Value& answer) {
  const json::Value* codes = answer.Find("error_codes");
  const json::Value::Array* array = codes == nullptr ? nullptr : codes->AsArray();
  if (array != nullptr && !array->empty()) {
    const int64_t* code = array->front().AsInt();
    if (code != nullptr) return *code;
  }
  constexpr std::string_view kPrefix = "AADSTS";
  const std::string_view text = StringMember(answer, "error_description");
  int64_t code = 0;
  if (text.substr(0, kPrefix.size()) == kPrefix) {
    std::from_chars(text.data() + kPrefix.size(), text.data() + text.size(), code);
  }
  return code;
}

std::string_view HintFor(const json::Value& answer, std::string_view error, long status) {
  if (status >= 300 && status < 400) {
    return "redirects are not followed, since they would carry the secret elsewhere: set \"token_endpoint\" to the "
           "final "
           "address";
  }
  const std::string_view hint = AadstsHint(AadstsCode(answer));
  if (!hint.empty()) return hint;
  if (error == "invalid_client") return "check \"client_id\" and \"client_secret\"";
  if (error == "invalid_scope" || error == "invalid_resource") return "check \"scope\"";
  if (error == "unauthorized_client") return "check \"client_id\", and that this application may use this grant";
  if (status == 404) return "check \"token_endpoint\" and \"tenant\"";
  return "";
}

// "HTTP 401: invalid_client: AADSTS7000215: ... (trace_id ..., correlation_id ...); what to do"
std::string Describe(const net::HttpResponse& response, const json::Value& answer,
                     const TokenResponseContext& context) {
  const std::string_view error = StringMember(answer, "error");
  std::string text = base::Format("cannot get an access token from {}: HTTP {}", context.endpoint, response.status);
  if (!error.empty()) {
    text += ": " + FirstLine(error, context, 100);
    const std::string description = FirstLine(StringMember(answer, "error_description"), context, 300);
    if (!description.empty()) text += ": " + description;
    std::string ids;
    for (const std::string_view key : {"trace_id", "correlation_id", "timestamp"}) {
      const std::string id = FirstLine(StringMember(answer, key), context, 64);
      if (!id.empty()) ids += base::Format("{}{} {}", ids.empty() ? "" : ", ", key, id);
    }
    if (!ids.empty()) text += " (" + ids + ")";
  } else {
    const std::string line = FirstLine(response.body, context, 120);
    if (line.empty()) {
      text += ": the answer is empty";
    } else if (line.front() == '<') {
      text += ": the answer is an HTML page";
    } else if (line.front() == '{' || line.front() == '[') {
      text += ": the answer is JSON without an error";  // And perhaps with a token: not to be shown.
    } else {
      text += ": " + line;
    }
  }
  const std::string_view hint = HintFor(answer, error, response.status);
  if (!hint.empty()) text += base::Format("; {}", hint);
  return text;
}

TokenFailure ReadFailure(const net::HttpResponse& response, const json::Value& answer,
                         const TokenResponseContext& context) {
  const std::string_view error = StringMember(answer, "error");
  const std::string text = Describe(response, answer, context);
  const bool transient = response.status == 429 || response.status >= 500 || error == "temporarily_unavailable" ||
                         AadstsIsTransient(AadstsCode(answer));
  const bool permanent = std::find(kPermanentErrors.begin(), kPermanentErrors.end(), error) != kPermanentErrors.end();
  if (!transient && (permanent || (response.status == 401 && error.empty()))) {
    return {Error(ErrorKind::kLoginRefused, text), Pause::kFixed, kRefusalMemory};
  }
  // Seen from the server's own clock, if it tells: ours may be wrong.
  const base::WallTime now = response.date ? ParseHttpDate(*response.date).value_or(context.now) : context.now;
  std::optional<base::Duration> retry_after;
  if (response.retry_after) retry_after = ParseRetryAfter(*response.retry_after, now);
  if (!retry_after && response.status == 429) retry_after = kDefaultThrottle;
  if (retry_after) {
    const base::Duration length = std::clamp<base::Duration>(*retry_after, seconds(1), kMaxThrottle);
    const auto shown = std::chrono::ceil<seconds>(length).count();
    return {Error(ErrorKind::kThrottled, base::Format("{}; it asks for a pause of {} s", text, shown)), Pause::kFixed,
            length};
  }
  return {Error(ErrorKind::kServer, text), Pause::kBackoff, {}};
}

TokenFailure Unusable(std::string_view why, const TokenResponseContext& context) {
  return {Error(ErrorKind::kServer, base::Format("cannot get an access token from {}: {}; check \"token_endpoint\"",
                                                 context.endpoint, why)),
          Pause::kBackoff,
          {}};
}

TokenAnswer ReadGrant(const json::Value& answer, const TokenResponseContext& context) {
  const std::string_view token = StringMember(answer, "access_token");
  if (token.empty()) return Unusable("the answer has no access token", context);
  if (token.size() > kMaxToken) return Unusable("the access token is larger than 64 KiB", context);
  // It becomes part of SASL messages, where a control character would end a field.
  if (std::any_of(token.begin(), token.end(), [](char c) { return c <= ' ' || c > '~'; })) {
    return Unusable("the access token has characters that no token may have", context);
  }
  const std::string_view type = StringMember(answer, "token_type");
  if (!type.empty() && !base::EqualsIgnoreCase(type, "Bearer")) {
    return Unusable(base::Format("the token's type is \"{}\", not Bearer", FirstLine(type, context, 40)), context);
  }
  std::optional<seconds> lifetime = SecondsMember(answer, "expires_in");
  if (!lifetime) lifetime = JwtLifetime(token, context.now);
  return TokenGrant{base::Secret(std::string(token)),
                    std::clamp(lifetime.value_or(kDefaultLifetime), seconds(0), kMaxLifetime)};
}

}  // namespace

TokenAnswer ParseTokenResponse(const net::HttpResponse& response, const TokenResponseContext& context) {
  const json::Value answer = ParseObject(response.body);
  const bool success = response.status >= 200 && response.status < 300;
  if (!success || !StringMember(answer, "error").empty()) return ReadFailure(response, answer, context);
  return ReadGrant(answer, context);
}

}  // namespace mailboxfs::oauth
