#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "in_flight.h"
#include "mailboxfs/base/error.h"
#include "mailboxfs/base/mutex.h"
#include "mailboxfs/tree/tree.h"
#include "reply.h"
#include "watchdog.h"

namespace mailboxfs::fuse {

// Watches one waiting request: deadlines, and signals for its caller. Thread-bound.
class Alarm {
 public:
  explicit Alarm(Watchdog& watchdog) : watchdog_(watchdog) {}

  // Neither `reply` nor this may go away before Disarm.
  void Arm(const Reply& reply, std::shared_ptr<tree::Wait> wait) {
    id_ = watchdog_.Add(std::move(wait), reply.caller());
    // Called at once if the signal came before.
    fuse_req_interrupt_func(reply.request(), &Alarm::OnInterrupt, this);
  }

  void Disarm(const Reply& reply) {
    if (id_ == 0) return;
    // Waits for a call that is running: afterwards there is none.
    fuse_req_interrupt_func(reply.request(), nullptr, nullptr);
    watchdog_.Remove(std::exchange(id_, 0));
  }

 private:
  // Under libfuse's lock of the request, so it may not do more than mark.
  static void OnInterrupt(fuse_req_t /*request*/, void* data) {
    const Alarm& alarm = *static_cast<const Alarm*>(data);
    alarm.watchdog_.Interrupted(alarm.id_);
  }

  Watchdog& watchdog_;
  uint64_t id_ = 0;
};

// One request's way through the tree: asks, and answers the kernel when the tree has answered, on
// whatever thread that happens. Owned by the callback that the tree holds.
//
// The tree may answer before the call that asks has returned, or on another thread just then. An
// answer that comes before the asking thread has set the alarm is parked, and that thread takes it: so the request
// cannot be answered (and freed by libfuse) while the alarm is being set for it.
template <typename T>
class Question : public std::enable_shared_from_this<Question<T>> {
 public:
  using Callback = tree::Tree::Callback<T>;
  struct Steps {
    // Asks the tree.
    std::function<std::shared_ptr<tree::Wait>(Callback)> ask;
    // Answers the kernel; false: ask again, there is more to come.
    std::function<bool(Reply&, T&)> answer;
    // Answers the kernel.
    std::function<void(Reply&, const base::Error&)> fail;
  };

  Question(Reply reply, Watchdog& watchdog, InFlight& in_flight, Steps steps)
      : token_(in_flight), reply_(std::move(reply)), alarm_(watchdog), steps_(std::move(steps)) {}
  // A callback that the tree dropped without calling it: EIO.
  ~Question() { alarm_.Disarm(reply_); }
  Question(const Question&) = delete;
  Question& operator=(const Question&) = delete;

  // Asks until the kernel is answered or the tree has us wait.
  void Run() {
    for (;;) {
      std::optional<base::Result<T>> result = AskOnce();
      if (!result || Handle(*result)) return;
    }
  }

 private:
  enum class State { kAsking, kParked, kWaiting, kHandling };

  // The answer, if it came at once.
  std::optional<base::Result<T>> AskOnce() {
    {
      base::MutexLock lock(mutex_);
      state_ = State::kAsking;
    }
    std::shared_ptr<tree::Wait> wait;
    try {
      wait =
          steps_.ask([self = this->shared_from_this()](base::Result<T> result) { self->Deliver(std::move(result)); });
    } catch (...) {
      Deliver(base::CurrentError());
    }
    if (std::optional<base::Result<T>> parked = TakeParked(false)) return parked;
    if (wait) alarm_.Arm(reply_, std::move(wait));
    std::optional<base::Result<T>> parked = TakeParked(true);
    if (parked) alarm_.Disarm(reply_);
    return parked;
  }

  // With `leave`, if there is none, it is from now on for the answering thread to handle it.
  std::optional<base::Result<T>> TakeParked(bool leave) {
    base::MutexLock lock(mutex_);
    if (state_ == State::kParked) {
      state_ = State::kHandling;
      return std::exchange(parked_, std::nullopt);
    }
    if (leave) state_ = State::kWaiting;
    return std::nullopt;
  }

  void Deliver(base::Result<T> result) {
    {
      base::MutexLock lock(mutex_);
      if (state_ == State::kAsking) {
        parked_.emplace(std::move(result));
        state_ = State::kParked;
        return;
      }
      if (state_ != State::kWaiting) return;  // Answered already.
      state_ = State::kHandling;
    }
    alarm_.Disarm(reply_);
    if (!Handle(result)) Run();
  }

  bool Handle(base::Result<T>& result) {
    try {
      if (result.ok()) {
        if (!steps_.answer(reply_, result.value())) return false;
      } else {
        steps_.fail(reply_, result.error());
      }
    } catch (...) {
      steps_.fail(reply_, base::CurrentError());
    }
    // The tree may keep its callback for a while; what the request held must not live on with it.
    reply_.Errno(EIO);
    steps_ = Steps{};
    token_.Release();
    return true;
  }

  InFlight::Token token_;  // Dies last.
  Reply reply_;
  Alarm alarm_;
  Steps steps_;

  base::Mutex mutex_;
  State state_ GUARDED_BY(mutex_) = State::kAsking;
  std::optional<base::Result<T>> parked_ GUARDED_BY(mutex_);
};

}  // namespace mailboxfs::fuse
