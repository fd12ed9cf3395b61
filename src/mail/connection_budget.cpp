#include "mailboxfs/mail/connection_budget.h"

#include <chrono>
#include <utility>

namespace mailboxfs::mail {

ConnectionBudget::Place::~Place() { budget_.Release(*this); }

void ConnectionBudget::Place::SetIdle(std::function<void()> please_close) {
  Callbacks to_ask;
  {
    base::MutexLock lock(budget_.mutex_);
    budget_.Reclaim(*this);
    state_ = State::kIdle;
    please_close_ = std::move(please_close);
    idle_position_ = budget_.idle_.insert(budget_.idle_.end(), this);
    to_ask = budget_.PickToAsk();
  }
  for (const auto& ask : to_ask) ask();
}

void ConnectionBudget::Place::SetBusy() {
  Callbacks to_ask;
  {
    base::MutexLock lock(budget_.mutex_);
    budget_.Reclaim(*this);
    // Whoever counted on this place needs another one.
    to_ask = budget_.PickToAsk();
  }
  for (const auto& ask : to_ask) ask();
}

bool ConnectionBudget::Place::Wanted() const {
  base::MutexLock lock(budget_.mutex_);
  return budget_.Short();
}

void ConnectionBudget::Reclaim(Place& place) {
  if (place.state_ == Place::State::kIdle) idle_.erase(place.idle_position_);
  if (place.state_ == Place::State::kAsked) --asked_;
  place.state_ = Place::State::kBusy;
  place.please_close_ = nullptr;
}

bool ConnectionBudget::Short() const { return waiting_.size() + in_use_ > limit_ + asked_; }

ConnectionBudget::Callbacks ConnectionBudget::PickToAsk() {
  Callbacks to_ask;
  while (Short() && !idle_.empty()) {
    Place* place = idle_.front();
    idle_.pop_front();
    place->state_ = Place::State::kAsked;
    ++asked_;
    to_ask.push_back(std::move(place->please_close_));
    place->please_close_ = nullptr;
  }
  return to_ask;
}

void ConnectionBudget::Changed() {
  ++version_;
  changed_.NotifyAll();
}

std::unique_ptr<ConnectionBudget::Place> ConnectionBudget::Acquire(const base::Clock& clock,
                                                                   const base::Deadline& deadline,
                                                                   const std::function<bool()>& cancelled) {
  base::MutexLock lock(mutex_);
  const uint64_t ticket = next_ticket_++;
  waiting_.push_back(ticket);
  for (;;) {
    const uint64_t seen = version_;
    const Callbacks to_ask = PickToAsk();
    const bool my_turn = waiting_.front() == ticket && in_use_ < limit_;
    lock.Unlock();
    for (const auto& ask : to_ask) ask();
    const bool give_up = cancelled() || (!my_turn && deadline.Passed(clock.Now()));
    const base::Duration left = deadline.Left(clock.Now());
    lock.Lock();
    if (give_up) {
      waiting_.remove(ticket);
      Changed();
      return nullptr;
    }
    if (waiting_.front() == ticket && in_use_ < limit_) {
      waiting_.pop_front();
      ++in_use_;
      Changed();
      return std::unique_ptr<Place>(new Place(*this));
    }
    if (version_ != seen) continue;
    if (deadline.when() == base::MonoTime::max()) {
      changed_.Wait(mutex_);
    } else {
      changed_.WaitUntil(mutex_, std::chrono::steady_clock::now() + left);
    }
  }
}

void ConnectionBudget::Release(Place& place) {
  base::MutexLock lock(mutex_);
  Reclaim(place);
  --in_use_;
  Changed();
}

void ConnectionBudget::Wake() {
  base::MutexLock lock(mutex_);
  Changed();
}

void ConnectionBudget::SetLimit(size_t limit) {
  base::MutexLock lock(mutex_);
  limit_ = limit == 0 ? 1 : limit;
  Changed();
}

size_t ConnectionBudget::limit() const {
  base::MutexLock lock(mutex_);
  return limit_;
}

size_t ConnectionBudget::in_use() const {
  base::MutexLock lock(mutex_);
  return in_use_;
}

}  // namespace mailboxfs::mail
