#include "fake_source.h"

#include <algorithm>
#include <utility>

namespace mailboxfs::tree {
namespace {

base::Error Cancelled() { return {base::ErrorKind::kCancelled, "cancelled"}; }

}  // namespace

std::string FakeHeader(model::Uid uid, const FakeMessage& message) {
  return "Subject: " + message.subject + "\r\nFrom: a@example.org\r\nMessage-ID: <" + message.subject + "." +
         (message.subject.empty() ? std::to_string(uid) : "x") + "@example.org>\r\n\r\n";
}

void FakeTask::Cancel() {
  cancelled = true;
  if (source_->Withdraw(this)) Finish(Cancelled());
}

void FakeTask::Raise(model::Priority wanted) { priority = std::min(priority.load(), wanted); }

void FakeTask::Finish(const base::Status& status) {
  if (finished.exchange(true)) return;
  const auto done = std::exchange(done_, nullptr);
  const auto list_done = std::exchange(list_done_, nullptr);
  listing = nullptr;
  sink = nullptr;
  for (const model::AheadRequest& one : std::exchange(ahead, {})) {
    one.done(status ? *status : base::Error(base::ErrorKind::kServer, "no body given"));
  }
  if (done) done(status);
  if (list_done) list_done(status ? *status : base::Error(base::ErrorKind::kInternal, "no list given"));
}

void FakeSource::AddFolder(const std::string& path, bool selectable) {
  FakeFolder folder;
  folder.info.id = path;
  folder.info.selectable = selectable;
  size_t start = 0;
  for (size_t slash = path.find('/'); slash != std::string::npos; slash = path.find('/', start)) {
    folder.info.path.push_back({path.substr(start, slash - start), false});
    folder.info.parent_id = path.substr(0, slash);
    start = slash + 1;
  }
  folder.info.path.push_back({path.substr(start), false});
  base::MutexLock lock(mutex_);
  folders_[path] = std::move(folder);
}

void FakeSource::RemoveFolder(const std::string& path) {
  base::MutexLock lock(mutex_);
  folders_.erase(path);
}

void FakeSource::AddMessage(const std::string& folder, model::Uid uid, FakeMessage message) {
  base::MutexLock lock(mutex_);
  folders_.at(folder).messages[uid] = std::move(message);
}

void FakeSource::RemoveMessage(const std::string& folder, model::Uid uid) {
  base::MutexLock lock(mutex_);
  folders_.at(folder).messages.erase(uid);
}

void FakeSource::SetFlags(const std::string& folder, model::Uid uid, const std::string& flags) {
  base::MutexLock lock(mutex_);
  folders_.at(folder).messages.at(uid).flags = flags;
}

void FakeSource::SetUidValidity(const std::string& folder, model::UidValidity value) {
  base::MutexLock lock(mutex_);
  folders_.at(folder).uid_validity = value;
}

void FakeSource::FailWith(std::optional<base::Error> error) {
  base::MutexLock lock(mutex_);
  failure_ = std::move(error);
}

void FakeSource::SetIdentified(bool identified) {
  base::MutexLock lock(mutex_);
  identified_ = identified;
}

void FakeSource::SetMode(Mode mode, unsigned threads) {
  {
    base::MutexLock lock(mutex_);
    mode_ = mode;
  }
  for (unsigned i = 0; mode == Mode::kThreads && i < threads; ++i) threads_.emplace_back([this] { RunThread(); });
}

void FakeSource::Hint(const std::string& folder) {
  ChangeListener listener;
  {
    base::MutexLock lock(mutex_);
    listener = listener_;
  }
  listener(folder);
}

size_t FakeSource::held() {
  base::MutexLock lock(mutex_);
  return queue_.size();
}

std::shared_ptr<FakeTask> FakeSource::Take() {
  base::MutexLock lock(mutex_);
  if (queue_.empty()) return nullptr;
  std::shared_ptr<FakeTask> task = queue_.front();
  queue_.pop_front();
  return task;
}

void FakeSource::RunHeld() {
  while (const std::shared_ptr<FakeTask> task = Take()) Run(task);
}

model::RefreshRequest FakeSource::last_refresh() {
  base::MutexLock lock(mutex_);
  return last_refresh_;
}

void FakeSource::Run(const std::shared_ptr<FakeTask>& task) {
  std::optional<base::Error> failure;
  std::vector<model::FolderInfo> folders;
  {
    base::MutexLock lock(mutex_);
    failure = failure_;
    for (const auto& [id, folder] : folders_) folders.push_back(folder.info);
  }
  progress_ = clock_.Now();
  if (task->cancelled) failure = Cancelled();
  if (failure) return task->Finish(*failure);
  try {
    if (task->refresh) return task->Finish(DoRefresh(*task));
    if (task->body) return task->Finish(DoFetch(*task, *task->body, *task->sink));
    if (!task->ahead.empty()) {
      for (const model::AheadRequest& one : std::exchange(task->ahead, {})) {
        const auto status = base::ResultOf<base::Status>([&] { return DoFetch(*task, one.body, *one.sink); });
        one.done(status.ok() ? status.value() : status.error());
      }
      return task->Finish(std::nullopt);
    }
  } catch (const base::Error& error) {
    return task->Finish(error);
  }
  if (task->finished.exchange(true)) return;
  std::exchange(task->list_done_, nullptr)(std::move(folders));
}

base::Status FakeSource::DoRefresh(const FakeTask& task) {
  FakeFolder folder;
  {
    base::MutexLock lock(mutex_);
    const auto found = folders_.find(task.refresh->folder_id);
    if (found == folders_.end()) return base::Error(base::ErrorKind::kGone, "no such folder");
    folder = found->second;
  }
  const model::Uid next = folder.messages.empty() ? 1 : folder.messages.rbegin()->first + 1;
  const std::vector<model::Uid> known =
      task.listing->Begin({folder.uid_validity, next, static_cast<uint32_t>(folder.messages.size())});
  std::vector<model::MessageInfo> added;
  std::vector<model::FlagsUpdate> flags;
  for (const auto& [uid, message] : folder.messages) {
    if (std::binary_search(known.begin(), known.end(), uid)) {
      flags.push_back({uid, message.flags});
    } else {
      added.push_back(
          {uid, message.flags, message.date, message.estimate.value_or(message.body.size()), FakeHeader(uid, message)});
      added.back().shared_id = message.shared_id;
    }
  }
  std::vector<model::Uid> vanished;
  for (const model::Uid uid : known) {
    if (folder.messages.count(uid) == 0) vanished.push_back(uid);
  }
  constexpr size_t kBatch = 2;
  for (size_t i = 0; i < added.size() && !task.cancelled; i += kBatch) {
    task.listing->Added(std::span(added).subspan(i, std::min(kBatch, added.size() - i)));
    task.listing->Progress(i + 1, added.size());
  }
  if (task.cancelled) return Cancelled();
  if (task.refresh->full && !flags.empty()) task.listing->FlagsChanged(flags);
  if (!vanished.empty()) task.listing->Vanished(vanished);
  return std::nullopt;
}

base::Status FakeSource::DoFetch(const FakeTask& task, const model::BodyRequest& request, model::BodySink& sink) {
  std::string body;
  bool identified = true;
  {
    base::MutexLock lock(mutex_);
    identified = identified_;
    const auto folder = folders_.find(request.folder_id);
    if (folder == folders_.end()) return base::Error(base::ErrorKind::kGone, "no such folder");
    if (folder->second.uid_validity != request.uid_validity) {
      return base::Error(base::ErrorKind::kStale, "UIDVALIDITY changed");
    }
    const auto message = folder->second.messages.find(request.uid);
    if (message == folder->second.messages.end()) return base::Error(base::ErrorKind::kGone, "no such message");
    body = message->second.body;
  }
  sink.Begin(body.size(), identified);
  constexpr size_t kChunk = 64 * 1024;
  for (size_t i = 0; i < body.size() && !task.cancelled; i += kChunk) {
    sink.Write(std::string_view(body).substr(i, kChunk));
  }
  if (task.cancelled) return Cancelled();
  return std::nullopt;
}

std::shared_ptr<model::Task> FakeSource::Submit(std::shared_ptr<FakeTask> task, model::Priority priority) {
  task->source_ = this;
  task->priority = priority;
  Mode mode = Mode::kInline;
  bool stopped = false;
  {
    base::MutexLock lock(mutex_);
    mode = mode_;
    stopped = stopped_;
    if (task->refresh) last_refresh_ = *task->refresh;
    if (mode != Mode::kInline && !stopped) queue_.push_back(task);
    changed_.NotifyOne();
  }
  if (stopped) {
    task->Finish(Cancelled());
  } else if (mode == Mode::kInline) {
    Run(task);
  }
  return task;
}

bool FakeSource::Withdraw(const FakeTask* task) {
  base::MutexLock lock(mutex_);
  return std::erase_if(queue_, [task](const auto& queued) { return queued.get() == task; }) > 0;
}

std::shared_ptr<model::Task> FakeSource::ListFolders(std::vector<std::string> /*known*/, model::Priority priority,
                                                     FolderListDone done) {
  ++list_calls;
  auto task = std::make_shared<FakeTask>();
  task->list_done_ = std::move(done);
  return Submit(std::move(task), priority);
}

std::shared_ptr<model::Task> FakeSource::Refresh(const model::RefreshRequest& request,
                                                 std::shared_ptr<model::RefreshSink> sink, model::Priority priority,
                                                 Done done) {
  ++refresh_calls;
  auto task = std::make_shared<FakeTask>();
  task->refresh = request;
  task->listing = std::move(sink);
  task->done_ = std::move(done);
  return Submit(std::move(task), priority);
}

std::shared_ptr<model::Task> FakeSource::FetchBody(const model::BodyRequest& request,
                                                   std::shared_ptr<model::BodySink> sink, model::Priority priority,
                                                   Done done) {
  ++fetch_calls;
  auto task = std::make_shared<FakeTask>();
  task->body = request;
  task->sink = std::move(sink);
  task->done_ = std::move(done);
  return Submit(std::move(task), priority);
}

std::shared_ptr<model::Task> FakeSource::FetchAhead(std::vector<model::AheadRequest> bodies) {
  ++ahead_calls;
  auto task = std::make_shared<FakeTask>();
  task->ahead = std::move(bodies);
  return Submit(std::move(task), model::Priority::kReadAhead);
}

model::SourceStatus FakeSource::GetStatus() const {
  model::SourceStatus status;
  status.state = "idle";
  return status;
}

void FakeSource::SetChangeListener(ChangeListener listener) {
  base::MutexLock lock(mutex_);
  listener_ = std::move(listener);
}

void FakeSource::RunThread() {
  for (;;) {
    std::shared_ptr<FakeTask> task;
    {
      base::MutexLock lock(mutex_);
      while (queue_.empty() && !stopped_) changed_.Wait(mutex_);
      if (stopped_) return;
      task = queue_.front();
      queue_.pop_front();
    }
    Run(task);
  }
}

void FakeSource::Shutdown() {
  std::deque<std::shared_ptr<FakeTask>> left;
  {
    base::MutexLock lock(mutex_);
    if (std::exchange(stopped_, true)) return;
    left = std::exchange(queue_, {});
    changed_.NotifyAll();
  }
  ++shutdowns;
  for (std::thread& thread : threads_) thread.join();
  for (const std::shared_ptr<FakeTask>& task : left) task->Finish(Cancelled());
  base::MutexLock lock(mutex_);
  listener_ = nullptr;
}

}  // namespace mailboxfs::tree
