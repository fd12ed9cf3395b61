#pragma once

#include <functional>
#include <list>
#include <memory>
#include <vector>

#include "mail/backoff.h"
#include "mail/job_queue.h"
#include "mail/mailbox_state.h"
#include "mailboxfs/base/mutex.h"
#include "mailboxfs/mail/imap_source.h"
#include "mailboxfs/model/mail_source.h"

namespace mailboxfs::mail {

struct LoginTrace;

// Of a job's connection: during the job itself, or during a more urgent one that it let go first.
enum class Loss { kNone, kByJob, kByAnother };

// Owns the connections of one mailbox, each on a thread of its own, and the queue of what
// they are to do. Thread-safe; nothing here waits for the network but the workers' threads,
// and no lock is held across network or callbacks. Lock order: Fetcher, then ConnectionBudget.
//
// Connections are opened when jobs wait, the first alone until it has logged in. A job whose
// connection broke is repeated once on a fresh one. If no connection can be had, all waiting
// jobs fail and new ones do so at once: until the backoff ends if the login failed, until a background attempt
// reaches the server if that could not be reached. A short pause that the server asks for is waited out, a long one is
// a failure like that; both are kept by the whole account (Governor).
class Fetcher final : public Governor::Member, public std::enable_shared_from_this<Fetcher> {
 public:
  using JobPtr = std::shared_ptr<Job>;

  Fetcher(ImapOptions options, const ImapEnvironment& environment);
  ~Fetcher() override;
  Fetcher(const Fetcher&) = delete;
  Fetcher& operator=(const Fetcher&) = delete;

  JobPtr Submit(std::unique_ptr<Work> work, model::Priority priority);
  void Cancel(const JobPtr& job);
  void Raise(Job& job, model::Priority priority);
  model::SourceStatus GetStatus() const;
  base::MonoTime LastProgress() const { return mailbox_.last_progress(); }
  void SetChangeListener(model::MailSource::ChangeListener listener);
  void Shutdown();
  void OnAccountFailed(const base::Error& error) override;

  // --- For workers ----------------------------------------------------------------------
  const ImapOptions& options() const { return options_; }
  const ImapEnvironment& environment() const { return environment_; }
  MailboxState& mailbox() { return mailbox_; }
  void NotifyChange(const std::string& folder_id);

  // Waits until `worker`, which has no connection, should open one; false: its thread must end.
  bool AwaitNeed(Worker& worker);
  // Is opening a connection for `worker` of no use any more?
  bool NotNeeded(const Worker& worker) const;
  void OnConnected(Worker& worker);
  // `reached`: the server has greeted before.
  void OnConnectFailed(Worker& worker, const base::Error& error, const LoginTrace& trace);
  void OnNoPlace(Worker& worker, const base::Error& error);
  // It will say goodbye, which may take a moment; others must do what there is to do.
  void OnClosing(Worker& worker);
  void OnDisconnected(Worker& worker);

  // The next job for a worker that has a connection; null: none.
  JobPtr Take(Worker& worker, const std::string& open_folder);
  // One that is more urgent than `running`.
  JobPtr TakeMoreUrgent(Worker& worker, const Job& running, const std::string& open_folder);
  bool IsCancelled(const Job& job) const;
  // Calls Done unless the job has ended before.
  void Finish(const JobPtr& job, base::Status status);
  // Why no such work may be done today.
  base::Status Unaffordable(const Work& work) const { return work.bulk() ? governor_->VolumeSpent() : std::nullopt; }
  // It has not been tried.
  void OnJobRefused(Worker& worker, const JobPtr& job, const base::Error& error);
  void OnJobDone(Worker& worker, const JobPtr& job);
  // Decides between another attempt and the end.
  // True: it has ended; false: it waits for another attempt.
  bool OnJobFailed(Worker& worker, const JobPtr& job, const base::Error& error, Loss loss);
  // Throttled without a job.
  void OnThrottled(const base::Error& error);

  // False: there is something to do. Otherwise the worker can be called with `wake`.
  bool EnterIdle(Worker& worker, const std::string& open_folder);
  bool HasWork(const Worker& worker) const;
  // True: this worker may use IDLE, until LeaveIdle.
  bool ClaimIdle(Worker& worker);
  // True: it was called for a job in the meantime.
  bool LeaveIdle(Worker& worker);
  // While the server wants no commands: until when; else MonoTime::min().
  base::MonoTime PausedUntil() const { return governor_->paused_until(); }
  Governor& governor() { return *governor_; }
  unsigned connected() const;

 private:
  struct Ended {
    JobPtr job;
    base::Status status;
  };

  void FinishAll(std::vector<Ended> ended);
  void FinishLocked(const JobPtr& job, base::Status status, std::vector<Ended>& ended) REQUIRES(mutex_);
  void FailQueued(const base::Error& error, std::vector<Ended>& ended) REQUIRES(mutex_);
  void Requeue(const JobPtr& job, Worker* only_worker) REQUIRES(mutex_);
  // True: waited out, by `job` too, if that is not null. `times`: counts how often it was asked for.
  bool Pause(const base::Error& error, const JobPtr& job, unsigned& times, std::vector<Ended>& ended) REQUIRES(mutex_);
  // What a new job that needs a connection would end with.
  base::Status Hopeless(const Work& work) const REQUIRES(mutex_);
  void GiveUp(Worker& worker, const base::Error& error, bool reached, std::vector<Ended>& ended) REQUIRES(mutex_);
  bool IsNeeded(const Worker& worker) const REQUIRES(mutex_);
  void EndProbe(const Worker& worker) REQUIRES(mutex_);
  // Gets somebody to look at the queue: an idle worker, or a new one.
  void Engage() REQUIRES(mutex_);
  bool WakeIdleWorker() REQUIRES(mutex_);
  bool MayAddWorker() const REQUIRES(mutex_);
  void OnJobEnded(Worker& worker) REQUIRES(mutex_);
  size_t AllowedWorkers() const REQUIRES(mutex_);
  bool Paused() const;
  std::list<std::unique_ptr<Worker>> TakeFinishedWorkers() REQUIRES(mutex_);

  const ImapOptions options_;
  const ImapEnvironment environment_;
  const std::shared_ptr<Governor> governor_;
  MailboxState mailbox_;
  model::MailSource::ChangeListener listener_;  // Set before the first job.

  mutable base::Mutex mutex_;
  base::CondVar changed_;
  JobQueue queue_ GUARDED_BY(mutex_);
  std::list<std::unique_ptr<Worker>> workers_ GUARDED_BY(mutex_);
  Backoff backoff_ GUARDED_BY(mutex_);
  base::Status last_error_ GUARDED_BY(mutex_);
  unsigned connected_ GUARDED_BY(mutex_) = 0;
  unsigned quiet_failures_ GUARDED_BY(mutex_) = 0;   // Connection attempts in a row that the server may yet make good.
  size_t reduced_to_ GUARDED_BY(mutex_) = 0;         // The server takes only so many connections ...
  base::MonoTime reduced_until_ GUARDED_BY(mutex_);  // ... and is asked for more after this.
  const Worker* idling_ GUARDED_BY(mutex_) = nullptr;  // The one that uses IDLE.
  const Worker* probe_ GUARDED_BY(mutex_) = nullptr;   // The one that tries to reach the server though no job waits.
  bool shutdown_ GUARDED_BY(mutex_) = false;
  bool joined_ GUARDED_BY(mutex_) = false;
};

}  // namespace mailboxfs::mail
