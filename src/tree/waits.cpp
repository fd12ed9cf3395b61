#include "waits.h"

#include <algorithm>
#include <utility>

namespace mailboxfs::tree {

Waiter::Waiter(std::shared_ptr<Context> context, std::shared_ptr<MailboxState> mailbox, Answer answer)
    : context_(std::move(context)),
      mailbox_(std::move(mailbox)),
      began_(context_->clock.Now()),
      answer_(std::move(answer)) {
  ++context_->waiting;
}

Waiter::~Waiter() {
  if (!finished()) --context_->waiting;
}

void Waiter::SetLeave(Leave leave) {
  base::MutexLock lock(mutex_);
  leave_ = std::move(leave);
}

bool Waiter::End(const base::Status& status, EndedBy by) {
  if (finished_.exchange(true)) return false;
  --context_->waiting;
  Answer answer;
  Leave leave;  // Dropped here: it may hold what holds the waiter.
  {
    base::MutexLock lock(mutex_);
    answer = std::exchange(answer_, nullptr);
    leave = std::exchange(leave_, nullptr);
  }
  answer(status, by);
  return true;
}

void Waiter::Cancel(const base::Error& error) {
  Leave leave;
  {
    base::MutexLock lock(mutex_);
    leave = leave_;
  }
  if (End(error, EndedBy::kCaller) && leave) leave(this);
}

base::MonoTime Waiter::LastProgress() const { return std::max(began_, mailbox_->source->LastProgress()); }

void StagedWait::Follow(int stage, const std::shared_ptr<Wait>& wait) {
  base::Status cancelled;
  {
    base::MutexLock lock(mutex_);
    if (stage < stage_) return;
    stage_ = stage;
    current_ = wait;
    cancelled = cancelled_;
  }
  if (cancelled && wait) wait->Cancel(*cancelled);
}

void StagedWait::Cancel(const base::Error& error) {
  std::shared_ptr<Wait> current;
  {
    base::MutexLock lock(mutex_);
    cancelled_ = error;
    current = current_;
  }
  if (current) current->Cancel(error);
}

base::MonoTime StagedWait::LastProgress() const {
  std::shared_ptr<Wait> current;
  {
    base::MutexLock lock(mutex_);
    current = current_;
  }
  return current ? current->LastProgress() : base::MonoTime::min();
}

}  // namespace mailboxfs::tree
