#include <array>
#include <charconv>
#include <optional>

#include "mailboxfs/base/encoding.h"
#include "mailboxfs/model/header_fields.h"

namespace mailboxfs::model {
namespace {

constexpr size_t kLongestDate = 1000;  // With comments; more is not a date.

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsAlpha(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

// Takes a date apart into numbers, words and single characters; skips whitespace and
// comments (RFC 5322 section 3.2.2, nested).
class DateScanner {
 public:
  explicit DateScanner(std::string_view text) : text_(text) { Skip(); }

  bool AtEnd() const { return position_ == text_.size(); }

  bool Accept(char c) {
    if (AtEnd() || text_[position_] != c) return false;
    ++position_;
    Skip();
    return true;
  }
  // A run of digits; empty if there is none.
  std::string_view Digits() { return Run(IsDigit); }
  std::string_view Word() { return Run(IsAlpha); }

 private:
  template <typename Predicate>
  std::string_view Run(Predicate predicate) {
    const size_t start = position_;
    while (!AtEnd() && predicate(text_[position_])) ++position_;
    const std::string_view run = text_.substr(start, position_ - start);
    Skip();
    return run;
  }
  void Skip() {
    int depth = 0;
    for (; !AtEnd(); ++position_) {
      const char c = text_[position_];
      if (c == '(') {
        ++depth;
      } else if (c == ')' && depth > 0) {
        --depth;
      } else if (c == '\\' && depth > 0) {
        if (position_ + 1 < text_.size()) ++position_;
      } else if (depth == 0 && c != ' ' && c != '\t' && c != '\r' && c != '\n') {
        return;
      }
    }
  }

  std::string_view text_;
  size_t position_ = 0;
};

struct DateTime {
  int64_t year = 0;
  int month = 0, day = 0, hour = 0, minute = 0, second = 0;
  int64_t zone = 0;  // Seconds east of UTC.
};

bool ToNumber(std::string_view digits, size_t max_digits, int* value) {
  if (digits.empty() || digits.size() > max_digits) return false;
  return std::from_chars(digits.data(), digits.data() + digits.size(), *value).ec == std::errc();
}

// RFC 5322 section 4.3: two digits mean 1950 to 2049, three count from 1900.
bool ParseYear(std::string_view digits, int64_t* year) {
  int value = 0;
  if (!ToNumber(digits, 4, &value) || digits.size() < 2) return false;
  *year = value;
  if (digits.size() == 2) *year += value < 50 ? 2000 : 1900;
  if (digits.size() == 3) *year += 1900;
  return true;
}

int ParseMonth(std::string_view word) {
  static constexpr std::array<std::string_view, 12> kMonths = {"jan", "feb", "mar", "apr", "may", "jun",
                                                               "jul", "aug", "sep", "oct", "nov", "dec"};
  const std::string start = base::AsciiLower(word.substr(0, 3));
  for (size_t i = 0; i < kMonths.size(); ++i) {
    if (start == kMonths[i]) return static_cast<int>(i) + 1;
  }
  return 0;
}

bool ParseTime(DateScanner* scanner, DateTime* out) {
  if (!ToNumber(scanner->Digits(), 2, &out->hour) || !scanner->Accept(':')) return false;
  if (!ToNumber(scanner->Digits(), 2, &out->minute)) return false;
  return !scanner->Accept(':') || ToNumber(scanner->Digits(), 2, &out->second);
}

// Section 4.3: a zone that is not known means "-0000", that is, UTC.
bool ParseZone(DateScanner* scanner, int64_t* zone) {
  const bool east = scanner->Accept('+');
  if (east || scanner->Accept('-')) {
    int value = 0;
    const std::string_view digits = scanner->Digits();
    if (digits.size() != 4 || !ToNumber(digits, 4, &value) || value % 100 > 59) return false;
    *zone = (value / 100 * 3600 + value % 100 * 60) * (east ? 1 : -1);
    return true;
  }
  struct Named {
    std::string_view name;
    int hours;
  };
  static constexpr std::array<Named, 8> kZones = {
      {{"EST", -5}, {"EDT", -4}, {"CST", -6}, {"CDT", -5}, {"MST", -7}, {"MDT", -6}, {"PST", -8}, {"PDT", -7}}};
  const std::string_view word = scanner->Word();
  for (const Named& named : kZones) {
    if (base::EqualsIgnoreCase(word, named.name)) *zone = int64_t{3600} * named.hours;
  }
  return true;
}

// "21 Nov 1997 09:55:06 -0600" (also with dashes), after the weekday.
bool ParseRest(DateScanner* scanner, DateTime* out) {
  if (!ToNumber(scanner->Digits(), 2, &out->day)) return false;
  scanner->Accept('-');
  out->month = ParseMonth(scanner->Word());
  scanner->Accept('.');
  scanner->Accept('-');
  return ParseYear(scanner->Digits(), &out->year) && ParseTime(scanner, out) && ParseZone(scanner, &out->zone);
}

// "Nov 21 09:55:06 1997", as C's asctime writes it, after the weekday.
bool ParseAsctime(std::string_view month, DateScanner* scanner, DateTime* out) {
  out->month = ParseMonth(month);
  return ToNumber(scanner->Digits(), 2, &out->day) && ParseTime(scanner, out) &&
         ParseYear(scanner->Digits(), &out->year) && ParseZone(scanner, &out->zone);
}

int DaysInMonth(int64_t year, int month) {
  static constexpr std::array<int, 12> kDays = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
  return month == 2 && leap ? 29 : kDays[static_cast<size_t>(month) - 1];
}

std::optional<int64_t> ToSeconds(const DateTime& date) {
  if (date.month == 0 || date.day < 1 || date.day > DaysInMonth(date.year, date.month)) return std::nullopt;
  if (date.hour > 23 || date.minute > 59 || date.second > 60) return std::nullopt;
  // Days since 1970-01-01 in the proleptic Gregorian calendar, with years that begin in March.
  const int64_t year = date.month <= 2 ? date.year - 1 : date.year;
  const int64_t era = (year >= 0 ? year : year - 399) / 400;
  const int64_t year_of_era = year - era * 400;
  const int64_t day_of_year = (153 * (date.month + (date.month > 2 ? -3 : 9)) + 2) / 5 + date.day - 1;
  const int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  const int64_t days = era * 146097 + day_of_era - 719468;
  return days * 86400 + date.hour * 3600 + date.minute * 60 + date.second - date.zone;
}

}  // namespace

bool ParseMailDate(std::string_view text, int64_t* seconds) {
  if (text.size() > kLongestDate) return false;
  DateScanner scanner(text);
  DateTime date;
  const std::string_view weekday = scanner.Word();
  if (!weekday.empty()) {
    scanner.Accept('.');
    scanner.Accept(',');
  }
  const std::string_view month = scanner.Word();
  const bool parsed = month.empty() ? ParseRest(&scanner, &date) : ParseAsctime(month, &scanner, &date);
  if (!parsed) return false;
  const std::optional<int64_t> result = ToSeconds(date);
  if (result) *seconds = *result;
  return result.has_value();
}

}  // namespace mailboxfs::model
