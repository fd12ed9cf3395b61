#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <thread>
#include <unordered_map>
#include <vector>

#include "mailboxfs/base/clock.h"
#include "mailboxfs/base/mutex.h"
#include "mailboxfs/tree/tree.h"

namespace mailboxfs::fuse {

// Ends waits that should not go on: those without progress for too long or too old (kTimeout),
// and those whose caller has been sent a signal that is meant to end it (kInterrupted).
//
// The kernel says only once per request that its caller has a signal, and does not say which.
// So a caller with a harmless one (SIGALRM, SIGCHLD) stays suspect and is looked at again every
// kLookAgain: a Ctrl-C that follows is found then.
//
// Thread-safe. Lock order: Interrupted is called under libfuse's lock of a request, so that lock
// comes before mutex_; nothing of libfuse or the tree is called with mutex_ held.
class Watchdog {
 public:
  using EndsCaller = std::function<bool(pid_t)>;

  static constexpr base::Duration kLookAgain = std::chrono::milliseconds(100);

  // `clock` is borrowed. `ends_caller`: see pending_signals.h.
  Watchdog(base::Duration stall, base::Duration total, const base::Clock& clock, EndsCaller ends_caller);
  ~Watchdog();  // Close and Stop.
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

  // Never 0. Once closed, the wait is cancelled before this returns. Each Add needs a Remove.
  uint64_t Add(std::shared_ptr<tree::Wait> wait, pid_t tid);
  // Answered, or no longer to be watched.
  void Remove(uint64_t id);
  // A signal came for the caller; only marks it and wakes the thread.
  void Interrupted(uint64_t id);

  // Starts the thread that calls Check when it is due.
  void Start();
  // Cancels all waits (kCancelled), and each that is still added.
  void Close();
  // Ends the thread. Idempotent.
  void Stop();

  // Looks at all waits once, ends those that are due, and tells when to look again.
  base::MonoTime Check();

  uint64_t waiting() const;
  // Those whose caller had a harmless signal when it was last looked at.
  uint64_t suspects() const;

 private:
  struct Entry {
    std::shared_ptr<tree::Wait> wait;
    pid_t tid = 0;
    base::MonoTime start;
    bool interrupted = false;
    bool looked_at = false;  // After it was interrupted.
  };
  // What Check found out about one entry, with no lock held.
  struct Verdict {
    bool end_caller = false;
    base::MonoTime deadline;
  };

  void Loop();
  Verdict Judge(uint64_t id, const Entry& entry) const;

  const base::Duration stall_, total_;
  const base::Clock& clock_;
  const EndsCaller ends_caller_;

  mutable base::Mutex mutex_;
  base::CondVar changed_;
  std::unordered_map<uint64_t, Entry> entries_ GUARDED_BY(mutex_);
  uint64_t last_id_ GUARDED_BY(mutex_) = 0;
  base::MonoTime next_check_ GUARDED_BY(mutex_) = base::MonoTime::max();
  bool closed_ GUARDED_BY(mutex_) = false;
  bool stopping_ GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace mailboxfs::fuse
