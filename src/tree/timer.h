#pragma once

#include <functional>
#include <map>
#include <thread>

#include "mailboxfs/base/clock.h"
#include "mailboxfs/base/mutex.h"

namespace mailboxfs::tree {

// Calls functions when their time has come, on one thread of its own, with no lock held.
// Time is the injected clock's: while something is due, the clock is looked at every
// kLongestNap, so that one moved by hand is noticed too. Thread-safe.
class Timer {
 public:
  explicit Timer(const base::Clock& clock);
  ~Timer();
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  void At(base::MonoTime when, std::function<void()> function);
  // Joins the thread; what is not yet due is dropped. Idempotent. Not from a timer's function.
  void Stop();

 private:
  static constexpr std::chrono::milliseconds kLongestNap{20};

  void Run();

  const base::Clock& clock_;
  base::Mutex mutex_;
  base::CondVar changed_;
  std::multimap<base::MonoTime, std::function<void()>> due_ GUARDED_BY(mutex_);
  bool stopped_ GUARDED_BY(mutex_) = false;
  base::Mutex stop_mutex_;
  std::thread thread_ GUARDED_BY(stop_mutex_);
};

}  // namespace mailboxfs::tree
