#include "http_date.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <vector>

#include "mailboxfs/base/encoding.h"
#include "wall_time.h"

namespace mailboxfs::oauth {
namespace {

constexpr std::array<std::string_view, 12> kMonths = {"jan", "feb", "mar", "apr", "may", "jun",
                                                      "jul", "aug", "sep", "oct", "nov", "dec"};

std::optional<int64_t> ParseNumber(std::string_view text) {
  int64_t value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, code] = std::from_chars(text.data(), end, value);
  if (code != std::errc() || stop != end || text.empty() || text.front() == '-') return std::nullopt;
  return value;
}

std::vector<std::string_view> Split(std::string_view text, std::string_view separators) {
  std::vector<std::string_view> parts;
  while (!text.empty()) {
    const size_t end = std::min(text.find_first_of(separators), text.size());
    if (end > 0) parts.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return parts;
}

std::optional<std::chrono::seconds> ParseTimeOfDay(std::string_view text) {
  const std::vector<std::string_view> parts = Split(text, ":");
  if (parts.size() != 3) return std::nullopt;
  const auto hour = ParseNumber(parts[0]);
  const auto minute = ParseNumber(parts[1]);
  const auto second = ParseNumber(parts[2]);
  if (!hour || !minute || !second || *hour > 23 || *minute > 59 || *second > 60) return std::nullopt;
  return std::chrono::hours(*hour) + std::chrono::minutes(*minute) + std::chrono::seconds(*second);
}

}  // namespace

// The three forms differ in order and separators only; day stands before year in each.
std::optional<base::WallTime> ParseHttpDate(std::string_view text) {
  std::optional<std::chrono::seconds> time;
  std::optional<int64_t> day;
  std::optional<int64_t> year;
  unsigned month = 0;
  for (const std::string_view part : Split(text, " ,-\t")) {
    const std::string lower = base::AsciiLower(part);
    const auto* name = std::find(kMonths.begin(), kMonths.end(), lower);
    if (name != kMonths.end()) {
      month = static_cast<unsigned>(name - kMonths.begin()) + 1;
    } else if (part.find(':') != std::string_view::npos) {
      time = ParseTimeOfDay(part);
    } else if (const auto number = ParseNumber(part)) {
      if (day && year) return std::nullopt;
      (day ? year : day) = number;
    }
  }
  if (!time || !day || !year || *day > 31 || *year > 9999) return std::nullopt;
  if (*year < 100) *year += *year < 70 ? 2000 : 1900;
  const std::chrono::year_month_day date(std::chrono::year(static_cast<int>(*year)), std::chrono::month(month),
                                         std::chrono::day(static_cast<unsigned>(*day)));
  if (!date.ok()) return std::nullopt;
  return ToWallTime(std::chrono::sys_days(date) + *time);
}

std::optional<base::Duration> ParseRetryAfter(std::string_view text, base::WallTime now) {
  constexpr int64_t kMaxSeconds = 365 * 24 * 3600;
  if (const auto number = ParseNumber(text)) return std::chrono::seconds(std::min(*number, kMaxSeconds));
  const auto date = ParseHttpDate(text);
  if (!date) return std::nullopt;
  const auto left = std::chrono::ceil<std::chrono::seconds>(*date - now);
  return std::clamp(left, std::chrono::seconds(0), std::chrono::seconds(kMaxSeconds));
}

}  // namespace mailboxfs::oauth
