#include "mail/worker.h"

#include <algorithm>
#include <utility>

#include "mail/login.h"
#include "mailboxfs/base/log.h"

namespace mailboxfs::mail {
namespace {

using base::Error;
using base::ErrorKind;

// Jobs tend to follow each other; IDLE would cost each of them a round trip.
constexpr base::Duration kIdleGrace = std::chrono::seconds(2);
// A connection is retired so long before its token ends, or a tenth of the token's time if that is less.
constexpr base::Duration kTokenMargin = std::chrono::minutes(5);
// The only connection of a mailbox is kept so long though others wait for a place.
constexpr base::Duration kFairTurn = std::chrono::seconds(10);

// Errors that do not say themselves what was tried.
bool NeedsContext(ErrorKind kind) {
  return kind == ErrorKind::kNetwork || kind == ErrorKind::kTls || kind == ErrorKind::kTimeout ||
         kind == ErrorKind::kProtocol;
}

}  // namespace

Worker::Worker(Fetcher& fetcher)
    : fetcher_(fetcher),
      signals_(std::make_shared<Signals>()),
      context_{fetcher.options(), fetcher.environment(), fetcher.mailbox(), *signals_} {}

Worker::~Worker() { Join(); }

void Worker::Start() {
  thread_ = std::thread([this] { Main(); });
}

void Worker::Join() {
  if (thread_.joinable()) thread_.join();
}

void Worker::Main() {
  for (;;) {
    if (connection_ == nullptr) {
      if (!fetcher_.AwaitNeed(*this)) return;
      Connect();
    } else if (served_ && Now() >= retire_at_) {
      // Not before it was of use: a token may live no longer than a login takes.
      Close();
    } else if (const Fetcher::JobPtr job = fetcher_.Take(*this, OpenFolder())) {
      RunJob(job);
      DropIfBroken();
      if (ShouldYield() || IsRetired()) Close();
    } else {
      WaitForJobs();
    }
  }
}

void Worker::Connect() {
  const ImapOptions& options = fetcher_.options();
  const ImapEnvironment& environment = fetcher_.environment();
  const auto deadline = base::Deadline::After(environment.clock, options.timeouts.connect + options.timeouts.login);
  const auto not_needed = [this] { return fetcher_.NotNeeded(*this); };
  place_ = environment.budget.Acquire(environment.clock, deadline, not_needed);
  if (place_ == nullptr) {
    if (!not_needed()) {
      fetcher_.OnNoPlace(
          *this, Error(ErrorKind::kTimeout, base::Format("{}: all {} connections that are allowed in total are in use",
                                                         options.name, environment.budget.limit())));
    }
    return;
  }
  LoginTrace trace;
  trace.turn = fetcher_.governor().turns().Acquire(environment.clock, deadline, not_needed);
  if (trace.turn == nullptr) {
    place_.reset();
    if (!not_needed()) {
      fetcher_.OnNoPlace(
          *this,
          Error(ErrorKind::kTimeout, base::Format("{}: other mailboxes of the account are being connected, which takes "
                                                  "too long",
                                                  options.name)));
    }
    return;
  }
  // The wait for a place and a turn may have been long.
  if (fetcher_.PausedUntil() > Now()) {
    place_.reset();
    return;
  }
  try {
    connection_ = OpenConnection(context_, trace);
  } catch (...) {
    place_.reset();
    trace.turn.reset();
    fetcher_.OnConnectFailed(*this, base::CurrentError().WithContext(options.name), trace);
    return;
  }
  base::LogInfo("{}: connected to {} ({})", options.name, options.endpoint.host,
                trace.mechanism.empty() ? "no login needed" : trace.mechanism);
  fetcher_.governor().SetDailyLimit(options.profile.daily_octets.value_or(connection_->profile().daily_octets));
  connected_at_ = last_job_ = last_command_ = Now();
  idle_refused_ = served_ = false;
  const base::MonoTime expires = connection_->token_expires();
  retire_at_ =
      expires == base::MonoTime::max()
          ? expires
          : expires - std::clamp<base::Duration>((expires - connected_at_) / 10, base::Duration::zero(), kTokenMargin);
  fetcher_.OnConnected(*this);
}

void Worker::RunJob(const Fetcher::JobPtr& job) {
  // How much that is may be known since the login only.
  if (base::Status spent = fetcher_.Unaffordable(*job->work)) {
    fetcher_.OnJobRefused(*this, job, *spent);
    job->work.reset();
    return;
  }
  const Fetcher::JobPtr outer = std::exchange(current_, job);
  connection_->wire().SetInterrupt(this);
  base::Status failure;
  try {
    job->work->Run(*connection_, [this, &job] { ServeUrgent(job); });
  } catch (...) {
    failure = base::CurrentError();
  }
  last_job_ = last_command_ = Now();
  served_ = true;
  bool ended = true;
  if (failure) {
    const std::string& name = fetcher_.options().name;
    const Error error =
        failure->WithContext(NeedsContext(failure->kind()) ? base::Format("{}: {}", name, job->work->what()) : name);
    const bool innocent = std::exchange(lost_during_other_, false);
    const bool lost = connection_->broken() || connection_->retired();
    ended = fetcher_.OnJobFailed(*this, job, error, innocent ? Loss::kByAnother : lost ? Loss::kByJob : Loss::kNone);
  } else {
    fetcher_.OnJobDone(*this, job);
  }
  // Not if it waits in the queue: it is somebody else's then.
  if (ended) job->work.reset();
  current_ = outer;
  if (current_ == nullptr) connection_->wire().SetInterrupt(nullptr);
}

void Worker::ServeUrgent(const Fetcher::JobPtr& than) {
  while (const Fetcher::JobPtr job = fetcher_.TakeMoreUrgent(*this, *than, OpenFolder())) {
    RunJob(job);
    if (connection_->broken() || connection_->retired()) {
      lost_during_other_ = true;
      throw Error(ErrorKind::kNetwork, "the connection was lost during a more urgent task");
    }
  }
}

bool Worker::Cancelled() {
  if (current_ == nullptr || !fetcher_.IsCancelled(*current_)) return false;
  // Whoever waits need not wait for the rest of the answer.
  fetcher_.Finish(current_, Error(ErrorKind::kCancelled, "the task was cancelled"));
  return true;
}

void Worker::WaitForJobs() {
  if (!fetcher_.EnterIdle(*this, OpenFolder())) {
    if (signals_->stop.IsSet()) Close();
    return;
  }
  signals_->close_wanted = false;
  place_->SetIdle([signals = signals_] {
    signals->close_wanted = true;
    signals->wake.Set();
  });
  bool keep = true;
  try {
    while (keep && !fetcher_.HasWork(*this)) keep = WaitOnce();
  } catch (...) {
    const Error error = base::CurrentError();
    base::LogDebug("{}: an idle connection ended: {}", fetcher_.options().name, error.what());
    if (error.kind() == ErrorKind::kThrottled) fetcher_.OnThrottled(error);
  }
  place_->SetBusy();
  const bool called = fetcher_.LeaveIdle(*this);
  DropIfBroken();
  if (!keep && !called) Close();
}

bool Worker::CanIdle() const {
  return fetcher_.options().idle && !idle_refused_ && connection_->examined().has_value() && connection_->Has("IDLE");
}

bool Worker::WaitOnce() {
  // Cleared before looking around: what is set later ends the wait.
  signals_->wake.Clear();
  const Timeouts& timeouts = fetcher_.options().timeouts;
  const base::MonoTime now = Now();
  const base::MonoTime close_at = std::min(last_job_ + timeouts.idle, retire_at_);
  if (signals_->stop.IsSet() || signals_->close_wanted || now >= close_at) return false;
  if (fetcher_.HasWork(*this)) return true;
  const auto on_change = [this] { fetcher_.NotifyChange(OpenFolder()); };
  const base::MonoTime paused_until = fetcher_.PausedUntil();
  const base::MonoTime keepalive_at = last_command_ + timeouts.keepalive;
  if (now < paused_until) {
    connection_->WaitIdle(base::Deadline::At(std::min(close_at, paused_until)), on_change);
  } else if (now >= keepalive_at) {
    connection_->Noop(on_change);
    last_command_ = Now();
  } else if (const base::MonoTime grace_end = last_job_ + kIdleGrace; CanIdle() && now < grace_end) {
    connection_->WaitIdle(base::Deadline::At(std::min(close_at, grace_end)), on_change);
  } else if (CanIdle() && fetcher_.ClaimIdle(*this)) {
    idle_refused_ = !connection_->Idle(base::Deadline::At(std::min(close_at, now + timeouts.keepalive)), on_change);
    last_command_ = Now();
  } else {
    connection_->WaitIdle(base::Deadline::At(std::min(close_at, keepalive_at)), on_change);
  }
  return true;
}

bool Worker::ShouldYield() const {
  return connection_ != nullptr && place_->Wanted() && (fetcher_.connected() > 1 || Now() - connected_at_ >= kFairTurn);
}

bool Worker::IsRetired() const { return connection_ != nullptr && connection_->retired(); }

void Worker::DropIfBroken() {
  if (connection_ == nullptr || !connection_->broken()) return;
  connection_.reset();
  place_.reset();
  fetcher_.OnDisconnected(*this);
}

void Worker::Close() {
  if (connection_ == nullptr) return;
  fetcher_.OnClosing(*this);
  connection_->Logout();
  connection_.reset();
  place_.reset();
  fetcher_.OnDisconnected(*this);
}

std::string Worker::OpenFolder() const {
  return connection_ != nullptr && connection_->examined() ? connection_->examined()->folder_id : std::string();
}

}  // namespace mailboxfs::mail
