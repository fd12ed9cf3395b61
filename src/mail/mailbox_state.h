#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "mail/suspects.h"
#include "mailboxfs/base/clock.h"
#include "mailboxfs/base/mutex.h"
#include "mailboxfs/mail/governor.h"
#include "mailboxfs/model/server_profile.h"

namespace mailboxfs::mail {

// What all connections of one mailbox report to. Thread-safe.
class MailboxState {
 public:
  // `governor` is borrowed.
  MailboxState(base::MonoTime start, Governor& governor)
      : last_progress_(start.time_since_epoch().count()), governor_(governor) {}

  Governor& governor() { return governor_; }

  // Whatever comes is progress, but for one thing: if the server has left somebody without an answer,
  // greeting us again is none, or each new connection would renew the patience of all who wait.
  void OnReceived(size_t octets, base::MonoTime now) {
    bytes_received_ += octets;
    governor_.OnReceived(octets);
    if (!stalled_) last_progress_ = now.time_since_epoch().count();
  }
  // A command that somebody waits for is given up because nothing comes.
  void OnStalled() { stalled_ = true; }
  // Something was told that was asked for.
  void OnAnswered(base::MonoTime now) {
    stalled_ = false;
    last_progress_ = now.time_since_epoch().count();
  }
  base::MonoTime last_progress() const { return base::MonoTime(base::Duration(last_progress_.load())); }
  uint64_t bytes_received() const { return bytes_received_; }

  void OnBodyFetched() { ++bodies_fetched_; }
  uint64_t bodies_fetched() const { return bodies_fetched_; }
  Suspects& suspects() { return suspects_; }

  // The server asked for a pause of all work for this mailbox.
  void AskPause(base::Duration pause) { pause_ = pause.count(); }
  // The pause last asked for, once; zero if there was none.
  base::Duration TakePause() { return base::Duration(pause_.exchange(0)); }

  // Counts logins in a row that the server accepted without connecting the mailbox.
  unsigned CountNotConnected() { return ++not_connected_; }
  void OnLoggedIn(const std::string& server, const std::vector<std::string>& capabilities,
                  const model::ServerProfile& profile) {
    not_connected_ = 0;
    profile_ = &profile;
    base::MutexLock lock(mutex_);
    server_ = server;
    capabilities_ = capabilities;
  }
  std::string server() const {
    base::MutexLock lock(mutex_);
    return server_;
  }
  std::vector<std::string> capabilities() const {
    base::MutexLock lock(mutex_);
    return capabilities_;
  }

  // Of the last login; null before the first.
  const model::ServerProfile* profile() const { return profile_; }

  // Numbers the connections, for log lines.
  unsigned NextConnectionNumber() { return ++connection_number_; }

 private:
  std::atomic<base::Duration::rep> last_progress_;
  std::atomic<bool> stalled_{false};
  std::atomic<uint64_t> bytes_received_{0};
  std::atomic<uint64_t> bodies_fetched_{0};
  std::atomic<base::Duration::rep> pause_{0};
  std::atomic<unsigned> not_connected_{0};
  std::atomic<unsigned> connection_number_{0};
  std::atomic<const model::ServerProfile*> profile_{nullptr};
  Governor& governor_;
  Suspects suspects_;
  mutable base::Mutex mutex_;
  std::string server_ GUARDED_BY(mutex_);
  std::vector<std::string> capabilities_ GUARDED_BY(mutex_);
};

}  // namespace mailboxfs::mail
