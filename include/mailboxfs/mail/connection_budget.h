#pragma once

#include <cstddef>
#include <functional>
#include <list>
#include <memory>

#include "mailboxfs/base/clock.h"
#include "mailboxfs/base/mutex.h"

namespace mailboxfs::mail {

// The global limit on connections, over all mailboxes. Thread-safe. A holder that is idle
// says so, and is asked to give its place back when somebody else wants one; the longest
// idle is asked first.
class ConnectionBudget {
 public:
  explicit ConnectionBudget(size_t limit) : limit_(limit) {}

  // A place for one connection; given back by its destructor. Move-only by pointer.
  class Place {
   public:
    ~Place();
    // `please_close` is called at most once, from any thread, no lock held, when somebody
    // waits for a place; it must only set a flag and wake its thread.
    void SetIdle(std::function<void()> please_close);
    void SetBusy();

   private:
    friend class ConnectionBudget;
    explicit Place(ConnectionBudget& budget) : budget_(budget) {}
    ConnectionBudget& budget_;
    std::function<void()> please_close_;
    std::list<Place*>::iterator idle_position_;
    bool idle_ = false;
  };

  // Null at the deadline or when `cancelled` says so; it is asked again at each Wake().
  std::unique_ptr<Place> Acquire(const base::Clock& clock, const base::Deadline& deadline,
                                 const std::function<bool()>& cancelled);
  void Wake();
  size_t in_use() const;
  size_t limit() const { return limit_; }

 private:
  void Release(Place& place);

  const size_t limit_;
  mutable base::Mutex mutex_;
  base::CondVar changed_;
  size_t in_use_ GUARDED_BY(mutex_) = 0;
  size_t waiting_ GUARDED_BY(mutex_) = 0;
  std::list<Place*> idle_ GUARDED_BY(mutex_);  // Longest idle first.
};

}  // namespace mailboxfs::mail
