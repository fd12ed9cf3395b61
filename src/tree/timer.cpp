#include "timer.h"

#include <algorithm>
#include <utility>

namespace mailboxfs::tree {

Timer::Timer(const base::Clock& clock) : clock_(clock), thread_([this] { Run(); }) {}

Timer::~Timer() { Stop(); }

void Timer::At(base::MonoTime when, std::function<void()> function) {
  base::MutexLock lock(mutex_);
  if (stopped_) return;
  due_.emplace(when, std::move(function));
  changed_.NotifyAll();
}

void Timer::Stop() {
  {
    base::MutexLock lock(mutex_);
    stopped_ = true;
    changed_.NotifyAll();
  }
  base::MutexLock lock(stop_mutex_);
  if (thread_.joinable()) thread_.join();
}

void Timer::Run() {
  base::MutexLock lock(mutex_);
  while (!stopped_) {
    if (due_.empty()) {
      changed_.Wait(mutex_);
      continue;
    }
    const base::Duration left = due_.begin()->first - clock_.Now();
    if (left > base::Duration::zero()) {
      const base::Duration nap = std::min<base::Duration>(left, kLongestNap);
      changed_.WaitUntil(mutex_, std::chrono::steady_clock::now() + nap);
      continue;
    }
    std::function<void()> function = std::move(due_.begin()->second);
    due_.erase(due_.begin());
    lock.Unlock();
    function();
    function = nullptr;  // What it holds must not die under the lock.
    lock.Lock();
  }
}

}  // namespace mailboxfs::tree
