#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "context.h"
#include "exact_sizes.h"
#include "mailboxfs/base/mutex.h"
#include "waits.h"

namespace mailboxfs::tree {

// Bodies up to this size are complete before open is answered; longer ones are read while
// they come.
inline constexpr uint64_t kStreamThreshold = 256 * 1024;

// One body on its way into the cache, however many want it. It lives as long as somebody
// waits for it or has it open; the last one out cancels it. Bytes that were shown once stay
// what they are: a download that is started over or revived must repeat them. Thread-safe; the BodySink
// is called by one source thread at a time. No lock is held while anything else is called.
class Download : public model::BodySink, public std::enable_shared_from_this<Download> {
 public:
  // Who keeps the downloads. The first three are called at most once per start.
  struct Hooks {
    std::function<void(const base::Error&)> failed;  // Before the waiters are told.
    std::function<void()> succeeded;                 // The same: the body is complete.
    std::function<void()> ended;                     // After the waiters were told.
    // The source has failed: what else to ask it for, which has the same body. Throws what is to be said instead of
    // the error. Called each time.
    std::function<std::optional<model::BodyRequest>(const base::Error&)> elsewhere;
  };

  Download(std::shared_ptr<Context> context, std::shared_ptr<ExactSizes> sizes, std::shared_ptr<MailboxState> mailbox,
           const store::BodyKey& key, Hooks hooks);

  // Of one that has failed after somebody was shown bytes of it, and is still open: makes it ready to
  // be started again, so that what comes must begin with what was shown. False: it is not such a one.
  bool Revive(Hooks hooks);

  // Begins to fetch; by who made or revived it, once, and by itself when it goes on elsewhere.
  void Start(const model::BodyRequest& request);

  // Instead of Start: what has it fetched ahead, together with others. The sink and `done` of the request are this
  // download's; the task is told by Follow. What does not come that way is fetched by itself if somebody waits for it.
  model::AheadRequest StartAhead(const model::BodyRequest& request);
  // Waiting makes that task more urgent.
  void Follow(const std::shared_ptr<model::Task>& ahead);

  // Instead of Start: the body is in the cache after all.
  void Provide(std::shared_ptr<store::BodyFile> body);

  // Waits until the message may be opened. `answer` may run inline. False: this download has
  // failed or was given up, so that another one is needed; `waiter` is untouched.
  bool AddOpener(const std::shared_ptr<Waiter>& waiter);
  // From within an opener's successful answer: somebody has it open. Paired with Close.
  void Open();
  void Close();
  // Waits until the bytes before `end` are there.
  void AddReader(const std::shared_ptr<Waiter>& waiter, uint64_t end);
  // From within a reader's successful answer; `offset` + `length` <= `end`.
  ReadSpan Span(uint64_t offset, size_t length);

  uint64_t size();
  // Null until it is complete.
  std::shared_ptr<store::BodyFile> body();

  // Ends it with an error if it has not ended.
  void Fail(const base::Error& error);

  void Begin(uint64_t size, bool identified) override;
  void Write(std::string_view bytes) override;

 private:
  struct Reader {
    std::shared_ptr<Waiter> waiter;
    uint64_t end = 0;
  };
  // Keeps the writer's descriptor valid for who reads from it: until the body is committed the
  // writer owns it, from then on the body.
  struct Partial {
    std::shared_ptr<store::BodyWriter> writer;
    int fd = -1;  // The number stays the same; the writer itself is its thread's only.
    std::shared_ptr<store::BodyFile> body;
  };

  void Restart(uint64_t size, bool identified);
  // Compares what had been written before with what comes again; returns the rest.
  std::string_view CheckRepeated(std::string_view bytes);
  void ShowWritten();
  // The size is known and bytes may be shown: lets the openers in.
  void AnswerEarly(uint64_t size);
  void OnDone(const base::Status& status);
  void OnAheadDone(const base::Status& status, const model::BodyRequest& request);
  // True: it goes on, whatever `*error` is. False: that is how it ends.
  bool GoOnElsewhere(base::Status* error);
  void SetSize(uint64_t size);
  std::shared_ptr<store::BodyFile> Complete();
  void End(std::shared_ptr<store::BodyFile> body, const base::Status& error);
  void Leave(const Waiter* waiter);
  // Cancels the task if nobody is left.
  void CancelIfUnused();
  void CheckWanted();
  std::string Label() const;

  const std::shared_ptr<Context> context_;
  const std::shared_ptr<ExactSizes> sizes_;
  const std::shared_ptr<MailboxState> mailbox_;
  const store::BodyKey key_;
  model::Uid uid_ = 0;

  // The source's thread only.
  std::shared_ptr<store::BodyWriter> writer_;
  uint64_t expected_ = 0;
  uint64_t received_ = 0;  // Of this attempt.
  base::Status sink_error_;
  base::Status doubt_;  // Why it went on elsewhere, if not because the message is gone.

  base::Mutex mutex_;
  Hooks hooks_ GUARDED_BY(mutex_);
  std::shared_ptr<model::Task> task_ GUARDED_BY(mutex_);
  std::shared_ptr<model::Task> ahead_task_ GUARDED_BY(mutex_);  // Of others, too: never cancelled from here.
  bool ahead_ GUARDED_BY(mutex_) = false;                       // Kept though nobody waits yet.
  unsigned starts_ GUARDED_BY(mutex_) = 0;                      // The task is the last one's.
  std::vector<std::shared_ptr<Waiter>> openers_ GUARDED_BY(mutex_);
  std::vector<Reader> readers_ GUARDED_BY(mutex_);
  size_t open_ GUARDED_BY(mutex_) = 0;
  uint64_t size_ GUARDED_BY(mutex_) = 0;
  uint64_t visible_ GUARDED_BY(mutex_) = 0;  // Bytes that may be shown.
  bool identified_ GUARDED_BY(mutex_) = false;
  bool answerable_ GUARDED_BY(mutex_) = false;  // Openers need not wait.
  bool abandoned_ GUARDED_BY(mutex_) = false;
  bool ended_ GUARDED_BY(mutex_) = false;
  base::Status error_ GUARDED_BY(mutex_);
  std::shared_ptr<store::BodyFile> body_ GUARDED_BY(mutex_);  // Once complete.
  std::shared_ptr<Partial> partial_ GUARDED_BY(mutex_);       // While it comes, and after a failure.
};

}  // namespace mailboxfs::tree
