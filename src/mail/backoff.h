#pragma once

#include <functional>
#include <optional>

#include "mailboxfs/base/clock.h"
#include "mailboxfs/base/error.h"

namespace mailboxfs::mail {

// When to try again after connections or logins that failed. Thread-bound; its owner's lock
// may be held. Network trouble: 1, 2, 4 ... 30 s; a refused login: 15 s ... 5 min; both with jitter.
class Backoff {
 public:
  // `clock` is borrowed; `random` gives values in [0, 1).
  Backoff(const base::Clock& clock, std::function<double()> random, base::Duration first);

  void OnFailure(const base::Error& error);
  void OnSuccess();
  // How long to wait before a try number `attempt` (from 1) that nobody need hear of.
  base::Duration QuietDelay(unsigned attempt) const;

  bool Active() const { return error_ && clock_.Now() < until_; }
  // Zero if not active.
  base::Duration Left() const;
  // The last failure since the last success.
  const base::Status& error() const { return error_; }

 private:
  base::Duration Jitter(base::Duration duration) const;

  const base::Clock& clock_;
  std::function<double()> random_;
  const base::Duration first_;
  base::Status error_;
  unsigned failures_ = 0;
  base::MonoTime until_;
};

}  // namespace mailboxfs::mail
