#pragma once

#include <chrono>

namespace mailboxfs::base {

using Duration = std::chrono::steady_clock::duration;
using MonoTime = std::chrono::steady_clock::time_point;
using WallTime = std::chrono::system_clock::time_point;

// Where time comes from; injected so that tests need not sleep. Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual MonoTime Now() const = 0;
  virtual WallTime WallNow() const = 0;

  // The machine's clocks. Lives for ever.
  static const Clock& System();
};

// The moment after which waiting ends. A value; reentrant.
class Deadline {
 public:
  static Deadline At(MonoTime when) { return Deadline(when); }
  static Deadline After(const Clock& clock, Duration duration) { return Deadline(clock.Now() + duration); }
  static Deadline Never() { return Deadline(MonoTime::max()); }

  MonoTime when() const { return when_; }
  bool Passed(MonoTime now) const { return now >= when_; }
  // Zero if passed.
  Duration Left(MonoTime now) const { return Passed(now) ? Duration::zero() : when_ - now; }
  // The earlier of the two.
  Deadline Min(const Deadline& other) const { return Deadline(when_ < other.when_ ? when_ : other.when_); }
  // Time left in milliseconds for poll(2): 0 if passed, at most `cap`; rounded up.
  int PollMillis(MonoTime now, int cap = 60'000) const;

 private:
  explicit Deadline(MonoTime when) : when_(when) {}
  MonoTime when_;
};

}  // namespace mailboxfs::base
