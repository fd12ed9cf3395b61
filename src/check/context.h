#pragma once

#include "mailboxfs/base/clock.h"
#include "mailboxfs/base/fd.h"
#include "mailboxfs/check/check.h"
#include "report.h"

namespace mailboxfs::check {

// What all checks go with; borrowed.
struct Context {
  const config::Config& config;
  const Means& means;
  const base::WakeEvent& wake;
  Report& report;
  bool mounted = false;  // As in Request.

  base::Deadline In(base::Duration duration) const { return base::Deadline::After(means.environment.clock, duration); }
  void ThrowIfCancelled() const {
    if (wake.IsSet()) throw base::Error(base::ErrorKind::kCancelled, "the check was cancelled");
  }
};

}  // namespace mailboxfs::check
