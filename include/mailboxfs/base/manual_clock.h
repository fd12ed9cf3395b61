#pragma once

#include "mailboxfs/base/clock.h"
#include "mailboxfs/base/mutex.h"

namespace mailboxfs::base {

// A clock that a test moves by hand. Thread-safe.
class ManualClock : public Clock {
 public:
  MonoTime Now() const override {
    MutexLock lock(mutex_);
    return now_;
  }
  WallTime WallNow() const override {
    MutexLock lock(mutex_);
    return wall_;
  }
  void Advance(Duration by) {
    MutexLock lock(mutex_);
    now_ += by;
    wall_ += std::chrono::duration_cast<WallTime::duration>(by);
  }

 private:
  mutable Mutex mutex_;
  MonoTime now_ GUARDED_BY(mutex_) = MonoTime(std::chrono::hours(1));
  WallTime wall_ GUARDED_BY(mutex_) = WallTime(std::chrono::hours(24 * 365 * 50));
};

}  // namespace mailboxfs::base
