#include "wait.h"

#include <poll.h>

#include <algorithm>
#include <cerrno>

#include "mailboxfs/base/error.h"
#include "mailboxfs/base/log.h"

namespace mailboxfs::oauth {

using base::Error;
using base::ErrorKind;

void Rest(std::chrono::milliseconds length, const base::Deadline& deadline, const base::WakeEvent& wake,
          const base::Clock& clock, std::string_view what) {
  if (wake.IsSet()) throw Error(ErrorKind::kCancelled, base::Format("{} was cancelled", what));
  const base::MonoTime now = clock.Now();
  if (deadline.Passed(now)) throw Error(ErrorKind::kTimeout, base::Format("{} took too long", what));
  pollfd entry{wake.fd(), POLLIN, 0};
  if (::poll(&entry, 1, deadline.PollMillis(now, static_cast<int>(length.count()))) < 0 && errno != EINTR) {
    throw base::ErrnoError(ErrorKind::kInternal, "poll", errno);
  }
}

void WaitUntil(base::MonoTime until, const base::Deadline& deadline, const base::WakeEvent& wake,
               const base::Clock& clock, std::string_view what) {
  constexpr std::chrono::milliseconds kMost{60'000};
  for (base::MonoTime now = clock.Now(); now < until; now = clock.Now()) {
    Rest(std::min(kMost, std::chrono::ceil<std::chrono::milliseconds>(until - now)), deadline, wake, clock, what);
  }
}

}  // namespace mailboxfs::oauth
