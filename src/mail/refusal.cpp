#include "mail/refusal.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <string_view>
#include <utility>

#include "mailboxfs/base/encoding.h"

namespace mailboxfs::mail {
namespace {

using base::ContainsIgnoreCase;

std::string_view ConditionName(imap::Condition condition) {
  switch (condition) {
    case imap::Condition::kOk: return "OK";
    case imap::Condition::kNo: return "NO";
    case imap::Condition::kBad: return "BAD";
    case imap::Condition::kBye: return "BYE";
    case imap::Condition::kPreauth: return "PREAUTH";
  }
  return "?";
}

// "Suggested Backoff Time: 92415 milliseconds".
std::optional<base::Duration> SuggestedPause(std::string_view text) {
  constexpr std::string_view kMarker = "backoff time";
  const std::string lower = base::AsciiLower(text);
  size_t position = lower.find(kMarker);
  if (position == std::string::npos) return std::nullopt;
  position = lower.find_first_not_of(":= ", position + kMarker.size());
  if (position == std::string::npos) return std::nullopt;
  int64_t milliseconds = 0;
  const auto [end, code] = std::from_chars(lower.data() + position, lower.data() + lower.size(), milliseconds);
  if (code == std::errc::result_out_of_range) return kLongestPause;
  if (code != std::errc() || milliseconds < 0) return std::nullopt;
  const int64_t longest = std::chrono::duration_cast<std::chrono::milliseconds>(kLongestPause).count();
  return std::chrono::milliseconds(std::clamp<int64_t>(milliseconds, 100, longest));
}

// Shorter parts of a secret occur in any text and tell little.
constexpr size_t kTellingOctets = 6;

bool RepeatsPartOf(std::string_view text, const base::Secret& secret) {
  const std::string lower_text = base::AsciiLower(text);
  const base::Secret lower_secret(base::AsciiLower(secret.Reveal()));
  const std::string_view rest = lower_secret.Reveal();
  for (size_t at = 0; at + kTellingOctets <= rest.size(); ++at) {
    if (lower_text.find(rest.substr(at, kTellingOctets)) != std::string::npos) return true;
  }
  return false;
}

bool HasCode(const imap::StatusResponse& status, std::string_view name) {
  return status.code && status.code->name == name;
}

}  // namespace

std::string QuoteStatus(const imap::StatusResponse& status) {
  std::string quoted(ConditionName(status.condition));
  if (status.code) {
    quoted += " [" + base::Printable(status.code->name);
    if (!status.code->argument.empty()) quoted += " " + base::Printable(status.code->argument);
    quoted += "]";
  }
  if (!status.text.empty()) quoted += " " + base::Printable(status.text);
  return quoted;
}

std::string WithoutSecret(std::string text, const base::Secret& secret) {
  std::string redacted = base::Redact(std::move(text), secret);
  if (RepeatsPartOf(redacted, secret)) return "[not quoted: it repeats a part of the login]";
  return redacted;
}

std::optional<base::Duration> ThrottlePause(const imap::StatusResponse& status) {
  if (status.condition == imap::Condition::kOk || status.condition == imap::Condition::kPreauth) return std::nullopt;
  // Gmail's daily volume is used up; it comes back after hours.
  if (ContainsIgnoreCase(status.text, "exceeded command or bandwidth limits")) return kLongestPause;
  if (!ContainsIgnoreCase(status.text, "is throttled") && !HasCode(status, "THROTTLED")) return std::nullopt;
  return SuggestedPause(status.text).value_or(kDefaultPause);
}

bool IsTransient(const imap::StatusResponse& status) {
  // RFC 5530: these speak of the login itself, whatever the text suggests.
  constexpr std::array<std::string_view, 5> kFinalCodes = {"AUTHENTICATIONFAILED", "AUTHORIZATIONFAILED", "EXPIRED",
                                                           "PRIVACYREQUIRED", "CONTACTADMIN"};
  constexpr std::array<std::string_view, 4> kCodes = {"UNAVAILABLE", "LIMIT", "INUSE", "SERVERBUG"};
  constexpr std::array<std::string_view, 5> kTexts = {"server unavailable", "too many", "temporar", "try again",
                                                      "maximum number of connections"};
  const auto has = [&status](std::string_view code) { return HasCode(status, code); };
  if (std::any_of(kFinalCodes.begin(), kFinalCodes.end(), has)) return false;
  return std::any_of(kCodes.begin(), kCodes.end(), has) ||
         std::any_of(kTexts.begin(), kTexts.end(),
                     [&](std::string_view text) { return ContainsIgnoreCase(status.text, text); });
}

bool IsAbsence(const imap::StatusResponse& status) {
  constexpr std::array<std::string_view, 10> kTexts = {
      "doesn't exist",   "does not exist", "nonexistent",       "unknown mailbox",  "unknown folder",
      "no such mailbox", "no such folder", "mailbox not found", "folder not found", "folder could not be found"};
  if (status.condition != imap::Condition::kNo) return false;
  // A code says more than the text: [NOPERM], [CORRUPTION].
  if (status.code) return HasCode(status, "NONEXISTENT") || HasCode(status, "TRYCREATE");
  return std::any_of(kTexts.begin(), kTexts.end(),
                     [&](std::string_view text) { return ContainsIgnoreCase(status.text, text); });
}

bool IsNotConnected(const imap::StatusResponse& status) {
  return status.condition != imap::Condition::kOk && ContainsIgnoreCase(status.text, "authenticated but not connected");
}

bool IsTokenExpired(const imap::StatusResponse& status) {
  return ContainsIgnoreCase(status.text, "AccessTokenExpired") || ContainsIgnoreCase(status.text, "session expired");
}

}  // namespace mailboxfs::mail
