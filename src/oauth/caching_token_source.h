#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "mailboxfs/base/mutex.h"
#include "mailboxfs/oauth/token_source.h"
#include "token_request.h"

namespace mailboxfs::oauth {

// What all grants share: keeps the token, renews it in time, asks once however many wait, and
// remembers failures for a while. Thread-safe. No lock is held while the endpoint is asked.
//
// The first caller without a usable token leads a flight: it asks, the others wait for it. A
// leader that leaves (its own deadline or wake) ends the flight without an outcome; then the
// next one leads. Any other end, good or bad, is the outcome for everyone in the flight.
class CachingTokenSource final : public TokenSource {
 public:
  // `clock` is borrowed and must outlive this. `random` gives values in [0, 1).
  CachingTokenSource(std::unique_ptr<TokenRequest> request, const base::Clock& clock, std::function<double()> random);
  ~CachingTokenSource() override;

  AccessToken Get(const base::Deadline& deadline, const base::WakeEvent& wake) override;
  void Accepted(const AccessToken& token) override;
  bool Refused(const AccessToken& token) override;
  void Invalidate(const AccessToken& token) override;
  void ForgetRefusal() override;
  TokenStatus GetStatus() const override;

 private:
  class Flight;
  using Outcome = std::optional<base::Result<AccessToken>>;

  AccessToken Lead(Flight& flight, const base::Deadline& deadline, const base::WakeEvent& wake);
  void Abandon(Flight& flight);
  TokenAnswer Ask(const base::Deadline& deadline, const base::Deadline& limit, const base::WakeEvent& wake,
                  bool& left) const;
  void ForgetStaleRefusal();
  base::Result<AccessToken> Settle(TokenAnswer& answer, base::MonoTime begun, double random) REQUIRES(mutex_);
  base::Result<AccessToken> Keep(TokenGrant& grant, base::MonoTime begun, double random) REQUIRES(mutex_);
  void Block(const TokenFailure& failure, double random) REQUIRES(mutex_);
  void NoteSkew(const TokenAnswer& answer) REQUIRES(mutex_);
  bool IsValid(base::MonoTime now) const REQUIRES(mutex_) { return token_ && now < usable_until_; }
  bool Holds(const AccessToken& token) const REQUIRES(mutex_) { return token_ && token_->value == token.value; }
  base::Error BlockedError(base::MonoTime now) const REQUIRES(mutex_);

  const std::unique_ptr<TokenRequest> request_;
  const base::Clock& clock_;
  const std::function<double()> random_;  // Called by the leader only.

  mutable base::Mutex mutex_;
  std::shared_ptr<Flight> flight_ GUARDED_BY(mutex_);
  std::optional<AccessToken> token_ GUARDED_BY(mutex_);
  base::MonoTime usable_until_ GUARDED_BY(mutex_);
  base::MonoTime renew_at_ GUARDED_BY(mutex_);
  // By the endpoint's word; may be before `usable_until_`. max(): nobody knows.
  base::MonoTime dies_at_ GUARDED_BY(mutex_);
  // Refusals before this are not the token's fault.
  base::MonoTime trusted_until_ GUARDED_BY(mutex_);
  // Why the endpoint may not be asked before `blocked_until_`.
  std::optional<base::Error> blocked_by_ GUARDED_BY(mutex_);
  base::MonoTime blocked_until_ GUARDED_BY(mutex_) = base::MonoTime::min();
  std::string blocked_input_ GUARDED_BY(mutex_);  // What was asked with then, see TokenRequest::InputVersion.
  unsigned failures_ GUARDED_BY(mutex_) = 0;
  uint64_t requests_ GUARDED_BY(mutex_) = 0;
  std::string last_error_ GUARDED_BY(mutex_);
  std::optional<TokenRefusal> last_refusal_ GUARDED_BY(mutex_);
  std::optional<std::chrono::seconds> clock_skew_ GUARDED_BY(mutex_);
  bool warned_of_skew_ GUARDED_BY(mutex_) = false;
};

}  // namespace mailboxfs::oauth
