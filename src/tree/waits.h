#pragma once

#include <atomic>
#include <functional>
#include <memory>

#include "context.h"
#include "mailboxfs/base/mutex.h"

namespace mailboxfs::tree {

// One caller who waits. Whoever comes first, the work's end or the caller's leaving, decides
// the answer; it is given once, with no lock held. Thread-safe.
class Waiter : public Wait {
 public:
  // What ended the wait: the work, or the caller, who then gets just the error he gave.
  enum class EndedBy { kWork, kCaller };
  using Answer = std::function<void(const base::Status&, EndedBy)>;
  using Leave = std::function<void(const Waiter*)>;

  Waiter(std::shared_ptr<Context> context, std::shared_ptr<MailboxState> mailbox, Answer answer);
  ~Waiter() override;

  // To be told when the caller leaves early; set before anybody else sees the waiter.
  void SetLeave(Leave leave);

  // The work has ended: gives the answer, unless one had been given.
  void Finish(const base::Status& status) { End(status, EndedBy::kWork); }
  bool finished() const { return finished_.load(); }

  void Cancel(const base::Error& error) override;
  // Not before the wait began: what came earlier says nothing about this wait.
  base::MonoTime LastProgress() const override;

 private:
  // False if the answer had been given.
  bool End(const base::Status& status, EndedBy by);

  const std::shared_ptr<Context> context_;
  const std::shared_ptr<MailboxState> mailbox_;
  const base::MonoTime began_;
  std::atomic<bool> finished_{false};
  base::Mutex mutex_;
  Answer answer_ GUARDED_BY(mutex_);
  Leave leave_ GUARDED_BY(mutex_);
};

// Two waits, one after the other, as one: the second begins when the first has ended well.
// Thread-safe.
class StagedWait : public Wait {
 public:
  // `wait` is what stage `stage` (1 or 2) waits for, null if that ended at once. The second may
  // be told of before the first, by another thread.
  void Follow(int stage, const std::shared_ptr<Wait>& wait);
  // The answer has been given.
  void Finish() { finished_ = true; }
  bool finished() const { return finished_.load(); }

  void Cancel(const base::Error& error) override;
  base::MonoTime LastProgress() const override;

 private:
  std::atomic<bool> finished_{false};
  mutable base::Mutex mutex_;
  int stage_ GUARDED_BY(mutex_) = 0;
  std::shared_ptr<Wait> current_ GUARDED_BY(mutex_);
  base::Status cancelled_ GUARDED_BY(mutex_);
};

}  // namespace mailboxfs::tree
