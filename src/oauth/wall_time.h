#pragma once

#include <algorithm>
#include <chrono>

#include "mailboxfs/base/clock.h"

namespace mailboxfs::oauth {

// WallTime counts nanoseconds and ends in 2262, whereas certificates and servers may say 9999. What is out of its range
// becomes its end; what is before 1970, 1970, so that differences are in range, too. Reentrant.
inline base::WallTime ToWallTime(std::chrono::sys_seconds time) {
  using std::chrono::seconds;
  return std::clamp(time, std::chrono::sys_seconds(), std::chrono::floor<seconds>(base::WallTime::max()));
}

}  // namespace mailboxfs::oauth
