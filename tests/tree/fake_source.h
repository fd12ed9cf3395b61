#pragma once

#include <atomic>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "mailboxfs/base/mutex.h"
#include "mailboxfs/model/mail_source.h"

namespace mailboxfs::tree {

class FakeSource;

// A task that a FakeSource holds or runs. Tests may also take one and play the source
// themselves through its sinks and Finish.
class FakeTask : public model::Task, public std::enable_shared_from_this<FakeTask> {
 public:
  void Cancel() override;
  void Raise(model::Priority priority) override;
  // Calls Done, once.
  void Finish(const base::Status& status);

  std::optional<model::RefreshRequest> refresh;
  std::optional<model::BodyRequest> body;  // Neither: the folder list.
  std::shared_ptr<model::RefreshSink> listing;
  std::shared_ptr<model::BodySink> sink;
  std::vector<model::AheadRequest> ahead;
  std::atomic<model::Priority> priority{model::Priority::kRefresh};
  std::atomic<bool> cancelled{false};
  std::atomic<bool> finished{false};

 private:
  friend class FakeSource;
  FakeSource* source_ = nullptr;
  model::MailSource::Done done_;
  model::MailSource::FolderListDone list_done_;
};

struct FakeMessage {
  std::string subject;
  std::string body;
  std::string flags;
  int64_t date = 1664661906;
  std::optional<uint64_t> estimate{};  // Default: the body's size.
  uint64_t shared_id = 0;
};

struct FakeFolder {
  model::FolderInfo info;
  model::UidValidity uid_validity = 7;
  std::map<model::Uid, FakeMessage> messages;
};

// A mailbox in memory. Tasks are done at once (inline), held until the test says so, or done
// by threads. Thread-safe.
class FakeSource : public model::MailSource {
 public:
  enum class Mode { kInline, kHeld, kThreads };

  explicit FakeSource(const base::Clock& clock) : clock_(clock) {}
  ~FakeSource() override { Shutdown(); }

  // -- The server's side.
  // `path` has the components joined with "/".
  void AddFolder(const std::string& path, bool selectable = true);
  void RemoveFolder(const std::string& path);
  void AddMessage(const std::string& folder, model::Uid uid, FakeMessage message);
  void RemoveMessage(const std::string& folder, model::Uid uid);
  void SetFlags(const std::string& folder, model::Uid uid, const std::string& flags);
  void SetUidValidity(const std::string& folder, model::UidValidity value);
  // All tasks end with this error.
  void FailWith(std::optional<base::Error> error);
  // Bodies are announced without saying to which UID they belong.
  void SetIdentified(bool identified);
  void SetMode(Mode mode, unsigned threads = 2);
  void Hint(const std::string& folder);
  void SetProgress(base::MonoTime when) { progress_ = when; }

  // -- Held tasks.
  size_t held();
  // The oldest held task, to be played by hand; null if there is none.
  std::shared_ptr<FakeTask> Take();
  // Does what a server would for all held tasks (and those that come of them).
  void RunHeld();
  void Run(const std::shared_ptr<FakeTask>& task);

  // -- What was asked for.
  std::atomic<int> list_calls{0}, refresh_calls{0}, fetch_calls{0}, ahead_calls{0}, shutdowns{0};
  model::RefreshRequest last_refresh();

  std::shared_ptr<model::Task> ListFolders(std::vector<std::string> known, model::Priority priority,
                                           FolderListDone done) override;
  std::shared_ptr<model::Task> Refresh(const model::RefreshRequest& request, std::shared_ptr<model::RefreshSink> sink,
                                       model::Priority priority, Done done) override;
  std::shared_ptr<model::Task> FetchBody(const model::BodyRequest& request, std::shared_ptr<model::BodySink> sink,
                                         model::Priority priority, Done done) override;
  std::shared_ptr<model::Task> FetchAhead(std::vector<model::AheadRequest> bodies) override;
  base::MonoTime LastProgress() const override { return progress_.load(); }
  model::SourceStatus GetStatus() const override;
  void SetChangeListener(ChangeListener listener) override;
  void Shutdown() override;

 private:
  friend class FakeTask;

  std::shared_ptr<model::Task> Submit(std::shared_ptr<FakeTask> task, model::Priority priority);
  bool Withdraw(const FakeTask* task);
  base::Status DoRefresh(const FakeTask& task);
  base::Status DoFetch(const FakeTask& task, const model::BodyRequest& request, model::BodySink& sink);
  void RunThread();

  const base::Clock& clock_;
  std::atomic<base::MonoTime> progress_{base::MonoTime()};
  base::Mutex mutex_;
  base::CondVar changed_;
  Mode mode_ GUARDED_BY(mutex_) = Mode::kInline;
  std::map<std::string, FakeFolder> folders_ GUARDED_BY(mutex_);
  std::optional<base::Error> failure_ GUARDED_BY(mutex_);
  bool identified_ GUARDED_BY(mutex_) = true;
  bool stopped_ GUARDED_BY(mutex_) = false;
  std::deque<std::shared_ptr<FakeTask>> queue_ GUARDED_BY(mutex_);
  model::RefreshRequest last_refresh_ GUARDED_BY(mutex_);
  ChangeListener listener_ GUARDED_BY(mutex_);
  std::vector<std::thread> threads_;
};

// The header that AddMessage's message is listed with.
std::string FakeHeader(model::Uid uid, const FakeMessage& message);

}  // namespace mailboxfs::tree
