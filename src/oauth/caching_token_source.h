#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "mailboxfs/base/mutex.h"
#include "mailboxfs/oauth/token_source.h"
#include "token_response.h"

namespace mailboxfs::oauth {

// Asks the endpoint once; throws Error if it cannot be asked. Called by one thread at a time.
using TokenRequest = std::function<TokenAnswer(const base::Deadline& deadline, const base::WakeEvent& wake)>;

// What all grants share: keeps the token, renews it in time, asks once however many wait, and
// remembers failures for a while. Thread-safe. No lock is held while the endpoint is asked.
//
// The first caller without a usable token leads a flight: it asks, the others wait for it. A
// leader that leaves (its own deadline or wake) ends the flight without an outcome; then the
// next one leads. Any other end, good or bad, is the outcome for everyone in the flight.
class CachingTokenSource final : public TokenSource {
 public:
  // `clock` is borrowed and must outlive this. `random` gives values in [0, 1).
  CachingTokenSource(TokenRequest request, const base::Clock& clock, std::function<double()> random);
  ~CachingTokenSource() override;

  AccessToken Get(const base::Deadline& deadline, const base::WakeEvent& wake) override;
  void Accepted(const AccessToken& token) override;
  bool Refused(const AccessToken& token) override;
  void Invalidate(const AccessToken& token) override;
  TokenStatus GetStatus() const override;

 private:
  class Flight;
  using Outcome = std::optional<base::Result<AccessToken>>;

  AccessToken Lead(Flight& flight, const base::Deadline& deadline, const base::WakeEvent& wake);
  void Abandon(Flight& flight);
  TokenAnswer Ask(const base::Deadline& deadline, const base::Deadline& limit, const base::WakeEvent& wake,
                  bool& left) const;
  base::Result<AccessToken> Settle(TokenAnswer& answer, base::MonoTime begun, double random) REQUIRES(mutex_);
  void Block(const TokenFailure& failure, double random) REQUIRES(mutex_);
  bool IsValid(base::MonoTime now) const REQUIRES(mutex_) { return token_ && now < usable_until_; }
  bool Holds(const AccessToken& token) const REQUIRES(mutex_) { return token_ && token_->value == token.value; }
  base::Error BlockedError(base::MonoTime now) const REQUIRES(mutex_);

  const TokenRequest request_;
  const base::Clock& clock_;
  const std::function<double()> random_;  // Called by the leader only.

  mutable base::Mutex mutex_;
  std::shared_ptr<Flight> flight_ GUARDED_BY(mutex_);
  std::optional<AccessToken> token_ GUARDED_BY(mutex_);
  base::MonoTime usable_until_ GUARDED_BY(mutex_);
  base::MonoTime renew_at_ GUARDED_BY(mutex_);
  base::MonoTime dies_at_ GUARDED_BY(mutex_);  // By the endpoint's word; may be before `usable_until_`.
  // Refusals before this are not the token's fault.
  base::MonoTime trusted_until_ GUARDED_BY(mutex_);
  // Why the endpoint may not be asked before `blocked_until_`.
  std::optional<base::Error> blocked_by_ GUARDED_BY(mutex_);
  base::MonoTime blocked_until_ GUARDED_BY(mutex_) = base::MonoTime::min();
  unsigned failures_ GUARDED_BY(mutex_) = 0;
  uint64_t requests_ GUARDED_BY(mutex_) = 0;
  std::string last_error_ GUARDED_BY(mutex_);
};

}  // namespace mailboxfs::oauth
