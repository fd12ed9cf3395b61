// The side of Fetcher that its workers see.
#include <algorithm>
#include <utility>

#include "mail/fetcher.h"
#include "mail/login.h"
#include "mail/refusal.h"
#include "mail/worker.h"
#include "mailboxfs/base/log.h"

namespace mailboxfs::mail {
namespace {

using base::Error;
using base::ErrorKind;

constexpr unsigned kMaxThrottled = 5;
// So many connection attempts are made before jobs fail for trouble that tends to pass.
constexpr unsigned kQuietAttempts = 3;
// How long the server is not asked for more connections than it gave.
constexpr base::Duration kReducedTime = std::chrono::minutes(5);
// Bytes this recent show that the network itself works.
constexpr base::Duration kRecent = std::chrono::seconds(5);

bool IsNetworkTrouble(ErrorKind kind) {
  return kind == ErrorKind::kNetwork || kind == ErrorKind::kTls || kind == ErrorKind::kTimeout;
}

// kCancelled: the wire was interrupted for a reason that had gone by then.
bool IsBreak(ErrorKind kind) {
  return kind == ErrorKind::kNetwork || kind == ErrorKind::kTls || kind == ErrorKind::kProtocol ||
         kind == ErrorKind::kCancelled;
}

}  // namespace

bool Fetcher::AwaitNeed(Worker& worker) {
  base::MutexLock lock(mutex_);
  worker.state = Worker::State::kConnecting;
  for (;;) {
    if (shutdown_ || worker.leave || !IsNeeded(worker)) {
      worker.state = Worker::State::kFinished;
      EndProbe(worker);
      queue_.Unbind(&worker);
      Engage();
      return false;
    }
    const base::MonoTime start = std::max(worker.not_before, governor_->paused_until());
    const base::MonoTime now = environment_.clock.Now();
    if (now >= start) return true;
    changed_.WaitUntil(mutex_, std::chrono::steady_clock::now() + (start - now));
  }
}

bool Fetcher::IsNeeded(const Worker& worker) const { return queue_.HasFor(&worker) || probe_ == &worker; }

void Fetcher::EndProbe(const Worker& worker) {
  if (probe_ != &worker) return;
  probe_ = nullptr;
  governor_->ReleaseProbe(this);
}

bool Fetcher::NotNeeded(const Worker& worker) const {
  base::MutexLock lock(mutex_);
  return shutdown_ || !IsNeeded(worker);
}

void Fetcher::OnConnected(Worker& worker) {
  base::MutexLock lock(mutex_);
  worker.state = Worker::State::kSeeking;
  ++connected_;
  quiet_failures_ = 0;
  governor_->OnConnected();
  EndProbe(worker);
  backoff_.OnSuccess();
  last_error_.reset();
  Engage();
}

void Fetcher::OnClosing(Worker& worker) {
  base::MutexLock lock(mutex_);
  worker.state = Worker::State::kBusy;
  Engage();
}

void Fetcher::OnDisconnected(Worker& worker) {
  base::MutexLock lock(mutex_);
  worker.state = Worker::State::kConnecting;
  --connected_;
}

void Fetcher::OnConnectFailed(Worker& worker, const Error& error, const LoginTrace& trace) {
  std::vector<Ended> ended;
  {
    base::MutexLock lock(mutex_);
    worker.leave = true;
    if (shutdown_) return;
    last_error_ = error;
    if (trace.reached) governor_->OnReached();
    if (error.kind() != ErrorKind::kLoginRefused) governor_->OnConnectFailed();
    const base::MonoTime now = environment_.clock.Now();
    const bool others_work =
        connected_ > 0 && (!IsNetworkTrouble(error.kind()) || now - mailbox_.last_progress() < kRecent);
    const bool may_pass = error.kind() == ErrorKind::kServer || error.kind() == ErrorKind::kProtocol;
    // A token endpoint's pause is its own; it is kept where tokens are asked for.
    if (error.kind() == ErrorKind::kThrottled && trace.layer != ProbeReport::Layer::kToken) {
      worker.leave = !Pause(error, nullptr, quiet_failures_, ended);
    } else if (others_work) {
      base::LogInfo("{}; going on with {}", error.what(), base::CountOf(connected_, "connection"));
      reduced_to_ = connected_;
      reduced_until_ = now + kReducedTime;
    } else if (may_pass && ++quiet_failures_ < kQuietAttempts) {
      base::LogInfo("{}; trying again", error.what());
      worker.leave = false;
      worker.not_before = now + backoff_.QuietDelay(quiet_failures_);
    } else {
      GiveUp(worker, error, trace.reached, ended);
    }
  }
  governor_->Publish(this);
  FinishAll(std::move(ended));
}

void Fetcher::GiveUp(Worker& worker, const Error& error, bool reached, std::vector<Ended>& ended) {
  quiet_failures_ = 0;
  const bool known = governor_->unreachable().has_value();
  backoff_.OnFailure(error);
  FailQueued(error, ended);
  if (!reached && IsNetworkTrouble(error.kind()) && connected_ == 0) {
    governor_->OnUnreachable(error);
    if (governor_->ClaimProbe(this)) {
      probe_ = &worker;
      worker.leave = false;
      worker.not_before = environment_.clock.Now() + backoff_.Left();
    }
  } else {
    EndProbe(worker);
  }
  base::Log(known ? base::LogLevel::kDebug : base::LogLevel::kWarning, "{}; next attempt in {} s", error.what(),
            std::chrono::ceil<std::chrono::seconds>(backoff_.Left()).count());
}

void Fetcher::OnNoPlace(Worker& worker, const Error& error) {
  std::vector<Ended> ended;
  {
    base::MutexLock lock(mutex_);
    worker.leave = true;
    if (shutdown_ || connected_ > 0) return;
    last_error_ = error;
    FailQueued(error, ended);
  }
  base::LogWarning("{}", error.what());
  FinishAll(std::move(ended));
}

Fetcher::JobPtr Fetcher::Take(Worker& worker, const std::string& open_folder) {
  base::MutexLock lock(mutex_);
  worker.state = Worker::State::kSeeking;
  if (shutdown_ || Paused()) return nullptr;
  JobPtr job = queue_.Take(&worker, open_folder);
  if (job == nullptr) return nullptr;
  worker.state = Worker::State::kBusy;
  ++worker.jobs;
  job->state = Job::State::kRunning;
  job->runner = &worker;
  job->only_worker = nullptr;
  // Whatever it was set for is over; a cancel of this job comes later, under the lock.
  worker.signals().wake.Clear();
  Engage();
  return job;
}

Fetcher::JobPtr Fetcher::TakeMoreUrgent(Worker& worker, const Job& running, const std::string& open_folder) {
  base::MutexLock lock(mutex_);
  if (shutdown_ || Paused()) return nullptr;
  JobPtr job = queue_.Take(&worker, open_folder, &running.priority);
  if (job == nullptr) return nullptr;
  ++worker.jobs;
  job->state = Job::State::kRunning;
  job->runner = &worker;
  job->only_worker = nullptr;
  return job;
}

// Before anybody is told: whoever submits the next job then finds a worker that looks for one.
void Fetcher::OnJobEnded(Worker& worker) {
  if (--worker.jobs == 0) worker.state = Worker::State::kSeeking;
}

void Fetcher::OnJobRefused(Worker& worker, const JobPtr& job, const Error& error) {
  {
    base::MutexLock lock(mutex_);
    OnJobEnded(worker);
  }
  Finish(job, error);
}

void Fetcher::OnJobDone(Worker& worker, const JobPtr& job) {
  {
    base::MutexLock lock(mutex_);
    OnJobEnded(worker);
    backoff_.OnSuccess();
    last_error_.reset();
  }
  governor_->Publish(this);
  Finish(job, std::nullopt);
}

bool Fetcher::OnJobFailed(Worker& worker, const JobPtr& job, const Error& error, Loss loss) {
  std::vector<Ended> ended;
  base::Status status = error;
  bool waits = false;
  {
    base::MutexLock lock(mutex_);
    OnJobEnded(worker);
    if (job->state == Job::State::kFinished) return true;
    if (job->cancelled || shutdown_) {
      status = Error(ErrorKind::kCancelled, "the task was cancelled");
    } else if (error.kind() == ErrorKind::kThrottled) {
      waits = Pause(error, job, job->throttled, ended);
    } else if (IsBreak(error.kind()) && !job->work->once() &&
               (loss == Loss::kByAnother || job->attempts == 0 || job->work->MadeProgress())) {
      if (loss != Loss::kByAnother) job->attempts = job->work->MadeProgress() ? 0 : job->attempts + 1;
      base::LogInfo("{}; trying again", error.what());
      Requeue(job, loss == Loss::kNone ? nullptr : &worker);
      return false;
    } else {
      if (error.kind() == ErrorKind::kCancelled) status = Error(ErrorKind::kNetwork, error.what());
      // One message's trouble is none of the mailbox's.
      if (!model::ConcernsMessageAlone(status->kind())) last_error_ = status;
    }
  }
  governor_->Publish(this);
  FinishAll(std::move(ended));
  if (waits) return false;
  Finish(job, std::move(status));
  return true;
}

void Fetcher::OnThrottled(const Error& error) {
  std::vector<Ended> ended;
  {
    base::MutexLock lock(mutex_);
    unsigned times = 0;
    Pause(error, nullptr, times, ended);
  }
  governor_->Publish(this);
  FinishAll(std::move(ended));
}

void Fetcher::Requeue(const JobPtr& job, Worker* only_worker) {
  job->state = Job::State::kQueued;
  job->runner = nullptr;
  job->only_worker = only_worker;
  queue_.PushFront(job);
}

// `job` waits for the pause's end if that is near and it is not the umpteenth of many `times`.
bool Fetcher::Pause(const Error& error, const JobPtr& job, unsigned& times, std::vector<Ended>& ended) {
  const base::Duration asked = mailbox_.TakePause();
  // Otherwise it was another connection that was asked for it.
  const bool new_pause = asked > base::Duration::zero();
  if (new_pause) ++times;
  const base::Duration left = new_pause ? governor_->Pause(error, asked) : governor_->PauseLeft();
  const auto seconds = std::chrono::ceil<std::chrono::seconds>(left).count();
  last_error_ = error;
  if (left <= kShortPause + kShortPause / 10 && times <= kMaxThrottled) {
    if (job != nullptr) Requeue(job, nullptr);
    base::Log(new_pause ? base::LogLevel::kInfo : base::LogLevel::kDebug, "{}; pausing for {} s", error.what(),
              seconds);
    return true;
  }
  FailQueued(error, ended);
  base::Log(new_pause ? base::LogLevel::kWarning : base::LogLevel::kDebug, "{}; pausing all of the account for {} s",
            error.what(), seconds);
  return false;
}

bool Fetcher::EnterIdle(Worker& worker, const std::string& open_folder) {
  base::MutexLock lock(mutex_);
  if (shutdown_ || (!Paused() && queue_.HasFor(&worker))) return false;
  worker.signals().wake.Clear();
  worker.state = Worker::State::kIdle;
  worker.open_folder = open_folder;
  return true;
}

bool Fetcher::HasWork(const Worker& worker) const {
  base::MutexLock lock(mutex_);
  return worker.state != Worker::State::kIdle || (!Paused() && queue_.HasFor(&worker));
}

bool Fetcher::ClaimIdle(Worker& worker) {
  base::MutexLock lock(mutex_);
  if (idling_ == nullptr) idling_ = &worker;
  return idling_ == &worker;
}

bool Fetcher::LeaveIdle(Worker& worker) {
  base::MutexLock lock(mutex_);
  if (idling_ == &worker) idling_ = nullptr;
  const bool called = worker.state != Worker::State::kIdle;
  worker.state = Worker::State::kSeeking;
  return called;
}

}  // namespace mailboxfs::mail
