#include "mail/fetcher.h"

#include <algorithm>
#include <utility>

#include "mail/worker.h"
#include "mailboxfs/base/log.h"

namespace mailboxfs::mail {

using base::Error;
using base::ErrorKind;

Fetcher::Fetcher(ImapOptions options, const ImapEnvironment& environment)
    : options_(std::move(options)),
      environment_(environment),
      governor_(options_.governor
                    ? options_.governor
                    : std::make_shared<Governor>(environment.clock, environment.random, Governor::Memory(), nullptr)),
      mailbox_(environment.clock.Now(), *governor_),
      backoff_(environment.clock, environment.random, options_.timeouts.retry) {}

Fetcher::~Fetcher() { Shutdown(); }

void Fetcher::SetChangeListener(model::MailSource::ChangeListener listener) { listener_ = std::move(listener); }

void Fetcher::NotifyChange(const std::string& folder_id) {
  if (listener_) listener_(folder_id);
}

Fetcher::JobPtr Fetcher::Submit(std::unique_ptr<Work> work, model::Priority priority) {
  auto job = std::make_shared<Job>(weak_from_this(), std::move(work), priority);
  std::vector<Ended> ended;
  std::list<std::unique_ptr<Worker>> finished;
  {
    base::MutexLock lock(mutex_);
    if (shutdown_) {
      FinishLocked(job, Error(ErrorKind::kCancelled, "the mailbox is being closed"), ended);
    } else if (base::Status hopeless = Hopeless(*job->work)) {
      FinishLocked(job, std::move(hopeless), ended);
    } else {
      queue_.PushBack(job);
      finished = TakeFinishedWorkers();
      Engage();
    }
  }
  for (const auto& worker : finished) worker->Join();
  FinishAll(std::move(ended));
  return job;
}

base::Status Fetcher::Hopeless(const Work& work) const {
  if (governor_->PauseLeft() > kShortPause + kShortPause / 10) return governor_->pause_reason();
  if (base::Status spent = Unaffordable(work)) return spent;
  if (connected_ > 0) return std::nullopt;
  return backoff_.Active() ? backoff_.error() : governor_->unreachable();
}

void Fetcher::OnAccountFailed(const Error& error) {
  std::vector<Ended> ended;
  {
    base::MutexLock lock(mutex_);
    // One mailbox's dead connections are not another's.
    if (shutdown_ || (connected_ > 0 && error.kind() != ErrorKind::kThrottled)) return;
    FailQueued(error, ended);
    changed_.NotifyAll();
  }
  environment_.budget.Wake();
  FinishAll(std::move(ended));
}

void Fetcher::Cancel(const JobPtr& job) {
  std::vector<Ended> ended;
  bool nothing_left = false;
  {
    base::MutexLock lock(mutex_);
    if (job->state == Job::State::kFinished) return;
    job->cancelled = true;
    if (job->state == Job::State::kQueued) {
      queue_.Remove(*job);
      FinishLocked(job, Error(ErrorKind::kCancelled, "the task was cancelled"), ended);
      nothing_left = queue_.empty();
      if (nothing_left) changed_.NotifyAll();
    } else {
      job->runner->signals().wake.Set();
    }
  }
  if (nothing_left) {
    environment_.budget.Wake();
    governor_->turns().Wake();
  }
  FinishAll(std::move(ended));
}

void Fetcher::Raise(Job& job, model::Priority priority) {
  base::MutexLock lock(mutex_);
  if (priority >= job.priority) return;
  if (job.state == Job::State::kQueued) {
    const JobPtr held = *job.position;
    queue_.Remove(job);
    job.priority = priority;
    queue_.PushBack(held);
  } else {
    job.priority = priority;
  }
}

model::SourceStatus Fetcher::GetStatus() const {
  model::SourceStatus status;
  status.server = mailbox_.server();
  status.capabilities = mailbox_.capabilities();
  if (const model::ServerProfile* profile = mailbox_.profile()) {
    status.profile = profile->name;
    status.exact_sizes = options_.profile.exact_sizes.value_or(profile->exact_sizes) && governor_->SizesHold();
  }
  status.bodies_fetched = mailbox_.bodies_fetched();
  status.bytes_received = mailbox_.bytes_received();
  base::MutexLock lock(mutex_);
  status.connections = connected_;
  status.queued = queue_.size();
  if (last_error_) {
    status.last_error = last_error_->what();
    status.last_error_kind = last_error_->kind();
  }
  const bool connecting = std::any_of(workers_.begin(), workers_.end(), [](const std::unique_ptr<Worker>& worker) {
    return worker->state == Worker::State::kConnecting;
  });
  const base::Duration wait = std::max(backoff_.Left(), governor_->PauseLeft());
  status.retry_in_seconds = std::chrono::ceil<std::chrono::seconds>(wait).count();
  status.state = wait > base::Duration::zero() ? "backing off"
                 : connected_ > 0              ? "connected"
                 : connecting                  ? "connecting"
                                               : "idle";
  return status;
}

void Fetcher::Shutdown() {
  std::vector<Ended> ended;
  std::list<std::unique_ptr<Worker>> workers;
  {
    base::MutexLock lock(mutex_);
    if (shutdown_) {
      while (!joined_) changed_.Wait(mutex_);
      return;
    }
    shutdown_ = true;
    FailQueued(Error(ErrorKind::kCancelled, "the mailbox is being closed"), ended);
    for (const auto& worker : workers_) {
      worker->signals().stop.Set();
      worker->signals().wake.Set();
    }
    workers.swap(workers_);
    changed_.NotifyAll();
  }
  environment_.budget.Wake();
  governor_->turns().Wake();
  FinishAll(std::move(ended));
  for (const auto& worker : workers) worker->Join();
  governor_->ReleaseProbe(this);
  governor_->Publish(this);
  base::MutexLock lock(mutex_);
  joined_ = true;
  changed_.NotifyAll();
}

void Fetcher::FinishAll(std::vector<Ended> ended) {
  for (Ended& entry : ended) {
    entry.job->work->Done(std::move(entry.status));
    entry.job->work.reset();
  }
}

void Fetcher::FinishLocked(const JobPtr& job, base::Status status, std::vector<Ended>& ended) {
  job->state = Job::State::kFinished;
  job->runner = nullptr;
  ended.push_back({job, std::move(status)});
}

void Fetcher::FailQueued(const Error& error, std::vector<Ended>& ended) {
  for (const JobPtr& job : queue_.TakeAll()) FinishLocked(job, error, ended);
}

void Fetcher::Finish(const JobPtr& job, base::Status status) {
  {
    base::MutexLock lock(mutex_);
    if (job->state == Job::State::kFinished) return;
    job->state = Job::State::kFinished;
    job->runner = nullptr;
  }
  // The work itself stays: it may be in the middle of Run.
  job->work->Done(std::move(status));
}

bool Fetcher::IsCancelled(const Job& job) const {
  base::MutexLock lock(mutex_);
  return job.cancelled;
}

// --- Who works ----------------------------------------------------------------------------

void Fetcher::Engage() {
  if (shutdown_ || queue_.empty() || WakeIdleWorker() || !MayAddWorker()) return;
  auto worker = std::make_unique<Worker>(*this);
  worker->Start();
  workers_.push_back(std::move(worker));
}

bool Fetcher::WakeIdleWorker() {
  const Job* next = queue_.Front();
  Worker* best = nullptr;
  for (const auto& worker : workers_) {
    if (worker->state != Worker::State::kIdle || !queue_.HasFor(worker.get())) continue;
    // One that has the folder open saves a command; one that is not in IDLE saves another.
    const bool better = best == nullptr || (worker->open_folder == next->folder && best->open_folder != next->folder) ||
                        (best == idling_ && best->open_folder != next->folder);
    if (better) best = worker.get();
  }
  if (best == nullptr) return false;
  best->state = Worker::State::kSeeking;
  best->signals().wake.Set();
  return true;
}

bool Fetcher::MayAddWorker() const {
  size_t active = 0;
  size_t coming = 0;  // Those that will take a job each.
  for (const auto& worker : workers_) {
    if (worker->state != Worker::State::kFinished) ++active;
    if (worker->state == Worker::State::kConnecting || worker->state == Worker::State::kSeeking) ++coming;
  }
  // The first connection shows whether others are of any use.
  if (active > 0 && (connected_ == 0 || Paused())) return false;
  return active < AllowedWorkers() && coming < queue_.size();
}

size_t Fetcher::AllowedWorkers() const {
  size_t allowed = std::max<size_t>(1, options_.connections);
  if (const model::ServerProfile* profile = mailbox_.profile()) allowed = std::min(allowed, profile->max_connections);
  const bool reduced = reduced_to_ > 0 && environment_.clock.Now() < reduced_until_;
  return reduced ? std::min(allowed, reduced_to_) : allowed;
}

std::list<std::unique_ptr<Worker>> Fetcher::TakeFinishedWorkers() {
  std::list<std::unique_ptr<Worker>> finished;
  for (auto it = workers_.begin(); it != workers_.end();) {
    const auto next = std::next(it);
    if ((*it)->state == Worker::State::kFinished) finished.splice(finished.end(), workers_, it);
    it = next;
  }
  return finished;
}

bool Fetcher::Paused() const { return environment_.clock.Now() < governor_->paused_until(); }

unsigned Fetcher::connected() const {
  base::MutexLock lock(mutex_);
  return connected_;
}

}  // namespace mailboxfs::mail
