#include "refresh.h"

#include <algorithm>
#include <utility>

#include "folder_list.h"
#include "mailboxfs/base/log.h"

namespace mailboxfs::tree {
namespace {

// How long after somebody looked inside the server's hints are followed at once.
constexpr std::chrono::minutes kHintsFollowed{5};

using base::ErrorKind;

// Does this say something about the whole mailbox?
bool IsOutage(ErrorKind kind) {
  return kind == ErrorKind::kNetwork || kind == ErrorKind::kTls || kind == ErrorKind::kTimeout ||
         kind == ErrorKind::kThrottled || kind == ErrorKind::kLoginRefused;
}

bool SaysFolderIsGone(const base::Status& outcome) {
  return outcome && (outcome->kind() == ErrorKind::kGone || outcome->kind() == ErrorKind::kNotFound);
}

// Takes `waiter` out; null if it is not there.
std::shared_ptr<Waiter> Take(std::vector<std::shared_ptr<Waiter>>* waiters, const Waiter* waiter) {
  const auto found = std::find_if(waiters->begin(), waiters->end(),
                                  [waiter](const std::shared_ptr<Waiter>& one) { return one.get() == waiter; });
  if (found == waiters->end()) return nullptr;
  std::shared_ptr<Waiter> taken = std::move(*found);
  waiters->erase(found);
  return taken;
}

}  // namespace

Refresher::Refresher(std::shared_ptr<Context> context) : context_(std::move(context)), timer_(context_->clock) {}

Freshness Refresher::FreshnessOf(Ino directory, bool complete) {
  Freshness result;
  result.complete = complete;
  base::MutexLock lock(mutex_);
  const auto found = directories_.find(directory);
  if (found == directories_.end()) return result;
  const Directory& known = found->second;
  result.failed = known.failed;
  // A new mount asks anew: what was listed before it may be older than it looks. While the refresh
  // runs that a hint led to, the listing is as stale as before.
  if (!complete || !known.true_at || known.stale || (known.job && known.job->was_stale)) return result;
  // True in the future: the clock was set back, so nothing is known about the age.
  const int64_t age = context_->WallSeconds() - *known.true_at;
  result.fresh = age >= 0 && std::chrono::seconds(age) < context_->options.refresh_interval;
  return result;
}

void Refresher::NoteOpened(Ino directory) {
  const base::MonoTime now = context_->clock.Now();
  base::MutexLock lock(mutex_);
  directories_[directory].opened_at = now;
}

bool Refresher::OpenedLately(const Directory& directory) const {
  return directory.opened_at && context_->clock.Now() - *directory.opened_at < kHintsFollowed;
}

void Refresher::MarkStale(Ino directory) {
  base::MutexLock lock(mutex_);
  directories_[directory].stale = true;
}

std::shared_ptr<Waiter> Refresher::AddWaiter(const RefreshTarget& target, Waiter::Answer answer) {
  auto waiter = std::make_shared<Waiter>(context_, target.mailbox, std::move(answer));
  waiter->SetLeave([weak = weak_from_this(), ino = target.ino](const Waiter* leaving) {
    if (const auto self = weak.lock()) self->Leave(ino, leaving);
  });
  JobPtr job;
  bool launch = false;
  std::shared_ptr<model::Task> raise;
  bool stopped = false;
  {
    base::MutexLock lock(mutex_);
    stopped = stopped_;
    if (!stopped) {
      Directory& directory = directories_[target.ino];
      launch = !directory.job;
      job = launch ? NewJob(target, &directory) : directory.job;
      (job->abandoned ? job->next : job->waiters).push_back(waiter);
      if (!job->abandoned && !std::exchange(job->urgent, true)) raise = job->task;
    }
  }
  if (stopped) waiter->Finish(ShutDownError());
  if (launch) Launch(job);
  if (raise) raise->Raise(model::Priority::kWaiting);
  return waiter;
}

Refresher::JobPtr Refresher::NewJob(const RefreshTarget& target, Directory* directory) {
  auto job = std::make_shared<Job>();
  job->target = target;
  job->asked_at = context_->WallSeconds();
  job->was_stale = std::exchange(directory->stale, false);
  directory->job = job;
  return job;
}

std::shared_ptr<Wait> Refresher::Join(const RefreshTarget& target, Waiter::Answer answer) {
  std::shared_ptr<Waiter> waiter = AddWaiter(target, std::move(answer));
  return waiter->finished() ? nullptr : waiter;
}

std::shared_ptr<Wait> Refresher::JoinWithGrace(const RefreshTarget& target, Waiter::Answer answer) {
  std::shared_ptr<Waiter> waiter = AddWaiter(target, std::move(answer));
  if (waiter->finished()) return nullptr;
  const std::weak_ptr<Waiter> weak = waiter;
  if (context_->options.refresh_grace <= base::Duration::zero()) {
    EndGrace(target.ino, weak);
    return nullptr;
  }
  timer_.At(context_->clock.Now() + context_->options.refresh_grace,
            [this, ino = target.ino, weak] { EndGrace(ino, weak); });
  return waiter;
}

void Refresher::EndGrace(Ino ino, const std::weak_ptr<Waiter>& weak) {
  const std::shared_ptr<Waiter> waiter = weak.lock();
  if (!waiter || waiter->finished()) return;
  {
    base::MutexLock lock(mutex_);
    const JobPtr job = directories_[ino].job;
    if (job && Take(&job->waiters, waiter.get())) job->background = true;
    if (job) Take(&job->next, waiter.get());
  }
  waiter->Finish(std::nullopt);
}

void Refresher::StartInBackground(const RefreshTarget& target) {
  JobPtr job;
  {
    base::MutexLock lock(mutex_);
    if (stopped_) return;
    Directory& directory = directories_[target.ino];
    if (directory.job) {
      directory.job->background = true;
      return;
    }
    job = NewJob(target, &directory);
    job->background = true;
  }
  Launch(job);
}

void Refresher::Launch(const JobPtr& job) {
  model::Priority priority = model::Priority::kRefresh;
  {
    base::MutexLock lock(mutex_);
    if (job->urgent) priority = model::Priority::kWaiting;
  }
  std::shared_ptr<model::Task> task;
  try {
    task = job->target.folder_list ? StartFolderList(job, priority) : StartListing(job, priority);
  } catch (...) {
    Finish(job, base::CurrentError());
    return;
  }
  bool cancel = false;
  bool raise = false;
  {
    base::MutexLock lock(mutex_);
    if (job->finished) return;
    job->task = task;
    cancel = job->cancel;
    raise = job->urgent && priority != model::Priority::kWaiting;
  }
  if (cancel) task->Cancel();
  if (raise) task->Raise(model::Priority::kWaiting);
}

std::shared_ptr<model::Task> Refresher::StartFolderList(const JobPtr& job, model::Priority priority) {
  const std::shared_ptr<model::MailSource> source = job->target.mailbox->source;
  std::vector<std::string> known;
  for (store::Folder& folder : context_->index.Folders(job->target.ino)) {
    if (folder.selectable) known.push_back(std::move(folder.id));
  }
  return source->ListFolders(
      std::move(known), priority,
      [weak = weak_from_this(), job](const base::Result<std::vector<model::FolderInfo>>& listed) {
        const auto self = weak.lock();
        if (!self) return;
        base::Status outcome;
        try {
          self->StoreFolders(job->target, listed.value());
        } catch (...) {
          outcome = base::CurrentError();
        }
        self->Finish(job, outcome);
      });
}

void Refresher::StoreFolders(const RefreshTarget& target, const std::vector<model::FolderInfo>& listed) {
  const std::vector<store::NewFolder> folders = PlanFolders(listed);
  if (folders.empty()) {
    // Every mailbox has an INBOX (RFC 3501 section 5.1); an empty list is a fault at the server.
    throw base::Error(ErrorKind::kServer,
                      base::Format("listing the folders of {}: the server named none, not even INBOX; what was known "
                                   "before is kept",
                                   target.mailbox->name));
  }
  const std::vector<store::Removed> removed =
      context_->index.ReplaceFolders(target.ino, folders, context_->WallSeconds());
  NotifyRemoved(*context_, removed);
  context_->notifier.AttributesChanged(target.ino);
  const std::vector<std::string> hidden = HiddenPaths(listed);
  if (target.mailbox->SetHidden(hidden) && !hidden.empty()) {
    base::LogInfo(
        "{}: {} not shown, because they hold no mail or by the configuration ({}{}): 'mailboxfs status' names them, "
        "\"folders\": {{ \"include\": [...] }} shows them",
        target.mailbox->name, base::CountOf(hidden.size(), "folder"), base::Printable(hidden.front()),
        hidden.size() > 1 ? ", ..." : "");
  }
}

std::shared_ptr<model::Task> Refresher::StartListing(const JobPtr& job, model::Priority priority) {
  const std::optional<store::Folder> folder = context_->index.GetFolder(job->target.ino);
  if (!folder) {
    throw base::Error(ErrorKind::kGone, "listing a folder of " + job->target.mailbox->name +
                                            ": the folder has been deleted or renamed at the server");
  }
  const int64_t scan_age = context_->WallSeconds() - folder->scanned_at;
  model::RefreshRequest request;
  request.folder_id = folder->id;
  request.last = folder->listed;
  request.full =
      folder->scanned_at == 0 || scan_age < 0 || std::chrono::seconds(scan_age) >= context_->options.scan_interval;
  // A listing that broke off has left messages but no state to compare the server's with.
  request.full = request.full || (folder->listed.exists == 0 && folder->messages > 0);
  const auto self = weak_from_this();
  const std::weak_ptr<Job> weak_job = job;
  auto listing = std::make_shared<Listing>(context_, *folder, request.full, [self, weak_job] {
    const auto refresher = self.lock();
    const auto failed = weak_job.lock();
    if (refresher && failed) refresher->CancelTask(failed);
  });
  {
    base::MutexLock lock(mutex_);
    job->listing = listing;
  }
  return job->target.mailbox->source->Refresh(request, listing, priority,
                                              [self, job, listing](const base::Status& status) {
                                                const auto refresher = self.lock();
                                                if (refresher) refresher->Finish(job, listing->Finish(status));
                                              });
}

void Refresher::Finish(const JobPtr& job, const base::Status& outcome) {
  const std::optional<Aftermath> settled = Settle(job, outcome);
  if (!settled) return;
  const Aftermath& after = *settled;
  Report(*job, outcome, after.first_failure);
  if (SaysFolderIsGone(outcome) && !job->target.folder_list) {
    StartInBackground({job->target.mailbox, job->target.mailbox->ino, true});
  }
  for (const std::shared_ptr<Waiter>& waiter : after.answered) waiter->Finish(outcome);
  if (after.restarted) Launch(after.restarted);
  if (after.again) StartInBackground(job->target);
}

std::optional<Refresher::Aftermath> Refresher::Settle(const JobPtr& job, const base::Status& outcome) {
  const bool cancelled = outcome && outcome->kind() == ErrorKind::kCancelled;
  Aftermath after;
  base::MutexLock lock(mutex_);
  if (std::exchange(job->finished, true)) return std::nullopt;
  Directory& directory = directories_[job->target.ino];
  directory.job = nullptr;
  job->task = nullptr;
  after.answered = std::exchange(job->waiters, {});
  if (!outcome) {
    directory.failed = false;
    // A folder that is being listed tells its changes meanwhile; the list of folders does not.
    directory.true_at = job->target.folder_list ? job->asked_at : context_->WallSeconds();
    directory.last_error.clear();
    after.again = directory.stale && OpenedLately(directory) && !stopped_;
  } else {
    directory.stale = directory.stale || job->was_stale;
    if (!cancelled) {
      after.first_failure = !std::exchange(directory.failed, true);
      directory.last_error = outcome->what();
    }
  }
  const bool wanted = !job->next.empty() || (job->abandoned && job->background);
  if (cancelled && job->abandoned && wanted && !stopped_) {
    after.restarted = NewJob(job->target, &directory);
    after.restarted->waiters = std::exchange(job->next, {});
    after.restarted->urgent = !after.restarted->waiters.empty();
    after.restarted->background = job->background;
  } else {
    after.answered.insert(after.answered.end(), job->next.begin(), job->next.end());
    job->next.clear();
  }
  return after;
}

void Refresher::Report(const Job& job, const base::Status& outcome, bool first_failure) {
  MailboxState& mailbox = *job.target.mailbox;
  if (!outcome) {
    if (mailbox.outage.exchange(false)) base::LogInfo("{}: can be refreshed again", mailbox.name);
    return;
  }
  if (outcome->kind() == ErrorKind::kCancelled) return;
  const bool first = IsOutage(outcome->kind()) ? !mailbox.outage.exchange(true) : first_failure;
  base::Log(first ? base::LogLevel::kWarning : base::LogLevel::kDebug,
            "{}: not refreshed, what is known is shown as it is: {}. If it stays so, run '{} {}'", mailbox.name,
            outcome->what(), context_->options.check_command, mailbox.name);
}

void Refresher::Leave(Ino ino, const Waiter* waiter) {
  JobPtr job;
  {
    base::MutexLock lock(mutex_);
    job = directories_[ino].job;
    if (!job || Take(&job->next, waiter) || !Take(&job->waiters, waiter)) return;
    if (job->abandoned || job->background || !job->waiters.empty()) return;
    job->abandoned = true;
  }
  CancelTask(job);
}

void Refresher::CancelTask(const JobPtr& job) {
  std::shared_ptr<model::Task> task;
  {
    base::MutexLock lock(mutex_);
    job->cancel = true;
    task = job->task;
  }
  if (task) task->Cancel();
}

void Refresher::OnHint(const std::shared_ptr<MailboxState>& mailbox, const std::string& folder_id) {
  Ino ino = 0;
  try {
    const std::optional<store::Folder> folder = context_->index.FindFolder(mailbox->ino, folder_id);
    if (!folder) return;
    ino = folder->ino;
  } catch (const base::Error& error) {
    base::LogWarning("{}: a change in a folder was not noted: {}", mailbox->name, error.what());
    return;
  }
  bool refresh = false;
  {
    base::MutexLock lock(mutex_);
    Directory& directory = directories_[ino];
    directory.stale = true;
    // While a refresh runs, its end starts the next one.
    refresh = !directory.job && OpenedLately(directory);
  }
  if (refresh) StartInBackground({mailbox, ino, false});
}

RefreshState Refresher::StateOf(Ino ino) {
  RefreshState state;
  base::MutexLock lock(mutex_);
  const auto found = directories_.find(ino);
  if (found == directories_.end()) return state;
  const Directory& directory = found->second;
  state.refreshing = directory.job != nullptr;
  state.last_error = directory.last_error;
  if (directory.job && directory.job->listing) state.progress = directory.job->listing->progress();
  return state;
}

void Refresher::Stop() {
  base::MutexLock lock(mutex_);
  stopped_ = true;
}

void Refresher::Drain() {
  timer_.Stop();
  std::vector<JobPtr> left;
  {
    base::MutexLock lock(mutex_);
    for (const auto& [ino, directory] : directories_) {
      if (directory.job) left.push_back(directory.job);
    }
  }
  for (const JobPtr& job : left) Finish(job, ShutDownError());
}

}  // namespace mailboxfs::tree
