#include "refusal.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <utility>

#include "aadsts.h"
#include "clock_skew.h"
#include "http_date.h"
#include "json_members.h"
#include "mailboxfs/base/encoding.h"
#include "mailboxfs/base/log.h"

namespace mailboxfs::oauth {
namespace {

using base::Error;
using base::ErrorKind;
using std::chrono::seconds;

constexpr seconds kRefusalMemory{300};
constexpr seconds kDefaultThrottle{60};
constexpr seconds kMaxThrottle{24 * 3600};

// What OAuth's own words mean. Without a cause of its own an error is judged by the HTTP status.
struct Word {
  std::string_view error;
  bool permanent;
  std::string_view cause;
  std::string_view hint;
};

constexpr std::string_view kUnexpected = "unexpected-answer";
constexpr std::string_view kAskAdmin = "an administrator must allow this application for this user";

constexpr std::array kWords = {
    Word{"invalid_client", true, "client-refused", "check \"client_id\" and \"client_secret\""},
    Word{"deleted_client", true, "client-refused", "the client was deleted: make a new one and set \"client_id\""},
    Word{"disabled_client", true, "client-refused", "the client is disabled: enable it, or make a new one"},
    Word{"unauthorized_client", true, "client-unauthorized",
         "check \"client_id\", and that this application may use this grant"},
    Word{"unsupported_grant_type", true, "client-unauthorized",
         "the endpoint does not know this grant: use another \"method\""},
    Word{"invalid_grant", true, "grant-invalid", ""},
    Word{"invalid_scope", true, "scope-malformed", "check \"scope\""},
    Word{"invalid_resource", true, "resource-unknown", "check \"scope\""},
    Word{"invalid_target", true, "resource-unknown", "check \"resource\""},
    Word{"invalid_request", true, kUnexpected, ""},
    Word{"invalid_tenant", true, "tenant-unknown", "check \"tenant\""},
    Word{"access_denied", true, "access-denied", kAskAdmin},
    Word{"authorization_declined", true, "access-denied", "the login was declined: log in again"},
    Word{"admin_policy_enforced", true, "access-denied", kAskAdmin},
    Word{"org_internal", true, "access-denied", "the application is for users of its own organization only"},
    Word{"consent_required", true, "consent-missing", "an administrator must grant consent"},
    Word{"interaction_required", true, "interaction-needed", "log in again"},
    Word{"login_required", true, "interaction-needed", "log in again"},
    Word{"expired_token", true, "device-code-expired", "the code was not used in time: log in again"},
    Word{"bad_verification_code", true, "device-code-wrong", "log in again"},
    Word{"authorization_pending", false, "authorization-pending", ""},
    Word{"slow_down", false, "throttled", ""},
    Word{"temporarily_unavailable", false, "server-trouble", ""},
    Word{"server_error", false, "server-trouble", ""},
};

const Word* FindWord(std::string_view error) {
  const auto* word =
      std::find_if(kWords.begin(), kWords.end(), [&](const Word& entry) { return entry.error == error; });
  return word == kWords.end() ? nullptr : word;
}

// The number in `digits`; nullopt if there is anything else, or none.
std::optional<unsigned> HexNumber(std::string_view digits) {
  unsigned number = 0;
  const char* end = digits.data() + digits.size();
  const auto [stop, code] = std::from_chars(digits.data(), end, number, 16);
  return code == std::errc() && stop == end ? std::optional(number) : std::nullopt;
}

void AppendUtf8(unsigned code, std::string& text) {
  if (code < 0x80) {
    text += static_cast<char>(code);
    return;
  }
  if (code < 0x800) {
    text += static_cast<char>(0xC0U | (code >> 6U));
  } else {
    text += static_cast<char>(0xE0U | (code >> 12U & 0x0FU));
    text += static_cast<char>(0x80U | (code >> 6U & 0x3FU));
  }
  text += static_cast<char>(0x80U | (code & 0x3FU));
}

std::string DecodePercent(std::string_view text) {
  std::string decoded;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto number = text[i] == '%' && i + 2 < text.size() ? HexNumber(text.substr(i + 1, 2)) : std::nullopt;
    decoded += number ? static_cast<char>(*number) : text[i];
    if (number) i += 2;
  }
  return decoded;
}

std::string DecodePlus(std::string_view text) {
  std::string decoded(text);
  std::replace(decoded.begin(), decoded.end(), '+', ' ');
  return decoded;
}

std::string DecodeEntities(std::string_view text) {
  constexpr std::array<std::pair<std::string_view, char>, 9> kEntities = {{{"&amp;", '&'},
                                                                           {"&lt;", '<'},
                                                                           {"&gt;", '>'},
                                                                           {"&quot;", '"'},
                                                                           {"&apos;", '\''},
                                                                           {"&#34;", '"'},
                                                                           {"&#39;", '\''},
                                                                           {"&#x27;", '\''},
                                                                           {"&#43;", '+'}}};
  std::string decoded;
  while (!text.empty()) {
    const auto* entity = std::find_if(kEntities.begin(), kEntities.end(), [&](const auto& entry) {
      return text.substr(0, entry.first.size()) == entry.first;
    });
    const bool found = entity != kEntities.end();
    decoded += found ? entity->second : text.front();
    text.remove_prefix(found ? entity->first.size() : 1);
  }
  return decoded;
}

std::string DecodeBackslashes(std::string_view text) {
  std::string decoded;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\' || i + 1 == text.size()) {
      decoded += text[i];
      continue;
    }
    const char letter = text[++i];
    const auto number = letter == 'u' && i + 4 < text.size() ? HexNumber(text.substr(i + 1, 4)) : std::nullopt;
    if (number) {
      AppendUtf8(*number, decoded);
      i += 4;
      continue;
    }
    constexpr std::string_view kLetters = "bfnrt";
    const size_t known = kLetters.find(letter);
    decoded += known == std::string_view::npos ? letter : std::string_view("\b\f\n\r\t")[known];
  }
  return decoded;
}

// Is one of the secrets in the text, once it is decoded as gateways and frameworks encode: up to so many times over?
bool RepeatsSecret(const std::string& text, const ResponseContext& context, int depth) {
  for (const auto& decode : {&DecodePercent, &DecodePlus, &DecodeEntities, &DecodeBackslashes}) {
    const base::Secret decoded(decode(text));
    if (decoded.Reveal() == text) continue;
    for (const base::Secret* secret : context.secrets) {
      if (!secret->empty() && decoded.Reveal().find(secret->Reveal()) != std::string_view::npos) return true;
    }
    if (depth > 1 && RepeatsSecret(std::string(decoded.Reveal()), context, depth - 1)) return true;
  }
  return false;
}

// Servers may repeat a secret as it is, or as the form had it; or in any other encoding, where cutting it out is not
// worth the trouble.
std::string WithoutSecrets(std::string_view text, const ResponseContext& context) {
  std::string shown(text);
  for (const base::Secret* secret : context.secrets) {
    const base::Secret encoded(base::PercentEncode(secret->Reveal()));
    shown = base::Redact(base::Redact(std::move(shown), *secret), encoded);
  }
  if (RepeatsSecret(shown, context, 3)) return "[not quoted: it repeats a secret]";
  return shown;
}

// Entra's own number: of "error_codes", else (for the hint's sake) of the text "AADSTS7000215: ...".
int64_t AadstsCode(const json::Value& answer) {
  int64_t first = 0;
  for (const json::Value& value : answer.ItemsAt("error_codes")) {
    const int64_t* code = value.AsInt();
    if (code == nullptr) continue;
    if (FindAadsts(*code) != nullptr) return *code;
    if (first == 0) first = *code;
  }
  if (first != 0) return first;
  constexpr std::string_view kPrefix = "AADSTS";
  const std::string_view text = answer.TextAt("error_description");
  int64_t code = 0;
  if (text.substr(0, kPrefix.size()) == kPrefix) {
    std::from_chars(text.data() + kPrefix.size(), text.data() + text.size(), code);
  }
  return code;
}

std::string_view CauseOf(const TokenRefusal& refusal) {
  if (const AadstsEntry* entry = FindAadsts(refusal.aadsts)) return entry->cause;
  if (refusal.http_status == 429) return "throttled";
  if (refusal.http_status >= 500) return "server-trouble";
  if (const Word* word = FindWord(refusal.error)) return word->cause;
  if (refusal.http_status >= 300 && refusal.http_status < 400) return "redirected";
  return refusal.http_status == 404 ? "not-found" : kUnexpected;
}

TokenRefusal ReadRefusal(const net::HttpResponse& response, const json::Value& answer, const ResponseContext& context) {
  TokenRefusal refusal;
  refusal.http_status = response.status;
  refusal.error = FirstLine(answer.TextAt("error"), context, 100);
  refusal.description = FirstLine(answer.TextAt("error_description"), context, 300);
  refusal.aadsts = AadstsCode(answer);
  // What to look up, though the rest is not quoted.
  if (refusal.aadsts != 0 && refusal.description.find("AADSTS") == std::string::npos) {
    refusal.description = base::Format("AADSTS{}: {}", refusal.aadsts, refusal.description);
  }
  refusal.trace_id = FirstLine(answer.TextAt("trace_id"), context, 64);
  refusal.correlation_id = FirstLine(answer.TextAt("correlation_id"), context, 64);
  refusal.timestamp = FirstLine(answer.TextAt("timestamp"), context, 64);
  refusal.cause = CauseOf(refusal);
  return refusal;
}

std::string HintFor(const TokenRefusal& refusal, const ResponseContext& context, const std::optional<seconds>& skew) {
  if (refusal.http_status >= 300 && refusal.http_status < 400) {
    return "redirects are not followed, since they would carry the secret elsewhere: set \"token_endpoint\" to the "
           "final address";
  }
  const std::string_view cause = refusal.cause;
  const bool may_be_clock = cause == "assertion-rejected" || cause == "grant-invalid" || cause == "client-refused";
  if (context.dated && may_be_clock && IsSkewed(skew)) return DescribeSkew(*skew) + ": set it right (NTP)";
  if (context.advise) {
    std::string advice = context.advise(refusal);
    if (!advice.empty()) return advice;
  }
  const AadstsEntry* entry = FindAadsts(refusal.aadsts);
  if (entry != nullptr && !entry->hint.empty()) return std::string(entry->hint);
  const Word* word = FindWord(refusal.error);
  if (word != nullptr && !word->hint.empty()) return std::string(word->hint);
  return refusal.http_status == 404 ? "check \"token_endpoint\" and \"tenant\"" : "";
}

// What stands in the place of an error.
std::string DescribeBody(const net::HttpResponse& response, const ResponseContext& context) {
  const std::string line = FirstLine(response.body, context, 120);
  if (line.empty()) return "the answer is empty";
  const char first = response.body[response.body.find_first_not_of(" \t\r\n")];
  if (first == '<') return "the answer is an HTML page";
  // And perhaps with a token: not to be shown.
  if (first == '{' || first == '[') return "the answer is JSON without an error";
  return line;
}

// "HTTP 401: invalid_client: AADSTS7000215: ... (trace_id ..., correlation_id ...); what to do"
std::string Describe(const net::HttpResponse& response, const TokenRefusal& refusal, const ResponseContext& context) {
  std::string text = base::Format("{}: HTTP {}: ", context.action, response.status);
  if (refusal.error.empty()) {
    text += DescribeBody(response, context);
  } else {
    text += refusal.error;
    if (!refusal.description.empty()) text += ": " + refusal.description;
    std::string ids;
    for (const auto& [name, id] : {std::pair<std::string_view, std::string_view>("trace_id", refusal.trace_id),
                                   {"correlation_id", refusal.correlation_id},
                                   {"timestamp", refusal.timestamp}}) {
      if (!id.empty()) ids += base::Format("{}{} {}", ids.empty() ? "" : ", ", name, id);
    }
    if (!ids.empty()) text += " (" + ids + ")";
  }
  const std::string hint = HintFor(refusal, context, ClockSkew(response, context.now));
  return hint.empty() ? text : base::Format("{}; {}", text, hint);
}

std::optional<base::Duration> RetryAfter(const net::HttpResponse& response, base::WallTime now) {
  std::optional<base::Duration> pause;
  // Seen from the server's own clock, if it tells: ours may be wrong.
  if (response.date) now = ParseHttpDate(*response.date).value_or(now);
  if (response.retry_after) pause = ParseRetryAfter(*response.retry_after, now);
  if (!pause && response.status == 429) pause = kDefaultThrottle;
  if (pause) pause = std::clamp<base::Duration>(*pause, seconds(1), kMaxThrottle);
  return pause;
}

}  // namespace

std::string FirstLine(std::string_view text, const ResponseContext& context, size_t limit) {
  const size_t begin = std::min(text.find_first_not_of(" \t\r\n"), text.size());
  text.remove_prefix(begin);
  return base::Printable(WithoutSecrets(text.substr(0, text.find_first_of("\r\n")), context), limit);
}

TokenFailure ReadFailure(const net::HttpResponse& response, const json::Value& answer, const ResponseContext& context) {
  const TokenRefusal refusal = ReadRefusal(response, answer, context);
  const std::string text = Describe(response, refusal, context);
  const AadstsEntry* entry = FindAadsts(refusal.aadsts);
  const Word* word = FindWord(refusal.error);
  const bool transient = response.status == 429 || response.status >= 500 || (entry != nullptr && entry->transient);
  const bool permanent = word != nullptr ? word->permanent : response.status == 401 && refusal.error.empty();
  if (!transient && permanent) return {Error(ErrorKind::kLoginRefused, text), Pause::kFixed, kRefusalMemory, refusal};
  if (const std::optional<base::Duration> length = RetryAfter(response, context.now)) {
    const auto shown = std::chrono::ceil<seconds>(*length).count();
    return {Error(ErrorKind::kThrottled, base::Format("{}; it asks for a pause of {} s", text, shown)), Pause::kFixed,
            *length, refusal};
  }
  return {Error(ErrorKind::kServer, text), Pause::kBackoff, {}, refusal};
}

}  // namespace mailboxfs::oauth
