#include <array>
#include <chrono>

#include "fetch_parser.h"
#include "lexical.h"
#include "mailboxfs/base/encoding.h"

namespace mailboxfs::imap {
namespace {

constexpr std::array<std::string_view, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

// Takes the fields of a fixed form off the front of a text; once one is wrong, all are.
class FieldReader {
 public:
  explicit FieldReader(std::string_view text) : rest_(text) {}

  // A number of exactly `digits` digits, at most `max`.
  int64_t Number(size_t digits, int64_t max) {
    const std::optional<uint32_t> value = ParseNumber32(rest_.substr(0, digits));
    if (rest_.size() < digits || !value || *value > max) return Fail();
    rest_.remove_prefix(digits);
    return *value;
  }
  void Literal(char c) {
    if (!At(c)) {
      Fail();
    } else {
      rest_.remove_prefix(1);
    }
  }
  unsigned Month() {
    const std::string_view name = rest_.substr(0, 3);
    for (unsigned i = 0; i < kMonths.size(); ++i) {
      if (base::EqualsIgnoreCase(name, kMonths[i])) {
        rest_.remove_prefix(3);
        return i + 1;
      }
    }
    return static_cast<unsigned>(Fail());
  }
  bool At(char c) const { return rest_.starts_with(c); }
  bool good() const { return good_; }
  std::string_view rest() const { return rest_; }

 private:
  int64_t Fail() {
    good_ = false;
    rest_ = {};
    return 0;
  }

  std::string_view rest_;
  bool good_ = true;
};

// " +hhmm"; its absence means UTC.
int64_t ReadZone(FieldReader& fields) {
  if (fields.good() && fields.rest().empty()) return 0;
  fields.Literal(' ');
  const bool west = fields.At('-');
  fields.Literal(west ? '-' : '+');
  const int64_t hours = fields.Number(2, 23);
  const int64_t minutes = fields.Number(2, 59);
  const int64_t seconds = (hours * 60 + minutes) * 60;
  return west ? -seconds : seconds;
}

}  // namespace

std::optional<int64_t> ParseInternalDate(std::string_view text) {
  text = WithoutTrailingSpaces(WithoutLeadingSpaces(text));
  const bool one_digit = text.size() > 1 && text[1] == '-';
  FieldReader fields(text);
  const int64_t day = fields.Number(one_digit ? 1 : 2, 31);
  fields.Literal('-');
  const unsigned month = fields.Month();
  fields.Literal('-');
  const int64_t year = fields.Number(4, 9999);
  fields.Literal(' ');
  const int64_t hour = fields.Number(2, 23);
  fields.Literal(':');
  const int64_t minute = fields.Number(2, 59);
  fields.Literal(':');
  const int64_t second = fields.Number(2, 60);
  const int64_t zone = ReadZone(fields);
  if (!fields.good() || !fields.rest().empty()) return std::nullopt;

  const std::chrono::year_month_day date{std::chrono::year(static_cast<int>(year)), std::chrono::month(month),
                                         std::chrono::day(static_cast<unsigned>(day))};
  if (!date.ok()) return std::nullopt;
  const int64_t days = std::chrono::sys_days(date).time_since_epoch().count();
  return days * 86'400 + hour * 3'600 + minute * 60 + second - zone;
}

}  // namespace mailboxfs::imap
