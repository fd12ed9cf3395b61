#pragma once

#include <string_view>

#include "mailboxfs/base/clock.h"
#include "mailboxfs/base/fd.h"

namespace mailboxfs::oauth {

// Both throw Error kTimeout (the deadline comes first) or kCancelled, with `what` in the text: "waiting for a login".
// Reentrant.

// Waits until it is `until` by the clock; if it is, that is all.
void WaitUntil(base::MonoTime until, const base::Deadline& deadline, const base::WakeEvent& wake,
               const base::Clock& clock, std::string_view what);
// Waits once, for at most so long; for what can only be looked at again and again.
void Rest(std::chrono::milliseconds length, const base::Deadline& deadline, const base::WakeEvent& wake,
          const base::Clock& clock, std::string_view what);

}  // namespace mailboxfs::oauth
