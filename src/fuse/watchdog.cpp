#include "watchdog.h"

#include <algorithm>
#include <utility>

#include "mailboxfs/base/error.h"
#include "mailboxfs/base/log.h"

namespace mailboxfs::fuse {
namespace {

using base::Error;
using base::ErrorKind;
using base::MonoTime;

// No overflow for options such as "for ever".
MonoTime Later(MonoTime from, base::Duration by) { return by >= MonoTime::max() - from ? MonoTime::max() : from + by; }

Error Cancelled() { return Error(ErrorKind::kCancelled, "the file system is being unmounted"); }

}  // namespace

Watchdog::Watchdog(base::Duration stall, base::Duration total, const base::Clock& clock, EndsCaller ends_caller)
    : stall_(stall), total_(total), clock_(clock), ends_caller_(std::move(ends_caller)) {}

Watchdog::~Watchdog() {
  Close();
  Stop();
}

uint64_t Watchdog::Add(std::shared_ptr<tree::Wait> wait, pid_t tid) {
  const MonoTime now = clock_.Now();
  uint64_t id = 0;
  {
    base::MutexLock lock(mutex_);
    id = ++last_id_;
    if (!closed_) {
      entries_.emplace(id, Entry{std::move(wait), tid, now});
      const MonoTime due = Later(now, std::min(stall_, total_));
      if (due < next_check_) {
        next_check_ = due;
        changed_.NotifyAll();
      }
      return id;
    }
  }
  wait->Cancel(Cancelled());
  return id;
}

void Watchdog::Remove(uint64_t id) {
  Entry gone;  // Dies after the lock: it may be the last reference to the tree's object.
  base::MutexLock lock(mutex_);
  const auto found = entries_.find(id);
  if (found == entries_.end()) return;
  gone = std::move(found->second);
  entries_.erase(found);
}

void Watchdog::Interrupted(uint64_t id) {
  base::MutexLock lock(mutex_);
  const auto found = entries_.find(id);
  if (found == entries_.end()) return;
  found->second.interrupted = true;
  next_check_ = MonoTime::min();
  changed_.NotifyAll();
}

Watchdog::Verdict Watchdog::Judge(uint64_t id, const Entry& entry) const {
  Verdict verdict;
  verdict.deadline =
      std::min(Later(std::max(entry.start, entry.wait->LastProgress()), stall_), Later(entry.start, total_));
  if (!entry.interrupted) return verdict;
  try {
    verdict.end_caller = ends_caller_(entry.tid);
  } catch (...) {
    base::LogDebug("wait {}: cannot see the signals of thread {}: {}", id, entry.tid, base::CurrentError().what());
  }
  return verdict;
}

MonoTime Watchdog::Check() {
  const MonoTime now = clock_.Now();
  std::vector<std::pair<uint64_t, Entry>> all;
  {
    base::MutexLock lock(mutex_);
    all.assign(entries_.begin(), entries_.end());
    next_check_ = MonoTime::max();
  }
  MonoTime next = MonoTime::max();
  for (const auto& [id, entry] : all) {
    const Verdict verdict = Judge(id, entry);
    const bool timed_out = now > verdict.deadline;
    if (!verdict.end_caller && !timed_out) {
      next = std::min(next, Later(verdict.deadline, std::chrono::milliseconds(1)));
      if (!entry.interrupted) continue;
      next = std::min(next, now + kLookAgain);
      base::MutexLock lock(mutex_);
      const auto found = entries_.find(id);
      if (found != entries_.end()) found->second.looked_at = true;
      continue;
    }
    Remove(id);
    if (verdict.end_caller) {
      entry.wait->Cancel(Error(ErrorKind::kInterrupted, "the calling process was told to end"));
      continue;
    }
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(now - entry.start).count();
    entry.wait->Cancel(
        Error(ErrorKind::kTimeout,
              base::Format("given up after {} s without an answer from the server; try again", seconds)));
  }
  base::MutexLock lock(mutex_);
  next_check_ = std::min(next_check_, next);
  return next_check_;
}

void Watchdog::Start() { thread_ = std::thread(&Watchdog::Loop, this); }

void Watchdog::Loop() {
  base::MutexLock lock(mutex_);
  while (!stopping_) {
    const MonoTime now = clock_.Now();
    if (next_check_ <= now) {
      lock.Unlock();
      Check();
      lock.Lock();
    } else if (next_check_ == MonoTime::max()) {
      changed_.Wait(mutex_);
    } else {
      changed_.WaitUntil(mutex_, Later(std::chrono::steady_clock::now(), next_check_ - now));
    }
  }
}

void Watchdog::Close() {
  std::vector<std::pair<uint64_t, Entry>> all;
  {
    base::MutexLock lock(mutex_);
    closed_ = true;
    all.assign(entries_.begin(), entries_.end());
    entries_.clear();
  }
  for (const auto& [id, entry] : all) entry.wait->Cancel(Cancelled());
}

void Watchdog::Stop() {
  {
    base::MutexLock lock(mutex_);
    stopping_ = true;
    changed_.NotifyAll();
  }
  if (thread_.joinable()) thread_.join();
}

uint64_t Watchdog::waiting() const {
  base::MutexLock lock(mutex_);
  return entries_.size();
}

uint64_t Watchdog::suspects() const {
  base::MutexLock lock(mutex_);
  return static_cast<uint64_t>(
      std::count_if(entries_.begin(), entries_.end(), [](const auto& item) { return item.second.looked_at; }));
}

}  // namespace mailboxfs::fuse
