#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "mailboxfs/base/clock.h"
#include "mailboxfs/base/error.h"
#include "mailboxfs/base/mutex.h"
#include "mailboxfs/mail/connection_budget.h"

namespace mailboxfs::mail {

// What all connections of one account keep to: pauses that its server asked for, whether the server can be reached at
// all, how much was read today, how many logins are tried at once. One per account, shared by its mailboxes.
// Thread-safe; no lock is held when a member or `save` is called, and members may hold their own when they call, but
// for Publish.
class Governor {
 public:
  // What outlives the process.
  struct Memory {
    int64_t paused_until = 0;  // Wall clock, seconds; 0: it is not.
    std::string pause_reason;
    int64_t day = 0;  // UTC, days since 1970: what `day_octets` was received on.
    uint64_t day_octets = 0;
    uint64_t sizes_seen = 0, sizes_wrong = 0;  // RFC822.SIZE against the body.
  };
  // A mailbox.
  class Member {
   public:
    virtual ~Member() = default;
    // Whoever waits for the server shall not wait for this.
    virtual void OnAccountFailed(const base::Error& error) = 0;
  };

  // `clock` is borrowed; `random` gives values in [0, 1); `save`, which may be null, keeps the memory and must not
  // throw.
  Governor(const base::Clock& clock, std::function<double()> random, Memory memory,
           std::function<void(const Memory&)> save);
  Governor(const Governor&) = delete;
  Governor& operator=(const Governor&) = delete;

  void Join(std::weak_ptr<Member> member);
  // Saves whatever has not been.
  void Flush();
  // What has changed is saved, and the members but one are told of a failure that concerns them all.
  void Publish(const Member* but);

  // --- Pauses ---------------------------------------------------------------------------
  // The server asked for one; returns what is left of the pause that all keep now, up to ten per cent more than asked.
  base::Duration Pause(const base::Error& error, base::Duration asked);
  base::Duration PauseLeft() const;
  base::MonoTime paused_until() const;
  base::Status pause_reason() const;  // While it lasts.

  // --- Reachability ---------------------------------------------------------------------
  // From a failed connection on until one is made, everything that needs one fails at once; one member tries.
  void OnUnreachable(const base::Error& error);
  void OnReached();
  base::Status unreachable() const;
  bool ClaimProbe(const Member* member);
  void ReleaseProbe(const Member* member);

  // --- Volume ---------------------------------------------------------------------------
  // Of bodies; 0: none.
  void SetDailyLimit(uint64_t octets);
  void OnReceived(size_t octets);
  // Set when no more bodies are to be read today.
  base::Status VolumeSpent() const;

  // --- Logins ---------------------------------------------------------------------------
  // Places for connections that are being made: few at first, more while it goes well.
  ConnectionBudget& turns() { return turns_; }
  void OnConnected();
  void OnConnectFailed();

  // --- Sizes ----------------------------------------------------------------------------
  void OnSize(bool right);
  // No size was ever wrong.
  bool SizesHold() const;

  Memory memory() const;
  uint64_t ReceivedToday() const;
  uint64_t daily_limit() const;

 private:
  int64_t Today() const;
  void TurnPage() REQUIRES(mutex_);

  const base::Clock& clock_;
  const std::function<double()> random_;
  const std::function<void(const Memory&)> save_;
  ConnectionBudget turns_;
  mutable base::Mutex mutex_;
  Memory memory_ GUARDED_BY(mutex_);
  bool unsaved_ GUARDED_BY(mutex_) = false;
  uint64_t unsaved_octets_ GUARDED_BY(mutex_) = 0;
  base::MonoTime paused_until_ GUARDED_BY(mutex_) = base::MonoTime::min();
  base::Status failure_ GUARDED_BY(mutex_);  // To be told.
  base::Status unreachable_ GUARDED_BY(mutex_);
  const Member* prober_ GUARDED_BY(mutex_) = nullptr;
  uint64_t daily_limit_ GUARDED_BY(mutex_) = 0;
  size_t turns_limit_ GUARDED_BY(mutex_);
  std::vector<std::weak_ptr<Member>> members_ GUARDED_BY(mutex_);
};

// A pause up to this is waited out; readers would rather wait than fail.
inline constexpr base::Duration kShortPause = std::chrono::seconds(30);

}  // namespace mailboxfs::mail
