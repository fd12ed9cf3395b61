#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <vector>

#include "mailboxfs/base/clock.h"
#include "mailboxfs/base/mutex.h"

namespace mailboxfs::mail {

// The global limit on connections, over all mailboxes; who asks first is served first.
// Thread-safe. A holder that is idle says so, and is asked to give its place back when
// somebody else wants one; the longest idle is asked first.
class ConnectionBudget {
 public:
  explicit ConnectionBudget(size_t limit) : limit_(limit == 0 ? 1 : limit) {}
  ConnectionBudget(const ConnectionBudget&) = delete;
  ConnectionBudget& operator=(const ConnectionBudget&) = delete;

  // A place for one connection; given back by its destructor. Must not outlive the budget.
  class Place {
   public:
    ~Place();
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;
    // `please_close` is called at most once, from any thread, no lock held, when somebody
    // waits for a place; it must only set a flag and wake its thread. It may come late: its
    // target must stay valid after SetBusy() and the destructor.
    void SetIdle(std::function<void()> please_close);
    void SetBusy();
    // Somebody waits whom no idle holder can help: giving the place back soon is fair.
    bool Wanted() const;

   private:
    friend class ConnectionBudget;
    enum class State { kBusy, kIdle, kAsked };
    explicit Place(ConnectionBudget& budget) : budget_(budget) {}

    ConnectionBudget& budget_;
    // Guarded by the budget's mutex.
    State state_ = State::kBusy;
    std::function<void()> please_close_;
    std::list<Place*>::iterator idle_position_;
  };

  // Null at the deadline or when `cancelled` says so; it is asked, no lock held, now and at
  // each Wake(). Waits on the system's clock for as long as `clock` has time left.
  std::unique_ptr<Place> Acquire(const base::Clock& clock, const base::Deadline& deadline,
                                 const std::function<bool()>& cancelled);
  void Wake();
  size_t in_use() const;
  // Who holds a place keeps it.
  void SetLimit(size_t limit);
  size_t limit() const;

 private:
  using Callbacks = std::vector<std::function<void()>>;

  void Release(Place& place);
  // Leaves the idle or the asked state.
  void Reclaim(Place& place) REQUIRES(mutex_);
  bool Short() const REQUIRES(mutex_);
  // The holders to be asked now, to be called without the lock.
  Callbacks PickToAsk() REQUIRES(mutex_);
  void Changed() REQUIRES(mutex_);

  mutable base::Mutex mutex_;
  size_t limit_ GUARDED_BY(mutex_);
  base::CondVar changed_;
  uint64_t version_ GUARDED_BY(mutex_) = 0;  // Counts changes, so that none is missed without the lock.
  uint64_t next_ticket_ GUARDED_BY(mutex_) = 0;
  size_t in_use_ GUARDED_BY(mutex_) = 0;
  size_t asked_ GUARDED_BY(mutex_) = 0;             // Places that will be given back soon.
  std::list<uint64_t> waiting_ GUARDED_BY(mutex_);  // Tickets, the first served first.
  std::list<Place*> idle_ GUARDED_BY(mutex_);       // Longest idle first.
};

}  // namespace mailboxfs::mail
