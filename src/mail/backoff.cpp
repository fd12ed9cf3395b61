#include "mail/backoff.h"

#include <algorithm>
#include <utility>

#include "mail/refusal.h"

namespace mailboxfs::mail {
namespace {

constexpr base::Duration kLongestNetwork = std::chrono::seconds(30);
constexpr base::Duration kFirstRefused = std::chrono::seconds(15);
constexpr base::Duration kLongestRefused = std::chrono::minutes(5);

bool SomebodyMustAct(base::ErrorKind kind) {
  return kind == base::ErrorKind::kLoginRefused || kind == base::ErrorKind::kConfig ||
         kind == base::ErrorKind::kUnsupported;
}

base::Duration Doubled(base::Duration first, unsigned times, base::Duration longest) {
  base::Duration duration = first;
  for (unsigned i = 0; i < times && duration < longest; ++i) duration *= 2;
  return std::min(duration, longest);
}

}  // namespace

Backoff::Backoff(const base::Clock& clock, std::function<double()> random, base::Duration first)
    : clock_(clock), random_(std::move(random)), first_(first) {}

base::Duration Backoff::Jitter(base::Duration duration) const {
  return std::chrono::duration_cast<base::Duration>(duration * (0.75 + 0.5 * random_()));
}

base::Duration Backoff::QuietDelay(unsigned attempt) const {
  return Jitter(Doubled(first_, attempt - 1, kLongestNetwork));
}

void Backoff::OnFailure(const base::Error& error, base::Duration pause) {
  base::Duration wait = kDefaultPause;
  if (error.kind() == base::ErrorKind::kThrottled) {
    // Never less than asked for.
    if (pause > base::Duration::zero()) wait = pause;
    wait += std::chrono::duration_cast<base::Duration>(wait * 0.1 * random_());
  } else if (SomebodyMustAct(error.kind())) {
    wait = Jitter(Doubled(kFirstRefused, failures_, kLongestRefused));
  } else {
    wait = Jitter(Doubled(first_, failures_, kLongestNetwork));
  }
  ++failures_;
  error_ = error;
  until_ = clock_.Now() + wait;
}

void Backoff::OnSuccess() {
  // What was under way when the server asked for the pause does not end it.
  if (Active() && error_->kind() == base::ErrorKind::kThrottled) return;
  failures_ = 0;
  error_.reset();
}

base::Duration Backoff::Left() const { return Active() ? until_ - clock_.Now() : base::Duration::zero(); }

}  // namespace mailboxfs::mail
