#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "context.h"
#include "listing.h"
#include "mailboxfs/base/mutex.h"
#include "timer.h"
#include "waits.h"

namespace mailboxfs::tree {

// How far what the index knows about a directory can be trusted.
struct Freshness {
  bool complete = false;  // Was listed completely, ever.
  bool fresh = false;     // ... within the refresh interval, and nobody has said that it changed since.
  bool failed = false;    // The last refresh failed.
};

// For `status`.
struct RefreshState {
  bool refreshing = false;
  Listing::Counts progress;
  std::string last_error;
};

// Brings directories up to date: one refresh per directory at a time, which all who need it
// join. Each may leave alone; the last one out cancels it, unless it runs for its own sake.
// Thread-safe. No lock is held while sources, index, notifier or waiters are called.
class Refresher : public std::enable_shared_from_this<Refresher> {
 public:
  explicit Refresher(std::shared_ptr<Context> context);

  // `complete`: the index has a complete listing of it, old as it may be.
  Freshness FreshnessOf(Ino directory, bool complete);
  // Somebody looks inside: hints about this directory are followed for a while.
  void NoteOpened(Ino directory);

  // Joins the refresh of `target`, starting it if none runs. Null if answered already.
  std::shared_ptr<Wait> Join(const RefreshTarget& target, Waiter::Answer answer);
  // The same, but when the refresh takes longer than the grace the answer is success and the
  // refresh goes on for its own sake.
  std::shared_ptr<Wait> JoinWithGrace(const RefreshTarget& target, Waiter::Answer answer);
  void StartInBackground(const RefreshTarget& target);
  // The next look at the directory shall not trust what is known.
  void MarkStale(Ino directory);
  // The server says that the folder changed. On a source's thread.
  void OnHint(const std::shared_ptr<MailboxState>& mailbox, const std::string& folder_id);

  RefreshState StateOf(Ino directory);

  // New waits are answered kCancelled from now on.
  void Stop();
  // After the sources have been shut down: answers whoever is left.
  void Drain();

 private:
  // One refresh. Guarded by the Refresher's mutex_, but for what is set before it starts.
  struct Job {
    RefreshTarget target;
    int64_t asked_at = 0;              // Wall clock, seconds.
    std::shared_ptr<Listing> listing;  // Null for a folder list.
    std::shared_ptr<model::Task> task;
    std::vector<std::shared_ptr<Waiter>> waiters;
    std::vector<std::shared_ptr<Waiter>> next;  // Came after everybody had left: they need another one.
    bool background = false;                    // Runs even if nobody waits.
    bool urgent = false;                        // Somebody waits.
    bool abandoned = false;                     // The last one has left.
    bool cancel = false;                        // To be cancelled as soon as its task is known.
    bool was_stale = false;
    bool finished = false;
  };
  using JobPtr = std::shared_ptr<Job>;

  struct Directory {
    JobPtr job;                      // Null: none runs.
    std::optional<int64_t> true_at;  // Wall clock, seconds: how old the listing is; none since the mount.
    bool stale = false;
    bool failed = false;
    std::string last_error;
    std::optional<base::MonoTime> opened_at;
  };

  // What Finish has to do once the lock is released.
  struct Aftermath {
    std::vector<std::shared_ptr<Waiter>> answered;
    JobPtr restarted;
    bool again = false;
    bool first_failure = false;
  };

  std::shared_ptr<Waiter> AddWaiter(const RefreshTarget& target, Waiter::Answer answer);
  JobPtr NewJob(const RefreshTarget& target, Directory* directory) REQUIRES(mutex_);
  void Launch(const JobPtr& job);
  std::shared_ptr<model::Task> StartFolderList(const JobPtr& job, model::Priority priority);
  std::shared_ptr<model::Task> StartListing(const JobPtr& job, model::Priority priority);
  void StoreFolders(const RefreshTarget& target, const std::vector<model::FolderInfo>& listed);
  // The source is done with the job, successfully or not.
  void Finish(const JobPtr& job, const base::Status& outcome);
  // Null if the job had been finished before.
  std::optional<Aftermath> Settle(const JobPtr& job, const base::Status& outcome);
  void Report(const Job& job, const base::Status& outcome, bool first_failure);
  void Leave(Ino directory, const Waiter* waiter);
  void CancelTask(const JobPtr& job);
  void EndGrace(Ino directory, const std::weak_ptr<Waiter>& waiter);
  bool OpenedLately(const Directory& directory) const;

  const std::shared_ptr<Context> context_;
  base::Mutex mutex_;
  std::map<Ino, Directory> directories_ GUARDED_BY(mutex_);
  bool stopped_ GUARDED_BY(mutex_) = false;
  Timer timer_;  // Last: its thread uses the rest.
};

}  // namespace mailboxfs::tree
