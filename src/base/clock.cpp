#include "mailboxfs/base/clock.h"

#include <algorithm>

namespace mailboxfs::base {
namespace {

class SystemClock final : public Clock {
 public:
  MonoTime Now() const override { return std::chrono::steady_clock::now(); }
  WallTime WallNow() const override { return std::chrono::system_clock::now(); }
};

}  // namespace

const Clock& Clock::System() {
  static const SystemClock clock;
  return clock;
}

int Deadline::PollMillis(MonoTime now, int cap) const {
  if (when_ == MonoTime::max()) return cap;
  if (now >= when_) return 0;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(when_ - now).count();
  return static_cast<int>(std::min<decltype(left)>(left, cap));
}

}  // namespace mailboxfs::base
