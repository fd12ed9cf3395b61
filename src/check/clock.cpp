#include "clock.h"

#include "advice.h"
#include "mailboxfs/base/encoding.h"
#include "mailboxfs/base/log.h"
#include "mailboxfs/model/header_fields.h"

namespace mailboxfs::check {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

constexpr seconds kNoticed{60};
// Assertions live for about ten minutes, and servers allow for five.
constexpr seconds kFatal{300};

}  // namespace

std::optional<seconds> ClockSkew(const std::optional<std::string>& date, base::WallTime now) {
  int64_t theirs = 0;
  // HTTP's date is one of those that mail has.
  if (!date || !model::ParseMailDate(*date, &theirs)) return std::nullopt;
  return std::chrono::duration_cast<seconds>(now.time_since_epoch()) - seconds(theirs);
}

std::string ForPeople(seconds time) {
  if (time < minutes(2)) return base::Format("{} s", time.count());
  if (time < minutes(120)) return base::Format("{} min", std::chrono::duration_cast<minutes>(time).count());
  if (time < std::chrono::hours(48)) {
    return base::Format("{} h", std::chrono::duration_cast<std::chrono::hours>(time).count());
  }
  return base::Format("{} days", std::chrono::duration_cast<std::chrono::hours>(time).count() / 24);
}

bool CheckClock(Subject& subject, seconds skew, const std::string& host, const config::Account& account,
                const Facts& facts, bool has_token) {
  const seconds size = skew < seconds::zero() ? -skew : skew;
  const std::string server = base::Printable(host);
  if (size <= kNoticed) {
    subject.Ok("clock", base::Format("this machine's clock agrees with that of {}", server));
    return true;
  }
  const std::string evidence = base::Format("this machine's clock is {} {} that of {}", ForPeople(size),
                                            skew > seconds::zero() ? "ahead of" : "behind", server);
  const std::string advice = AdviceFor("clock-skew", account, facts);
  const bool signs = account.auth.certificate || account.auth.method == config::AuthMethod::kServiceAccount;
  if (size <= kFatal || !signs || has_token) {
    subject.Warn("clock", evidence, advice, "clock-skew");
    return true;
  }
  subject.Fail("clock", "clock-skew", Exit::kLogin, evidence + ": what it signs is refused", advice);
  return false;
}

}  // namespace mailboxfs::check
