#pragma once

#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "mail/connection.h"
#include "mail/fetcher.h"
#include "mail/wire.h"
#include "mailboxfs/mail/connection_budget.h"

namespace mailboxfs::mail {

// One thread of a Fetcher with its connection. All of it is bound to that thread, except
// `signals()`, Join(), and the members marked as the Fetcher's.
class Worker final : private Interrupt {
 public:
  // kSeeking: it has a connection and is about to look at the queue.
  enum class State { kConnecting, kSeeking, kBusy, kIdle, kFinished };

  // `fetcher` is borrowed and outlives the thread.
  explicit Worker(Fetcher& fetcher);
  ~Worker() override;

  Signals& signals() { return *signals_; }
  void Start();
  void Join();

  // The Fetcher's, guarded by its mutex.
  State state = State::kConnecting;
  unsigned jobs = 0;                                  // Running, one inside the other.
  bool leave = false;                                 // End, even if there are jobs.
  base::MonoTime not_before = base::MonoTime::min();  // Before the next connection attempt.
  std::string open_folder;                            // While kIdle.

 private:
  void Main();
  void Connect();
  void RunJob(const Fetcher::JobPtr& job);
  void ServeUrgent(const Fetcher::JobPtr& than);
  bool Cancelled() override;
  void WaitForJobs();
  // Waits for one of many reasons; false: the connection must be closed.
  bool WaitOnce();
  bool CanIdle() const;
  bool ShouldYield() const;
  bool IsRetired() const;
  void DropIfBroken();
  void Close();
  std::string OpenFolder() const;
  base::MonoTime Now() const { return fetcher_.environment().clock.Now(); }

  Fetcher& fetcher_;
  // Shared with callbacks that may come when the worker is gone.
  const std::shared_ptr<Signals> signals_;
  const ConnectionContext context_;
  std::unique_ptr<ConnectionBudget::Place> place_;
  std::unique_ptr<Connection> connection_;
  base::MonoTime connected_at_;
  base::MonoTime retire_at_ = base::MonoTime::max();  // When the token comes to its end.
  base::MonoTime last_job_;
  bool served_ = false;             // This connection has run a job.
  bool lost_during_other_ = false;  // The connection, while the current job let a more urgent one go first.
  base::MonoTime last_command_;
  bool idle_refused_ = false;
  Fetcher::JobPtr current_;
  std::thread thread_;
};

}  // namespace mailboxfs::mail
