#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>

// Lock annotations for clang's -Wthread-safety; nothing elsewhere. libstdc++'s own
// mutex is not annotated, hence the thin wrappers. Every mutex of the project is one.
#if defined(__clang__)
#define MAILBOXFS_TSA(x) __attribute__((x))
#else
#define MAILBOXFS_TSA(x)
#endif
#define CAPABILITY(x) MAILBOXFS_TSA(capability(x))
#define SCOPED_CAPABILITY MAILBOXFS_TSA(scoped_lockable)
#define GUARDED_BY(x) MAILBOXFS_TSA(guarded_by(x))
#define PT_GUARDED_BY(x) MAILBOXFS_TSA(pt_guarded_by(x))
#define REQUIRES(...) MAILBOXFS_TSA(requires_capability(__VA_ARGS__))
#define ACQUIRE(...) MAILBOXFS_TSA(acquire_capability(__VA_ARGS__))
#define RELEASE(...) MAILBOXFS_TSA(release_capability(__VA_ARGS__))
#define EXCLUDES(...) MAILBOXFS_TSA(locks_excluded(__VA_ARGS__))
#define NO_THREAD_SAFETY_ANALYSIS MAILBOXFS_TSA(no_thread_safety_analysis)

namespace mailboxfs::base {

class CondVar;

// Thread-safe. Not recursive.
class CAPABILITY("mutex") Mutex {
 public:
  Mutex() = default;
  Mutex(const Mutex&) = delete;
  Mutex& operator=(const Mutex&) = delete;

  void Lock() ACQUIRE() { mutex_.lock(); }
  void Unlock() RELEASE() { mutex_.unlock(); }

 private:
  friend class CondVar;
  std::mutex mutex_;
};

// Holds a Mutex for a scope; may be released early and taken again.
class SCOPED_CAPABILITY MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) ACQUIRE(mutex) : mutex_(mutex) { mutex_.Lock(); }
  ~MutexLock() RELEASE() {
    if (held_) mutex_.Unlock();
  }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

  void Unlock() RELEASE() {
    mutex_.Unlock();
    held_ = false;
  }
  void Lock() ACQUIRE() {
    mutex_.Lock();
    held_ = true;
  }

 private:
  Mutex& mutex_;
  bool held_ = true;
};

// Thread-safe. Wake-ups may be spurious: wait in a loop that checks the condition.
class CondVar {
 public:
  void Wait(Mutex& mutex) REQUIRES(mutex) {
    std::unique_lock<std::mutex> lock(mutex.mutex_, std::adopt_lock);
    condition_.wait(lock);
    lock.release();
  }

  // False if `until` has passed.
  bool WaitUntil(Mutex& mutex, std::chrono::steady_clock::time_point until) REQUIRES(mutex) {
    std::unique_lock<std::mutex> lock(mutex.mutex_, std::adopt_lock);
    const bool in_time = condition_.wait_until(lock, until) == std::cv_status::no_timeout;
    lock.release();
    return in_time;
  }

  void NotifyOne() { condition_.notify_one(); }
  void NotifyAll() { condition_.notify_all(); }

 private:
  std::condition_variable condition_;
};

}  // namespace mailboxfs::base
