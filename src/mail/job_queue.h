#pragma once

#include <array>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "mailboxfs/base/error.h"
#include "mailboxfs/model/mail_source.h"

namespace mailboxfs::mail {

class Connection;
class Fetcher;
class Worker;

// What a job does. Run is called on a worker's thread, again after a connection broke; Done
// exactly once, never while Run runs elsewhere.
class Work {
 public:
  Work(std::string what, std::string folder) : what_(std::move(what)), folder_(std::move(folder)) {}
  virtual ~Work() = default;
  Work(const Work&) = delete;
  Work& operator=(const Work&) = delete;

  // Throws Error. `between_batches` may be called where the connection may do something else.
  virtual void Run(Connection& connection, const std::function<void()>& between_batches) = 0;
  virtual void Done(base::Status status) = 0;
  // Run broke its connection: would another attempt get further than this one?
  virtual bool MadeProgress() const { return false; }
  // Reads bodies, of which a day has its measure.
  virtual bool bulk() const { return false; }

  // Not tried again after its connection broke.
  virtual bool once() const { return false; }

  // For people: "listing folder INBOX".
  const std::string& what() const { return what_; }
  // The folder it works in; empty: none.
  const std::string& folder() const { return folder_; }

 private:
  const std::string what_;
  const std::string folder_;
};

// A work and where it stands. All but the Task methods belongs to Fetcher, JobQueue and
// Worker, and is guarded by the Fetcher's mutex, except `work`, which belongs to whoever
// runs or finishes the job.
class Job final : public model::Task, public std::enable_shared_from_this<Job> {
 public:
  enum class State { kQueued, kRunning, kFinished };

  Job(std::weak_ptr<Fetcher> fetcher, std::unique_ptr<Work> its_work, model::Priority its_priority)
      : work(std::move(its_work)), folder(work->folder()), priority(its_priority), fetcher_(std::move(fetcher)) {}

  void Cancel() override;
  void Raise(model::Priority priority) override;

  std::unique_ptr<Work> work;
  const std::string folder;
  model::Priority priority;
  State state = State::kQueued;
  bool cancelled = false;
  unsigned attempts = 0;                               // That ended with a broken connection and no progress.
  unsigned throttled = 0;                              // Times that the server asked for a pause instead.
  Worker* only_worker = nullptr;                       // Must run on this worker's next, fresh connection.
  Worker* runner = nullptr;                            // While kRunning.
  unsigned passed_over = 0;                            // Later jobs taken first for their folder's sake.
  std::list<std::shared_ptr<Job>>::iterator position;  // While kQueued.

 private:
  std::weak_ptr<Fetcher> fetcher_;
};

// Jobs by priority, first come first served within one. Thread-bound; guarded by its owner.
class JobQueue {
 public:
  using JobPtr = std::shared_ptr<Job>;

  void PushBack(const JobPtr& job);
  void PushFront(const JobPtr& job);
  void Remove(Job& job);
  // Takes the next job for `worker`, preferring one in `folder`, which it has open, over
  // older ones of the same priority, within reason. Only jobs more urgent than `than` if set.
  JobPtr Take(const Worker* worker, const std::string& folder, const model::Priority* than = nullptr);
  bool HasFor(const Worker* worker) const;
  // The first job; null if there is none.
  const Job* Front() const;
  // Lets every job run everywhere that was bound to `worker`.
  void Unbind(const Worker* worker);
  std::vector<JobPtr> TakeAll();
  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

 private:
  std::list<JobPtr>& ListOf(const Job& job) { return lists_[static_cast<size_t>(job.priority)]; }

  std::array<std::list<JobPtr>, 3> lists_;
  size_t size_ = 0;
};

}  // namespace mailboxfs::mail
