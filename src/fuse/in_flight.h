#pragma once

#include <cstdint>
#include <utility>

#include "mailboxfs/base/mutex.h"

namespace mailboxfs::fuse {

// Counts the requests that are not answered yet, so that the session outlives all of them.
// Thread-safe.
class InFlight {
 public:
  // One of them. Move-only; must not outlive its InFlight.
  class Token {
   public:
    Token() = default;
    explicit Token(InFlight& owner) : owner_(&owner) { owner.Enter(); }
    ~Token() { Release(); }
    Token(Token&& other) noexcept : owner_(std::exchange(other.owner_, nullptr)) {}
    Token& operator=(Token&& other) noexcept {
      std::swap(owner_, other.owner_);
      return *this;
    }
    Token(const Token&) = delete;
    Token& operator=(const Token&) = delete;
    void Release() {
      if (owner_ != nullptr) std::exchange(owner_, nullptr)->Leave();
    }

   private:
    InFlight* owner_ = nullptr;
  };

  // Waits until there is none. New ones must have been stopped.
  void Drain() {
    base::MutexLock lock(mutex_);
    while (count_ > 0) none_.Wait(mutex_);
  }

 private:
  void Enter() {
    base::MutexLock lock(mutex_);
    ++count_;
  }
  void Leave() {
    // Notified under the lock: once it is released, Drain may return and the owner be gone.
    base::MutexLock lock(mutex_);
    if (--count_ == 0) none_.NotifyAll();
  }

  base::Mutex mutex_;
  base::CondVar none_;
  uint64_t count_ GUARDED_BY(mutex_) = 0;
};

}  // namespace mailboxfs::fuse
