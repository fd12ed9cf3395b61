#include "mail/backoff.h"

#include <algorithm>
#include <utility>

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

void Backoff::OnFailure(const base::Error& error) {
  const base::Duration wait = SomebodyMustAct(error.kind()) ? Doubled(kFirstRefused, failures_, kLongestRefused)
                                                            : Doubled(first_, failures_, kLongestNetwork);
  ++failures_;
  error_ = error;
  until_ = clock_.Now() + Jitter(wait);
}

void Backoff::OnSuccess() {
  failures_ = 0;
  error_.reset();
}

base::Duration Backoff::Left() const { return Active() ? until_ - clock_.Now() : base::Duration::zero(); }

}  // namespace mailboxfs::mail
