#include "mail/refusal.h"

#include <algorithm>
#include <charconv>
#include <initializer_list>
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

bool HasAnyCode(const imap::StatusResponse& status, std::initializer_list<std::string_view> names) {
  return std::any_of(names.begin(), names.end(), [&](std::string_view name) { return HasCode(status, name); });
}

bool HasAnyText(const imap::StatusResponse& status, std::initializer_list<std::string_view> texts) {
  return std::any_of(texts.begin(), texts.end(),
                     [&](std::string_view text) { return ContainsIgnoreCase(status.text, text); });
}

// RFC 5530: these speak of the login itself, whatever the text suggests.
bool SpeaksOfLogin(const imap::StatusResponse& status) {
  return HasAnyCode(status,
                    {"AUTHENTICATIONFAILED", "AUTHORIZATIONFAILED", "EXPIRED", "PRIVACYREQUIRED", "CONTACTADMIN"});
}

bool IsCrowded(const imap::StatusResponse& status) {
  return HasAnyCode(status, {"LIMIT", "INUSE"}) || HasAnyText(status, {"too many", "maximum number of connections"});
}

bool IsMomentary(const imap::StatusResponse& status) {
  return HasAnyCode(status, {"UNAVAILABLE", "SERVERBUG"}) ||
         HasAnyText(status, {"server unavailable", "temporar", "try again"});
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
  if (SpeaksOfLogin(status)) return false;
  return IsCrowded(status) || IsMomentary(status);
}

bool IsAbsence(const imap::StatusResponse& status) {
  if (status.condition != imap::Condition::kNo) return false;
  // A code says more than the text: [NOPERM], [CORRUPTION].
  if (status.code) return HasAnyCode(status, {"NONEXISTENT", "TRYCREATE"});
  return HasAnyText(
      status, {"doesn't exist", "does not exist", "nonexistent", "unknown mailbox", "unknown folder", "no such mailbox",
               "no such folder", "mailbox not found", "folder not found", "folder could not be found"});
}

bool IsNotConnected(const imap::StatusResponse& status) {
  return status.condition != imap::Condition::kOk && ContainsIgnoreCase(status.text, "authenticated but not connected");
}

bool IsTokenExpired(const imap::StatusResponse& status) {
  return HasCode(status, "EXPIRED") || HasAnyText(status, {"AccessTokenExpired", "session expired"});
}

Blame BlameOf(const imap::StatusResponse& status) {
  if (IsNotConnected(status) || IsTokenExpired(status)) return Blame::kServer;
  if (ThrottlePause(status) || SpeaksOfLogin(status) || IsCrowded(status) ||
      HasAnyCode(status, {"OVERQUOTA", "NOPERM", "ALERT"})) {
    return Blame::kServer;
  }
  if (status.condition == imap::Condition::kBad) return Blame::kSession;
  return IsMomentary(status) ? Blame::kMomentary : Blame::kMessage;
}

}  // namespace mailboxfs::mail
