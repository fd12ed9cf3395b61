#include "mailboxfs/mail/governor.h"

#include <algorithm>
#include <utility>

#include "mail/refusal.h"
#include "mailboxfs/base/log.h"

namespace mailboxfs::mail {
namespace {

using base::Error;
using base::ErrorKind;

constexpr size_t kFewTurns = 2;
constexpr size_t kManyTurns = 16;
// Losing the count of these in a crash does not matter.
constexpr uint64_t kUnsavedOctets = 16U << 20U;
constexpr int64_t kSecondsPerDay = 24L * 60 * 60;

int64_t WallSeconds(const base::Clock& clock) {
  return std::chrono::duration_cast<std::chrono::seconds>(clock.WallNow().time_since_epoch()).count();
}

}  // namespace

Governor::Governor(const base::Clock& clock, std::function<double()> random, Memory memory,
                   std::function<void(const Memory&)> save)
    : clock_(clock),
      random_(std::move(random)),
      save_(std::move(save)),
      turns_(kFewTurns),
      memory_(std::move(memory)),
      turns_limit_(kFewTurns) {
  // A clock that was set back must not make a pause of years.
  const auto left = std::min<base::Duration>(std::chrono::seconds(memory_.paused_until - WallSeconds(clock_)),
                                             kLongestPause + kLongestPause / 10);
  if (left > base::Duration::zero()) paused_until_ = clock_.Now() + left;
}

void Governor::Flush() {
  std::optional<Memory> save;
  {
    base::MutexLock lock(mutex_);
    if (unsaved_ || unsaved_octets_ > 0) save = memory_;
    unsaved_ = false;
    unsaved_octets_ = 0;
  }
  if (save && save_) save_(*save);
}

void Governor::Join(std::weak_ptr<Member> member) {
  base::MutexLock lock(mutex_);
  members_.push_back(std::move(member));
}

void Governor::Publish(const Member* but) {
  base::Status failure;
  std::optional<Memory> save;
  std::vector<std::weak_ptr<Member>> members;
  {
    base::MutexLock lock(mutex_);
    if (unsaved_ || unsaved_octets_ >= kUnsavedOctets) save = memory_;
    unsaved_ = false;
    if (save) unsaved_octets_ = 0;
    failure = std::exchange(failure_, std::nullopt);
    if (failure) members = members_;
  }
  if (save && save_) save_(*save);
  for (const std::weak_ptr<Member>& weak : members) {
    const std::shared_ptr<Member> member = weak.lock();
    if (member && member.get() != but) member->OnAccountFailed(*failure);
  }
  if (failure) turns_.Wake();
}

base::Duration Governor::Pause(const Error& error, base::Duration asked) {
  if (asked <= base::Duration::zero()) asked = kDefaultPause;
  // So that not all mailboxes come back at once.
  asked += std::chrono::duration_cast<base::Duration>(asked * 0.1 * random_());
  const base::MonoTime now = clock_.Now();
  base::MutexLock lock(mutex_);
  if (now + asked > paused_until_) {
    paused_until_ = now + asked;
    memory_.paused_until = WallSeconds(clock_) + std::chrono::ceil<std::chrono::seconds>(asked).count();
    memory_.pause_reason = error.what();
    unsaved_ = true;
  }
  const base::Duration left = paused_until_ - now;
  if (left > kShortPause + kShortPause / 10) failure_ = error;
  return left;
}

base::Duration Governor::PauseLeft() const {
  base::MutexLock lock(mutex_);
  return std::max(base::Duration::zero(),
                  paused_until_ == base::MonoTime::min() ? base::Duration::zero() : paused_until_ - clock_.Now());
}

base::MonoTime Governor::paused_until() const {
  base::MutexLock lock(mutex_);
  return paused_until_;
}

base::Status Governor::pause_reason() const {
  base::MutexLock lock(mutex_);
  if (clock_.Now() >= paused_until_) return std::nullopt;
  return Error(ErrorKind::kThrottled, memory_.pause_reason);
}

void Governor::OnUnreachable(const Error& error) {
  base::MutexLock lock(mutex_);
  unreachable_ = error;
  failure_ = error;
}

void Governor::OnReached() {
  base::MutexLock lock(mutex_);
  unreachable_.reset();
}

base::Status Governor::unreachable() const {
  base::MutexLock lock(mutex_);
  return unreachable_;
}

bool Governor::ClaimProbe(const Member* member) {
  base::MutexLock lock(mutex_);
  if (prober_ == nullptr) prober_ = member;
  return prober_ == member;
}

void Governor::ReleaseProbe(const Member* member) {
  base::MutexLock lock(mutex_);
  if (prober_ != member) return;
  prober_ = nullptr;
  // Nobody tries any more: whoever comes next must be allowed to.
  unreachable_.reset();
}

void Governor::SetDailyLimit(uint64_t octets) {
  base::MutexLock lock(mutex_);
  daily_limit_ = octets;
}

int64_t Governor::Today() const { return WallSeconds(clock_) / kSecondsPerDay; }

void Governor::TurnPage() {
  const int64_t today = Today();
  if (memory_.day == today) return;
  memory_.day = today;
  memory_.day_octets = 0;
}

void Governor::OnReceived(size_t octets) {
  base::MutexLock lock(mutex_);
  TurnPage();
  memory_.day_octets += octets;
  unsaved_octets_ += octets;
}

base::Status Governor::VolumeSpent() const {
  base::MutexLock lock(mutex_);
  if (daily_limit_ == 0 || memory_.day != Today() || memory_.day_octets < daily_limit_) return std::nullopt;
  return Error(
      ErrorKind::kThrottled,
      base::Format("{} MB were received today, which is what this account may read in a day (\"daily_volume\"), "
                   "so that the server does not lock it out; more is read from 00:00 UTC on",
                   memory_.day_octets / 1'000'000));
}

void Governor::OnConnected() {
  size_t limit = 0;
  {
    base::MutexLock lock(mutex_);
    unreachable_.reset();
    limit = turns_limit_ = std::min(2 * turns_limit_, kManyTurns);
  }
  turns_.SetLimit(limit);
}

void Governor::OnConnectFailed() {
  {
    base::MutexLock lock(mutex_);
    turns_limit_ = kFewTurns;
  }
  turns_.SetLimit(kFewTurns);
}

void Governor::OnSize(bool right) {
  base::MutexLock lock(mutex_);
  ++memory_.sizes_seen;
  if (right) return;
  if (++memory_.sizes_wrong == 1) unsaved_ = true;
}

bool Governor::SizesHold() const {
  base::MutexLock lock(mutex_);
  return memory_.sizes_wrong == 0;
}

Governor::Memory Governor::memory() const {
  base::MutexLock lock(mutex_);
  return memory_;
}

uint64_t Governor::ReceivedToday() const {
  base::MutexLock lock(mutex_);
  return memory_.day == Today() ? memory_.day_octets : 0;
}

uint64_t Governor::daily_limit() const {
  base::MutexLock lock(mutex_);
  return daily_limit_;
}

}  // namespace mailboxfs::mail
