#pragma once

#include <utility>

namespace mailboxfs::base {

// Owns a file descriptor; closes it. Move-only. Reentrant.
class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  ~UniqueFd() { Reset(); }
  UniqueFd(UniqueFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  UniqueFd(const UniqueFd&) = delete;
  UniqueFd& operator=(const UniqueFd&) = delete;

  int get() const noexcept { return fd_; }
  explicit operator bool() const noexcept { return fd_ >= 0; }
  int Release() noexcept { return std::exchange(fd_, -1); }
  void Reset() noexcept;

 private:
  int fd_ = -1;
};

// A flag that can be polled (eventfd): the way to wake a thread out of a network
// wait. Set is async-signal-safe. Thread-safe.
class WakeEvent {
 public:
  WakeEvent();
  void Set() noexcept;
  void Clear() noexcept;
  bool IsSet() const noexcept;
  // Readable while set; borrowed.
  int fd() const noexcept { return fd_.get(); }
  // Another handle on the same flag.
  WakeEvent Share() const;

 private:
  explicit WakeEvent(UniqueFd fd) : fd_(std::move(fd)) {}
  UniqueFd fd_;
};

}  // namespace mailboxfs::base
