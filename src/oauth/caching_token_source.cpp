#include "caching_token_source.h"

#include <poll.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "clock_skew.h"
#include "mailboxfs/base/log.h"

namespace mailboxfs::oauth {
namespace {

using base::Error;
using base::ErrorKind;
using std::chrono::seconds;

// An endpoint that hangs is a failure after this, however patient the caller is; sooner if
// there is a token that still works.
constexpr seconds kMaxRequest{30};
constexpr seconds kMaxEarlyRenewal{10};
constexpr seconds kMaxRenewalMargin{300};
constexpr seconds kMinSession{60};
// Tokens of a shorter life are used that long: the server may take them still, and else refuses
// them, whereas a request for each login would storm the endpoint.
constexpr seconds kMinUse{5};
constexpr seconds kTrust{60};
// Whoever gives tokens of unknown life is asked again after this; the old one serves until there is a new one.
constexpr seconds kUnknownLife{60};
// Most of these failures are one machine's and gone with the next request. What quick requests
// do not cure is left alone for the minute that Microsoft asks for after a 5xx.
constexpr std::array<seconds, 4> kServerBackoffs{seconds(1), seconds(2), seconds(4), seconds(60)};
constexpr seconds kMaxNetworkBackoff{10};  // Networks come back faster than servers.

base::Duration Scale(base::Duration duration, double factor) {
  return std::chrono::duration_cast<base::Duration>(std::chrono::duration<double>(duration) * factor);
}

base::Duration Backoff(unsigned failures, const TokenFailure& failure, double random) {
  const ErrorKind kind = failure.error.kind();
  seconds base = std::min(kMaxNetworkBackoff, seconds(int64_t{1} << std::min(failures, 16U)));
  // What is wrong here, or with a program that gives tokens, is not cured by asking often either.
  const bool slow = kind == ErrorKind::kServer || kind == ErrorKind::kConfig || kind == ErrorKind::kLoginRefused;
  // A secret that could not be read is tried soon: a person is mending it, and no endpoint is troubled.
  if (slow && failure.sent) base = kServerBackoffs[std::min<size_t>(failures, kServerBackoffs.size() - 1)];
  return Scale(base, 1 + 0.25 * random);
}

[[noreturn]] void ThrowLeft(const base::WakeEvent& wake) {
  if (wake.IsSet()) throw Error(ErrorKind::kCancelled, "waiting for an access token was cancelled");
  throw Error(ErrorKind::kTimeout, "no access token came in time");
}

}  // namespace

// One request and those who wait for it. Thread-safe.
class CachingTokenSource::Flight {
 public:
  // For the leader; only the first call counts.
  void Finish(Outcome outcome) {
    if (done_.IsSet()) return;
    {
      const base::MutexLock lock(mutex_);
      outcome_ = std::move(outcome);
    }
    done_.Set();  // Stays set: wakes all, also those who come later.
  }

  // Waits for the end; nullopt if the leader left. Throws Error kTimeout or kCancelled.
  Outcome Join(const base::Deadline& deadline, const base::WakeEvent& wake, const base::Clock& clock) const {
    while (!done_.IsSet()) {
      const base::MonoTime now = clock.Now();
      if (wake.IsSet() || deadline.Passed(now)) ThrowLeft(wake);
      std::array<pollfd, 2> entries{pollfd{done_.fd(), POLLIN, 0}, pollfd{wake.fd(), POLLIN, 0}};
      if (::poll(entries.data(), entries.size(), deadline.PollMillis(now)) < 0 && errno != EINTR) {
        throw base::ErrnoError(ErrorKind::kInternal, "poll", errno);
      }
    }
    const base::MutexLock lock(mutex_);
    return outcome_;
  }

 private:
  base::WakeEvent done_;
  mutable base::Mutex mutex_;
  Outcome outcome_ GUARDED_BY(mutex_);
};

CachingTokenSource::CachingTokenSource(std::unique_ptr<TokenRequest> request, const base::Clock& clock,
                                       std::function<double()> random)
    : request_(std::move(request)), clock_(clock), random_(std::move(random)) {}

CachingTokenSource::~CachingTokenSource() = default;

AccessToken CachingTokenSource::Get(const base::Deadline& deadline, const base::WakeEvent& wake) {
  ForgetStaleRefusal();
  for (;;) {
    std::shared_ptr<Flight> flight;
    bool leads = false;
    {
      const base::MutexLock lock(mutex_);
      const base::MonoTime now = clock_.Now();
      const bool blocked = now < blocked_until_;
      if (IsValid(now) && (now < renew_at_ || flight_ || blocked)) return *token_;
      if (!flight_) {
        if (blocked) throw BlockedError(now);
        if (wake.IsSet() || deadline.Passed(now)) {
          if (IsValid(now)) return *token_;
          ThrowLeft(wake);
        }
        flight_ = std::make_shared<Flight>();
        leads = true;
      }
      flight = flight_;
    }
    if (leads) {
      try {
        return Lead(*flight, deadline, wake);
      } catch (...) {
        Abandon(*flight);
        throw;
      }
    }
    Outcome outcome = flight->Join(deadline, wake, clock_);
    if (outcome) return std::move(outcome->value());
  }
}

// A login by another process makes an old refusal worthless.
void CachingTokenSource::ForgetStaleRefusal() {
  base::MutexLock lock(mutex_);
  if (clock_.Now() >= blocked_until_ || blocked_by_->kind() != ErrorKind::kLoginRefused) return;
  lock.Unlock();
  const std::string input = request_->InputVersion();
  lock.Lock();
  if (input != blocked_input_) blocked_until_ = base::MonoTime::min();
}

void CachingTokenSource::ForgetRefusal() {
  const base::MutexLock lock(mutex_);
  if (!blocked_by_) return;
  const ErrorKind kind = blocked_by_->kind();
  if (kind != ErrorKind::kLoginRefused && kind != ErrorKind::kConfig) return;
  blocked_until_ = base::MonoTime::min();
  failures_ = 0;
}

AccessToken CachingTokenSource::Lead(Flight& flight, const base::Deadline& deadline, const base::WakeEvent& wake) {
  const base::MonoTime begun = clock_.Now();
  base::MutexLock lock(mutex_);
  const seconds patience = IsValid(begun) ? kMaxEarlyRenewal : kMaxRequest;
  lock.Unlock();
  bool left = false;
  std::string input = request_->InputVersion();
  TokenAnswer answer = Ask(deadline, base::Deadline::At(begun + patience), wake, left);
  const double random = random_();
  lock.Lock();
  flight_.reset();
  blocked_input_ = std::move(input);
  const auto* failure = std::get_if<TokenFailure>(&answer.outcome);
  // kConfig: the secret could not be read, or the URL is none.
  if (failure == nullptr || (failure->sent && failure->error.kind() != ErrorKind::kConfig)) ++requests_;
  Outcome outcome;
  if (!left) outcome = Settle(answer, begun, random);
  std::optional<AccessToken> old;
  if (failure != nullptr && IsValid(clock_.Now())) old = token_;
  lock.Unlock();
  flight.Finish(outcome);
  if (failure == nullptr) return outcome->value();
  if (!old) throw failure->error;
  if (!left)
    base::LogWarning("the access token could not be renewed early, the old one still works: {}", failure->error.what());
  return *old;
}

// After an error that is nobody's outcome (memory): those who wait must not do so for ever.
void CachingTokenSource::Abandon(Flight& flight) {
  base::MutexLock lock(mutex_);
  if (flight_.get() == &flight) flight_.reset();
  lock.Unlock();
  flight.Finish(std::nullopt);
}

// `left` is set if the caller's own deadline or wake ended it, and not the endpoint or `limit`. A request that waits
// longer than its caller wanted, and in vain, has found an endpoint that hangs: that is for all.
TokenAnswer CachingTokenSource::Ask(const base::Deadline& deadline, const base::Deadline& limit,
                                    const base::WakeEvent& wake, bool& left) const {
  try {
    return request_->Ask(deadline.Min(limit), wake);
  } catch (...) {
    const Error error = base::CurrentError();
    left = error.kind() == ErrorKind::kCancelled ||
           (error.kind() == ErrorKind::kTimeout && deadline.when() <= limit.when() && !limit.Passed(clock_.Now()));
    TokenFailure failure{error, error.kind() == ErrorKind::kInternal ? Pause::kNone : Pause::kBackoff};
    failure.sent = error.kind() != ErrorKind::kConfig;
    return {std::move(failure)};
  }
}

base::Result<AccessToken> CachingTokenSource::Settle(TokenAnswer& answer, base::MonoTime begun, double random) {
  NoteSkew(answer);
  if (const auto* failure = std::get_if<TokenFailure>(&answer.outcome)) {
    last_error_ = failure->error.what();
    last_refusal_ = failure->refusal;
    Block(*failure, random);
    return failure->error;
  }
  failures_ = 0;
  blocked_by_.reset();
  blocked_until_ = base::MonoTime::min();
  last_error_.clear();
  last_refusal_.reset();
  return Keep(std::get<TokenGrant>(answer.outcome), begun, random);
}

base::Result<AccessToken> CachingTokenSource::Keep(TokenGrant& grant, base::MonoTime begun, double random) {
  if (grant.lifetime) {
    dies_at_ = begun + *grant.lifetime;
    const base::Duration margin = std::min<base::Duration>(kMaxRenewalMargin, *grant.lifetime / 10);
    renew_at_ = std::max(dies_at_ - Scale(margin, 1 + 0.25 * random), begun + kMinUse);
  } else {
    dies_at_ = base::MonoTime::max();
    renew_at_ = begun + kUnknownLife;
  }
  usable_until_ = std::max(dies_at_, begun + kMinUse);
  trusted_until_ = std::min(dies_at_, begun + kTrust);
  token_ = AccessToken{std::move(grant.value), std::max(dies_at_, begun + kMinSession)};
  return *token_;
}

void CachingTokenSource::NoteSkew(const TokenAnswer& answer) {
  if (!answer.clock_skew) return;
  clock_skew_ = answer.clock_skew;
  if (warned_of_skew_ || !IsSkewed(clock_skew_)) return;
  warned_of_skew_ = true;
  base::LogWarning("{}: set it right (NTP), else logins may be refused", DescribeSkew(*clock_skew_));
}

void CachingTokenSource::Block(const TokenFailure& failure, double random) {
  if (failure.pause == Pause::kNone) return;
  const base::Duration length = failure.pause == Pause::kFixed ? failure.length : Backoff(failures_, failure, random);
  ++failures_;
  blocked_by_ = failure.error;
  blocked_until_ = clock_.Now() + length;
}

Error CachingTokenSource::BlockedError(base::MonoTime now) const {
  const auto left = std::chrono::ceil<seconds>(blocked_until_ - now).count();
  return {blocked_by_->kind(), base::Format("{} (not asked again; next try in {} s)", blocked_by_->what(), left)};
}

void CachingTokenSource::Accepted(const AccessToken& token) {
  const base::MutexLock lock(mutex_);
  if (Holds(token)) trusted_until_ = std::min(dies_at_, clock_.Now() + kTrust);
}

bool CachingTokenSource::Refused(const AccessToken& token) {
  const base::MutexLock lock(mutex_);
  if (!Holds(token)) return true;
  if (clock_.Now() < trusted_until_) return false;
  token_.reset();
  return true;
}

void CachingTokenSource::Invalidate(const AccessToken& token) {
  const base::MutexLock lock(mutex_);
  if (Holds(token)) token_.reset();
}

TokenStatus CachingTokenSource::GetStatus() const {
  const base::MutexLock lock(mutex_);
  const base::MonoTime now = clock_.Now();
  TokenStatus status;
  status.valid = IsValid(now);
  const base::MonoTime end = dies_at_ == base::MonoTime::max() ? std::max(renew_at_, now) : usable_until_;
  if (status.valid) status.expires_in_seconds = std::chrono::floor<seconds>(end - now).count();
  status.requests = requests_;
  status.last_error = last_error_;
  status.last_refusal = last_refusal_;
  status.clock_skew = clock_skew_;
  return status;
}

}  // namespace mailboxfs::oauth
