#include "mail/job_queue.h"

#include "mail/fetcher.h"

namespace mailboxfs::mail {
namespace {

// How far to look for a job in the open folder, and how often the first one may wait for it.
constexpr size_t kLookAhead = 64;
constexpr unsigned kMaxPassedOver = 8;

bool Fits(const Job& job, const Worker* worker) { return job.only_worker == nullptr || job.only_worker == worker; }

}  // namespace

void Job::Cancel() {
  if (const std::shared_ptr<Fetcher> fetcher = fetcher_.lock()) fetcher->Cancel(shared_from_this());
}

void Job::Raise(model::Priority to) {
  if (const std::shared_ptr<Fetcher> fetcher = fetcher_.lock()) fetcher->Raise(*this, to);
}

void JobQueue::PushBack(const JobPtr& job) {
  std::list<JobPtr>& list = ListOf(*job);
  job->position = list.insert(list.end(), job);
  ++size_;
}

void JobQueue::PushFront(const JobPtr& job) {
  std::list<JobPtr>& list = ListOf(*job);
  job->position = list.insert(list.begin(), job);
  ++size_;
}

void JobQueue::Remove(Job& job) {
  ListOf(job).erase(job.position);
  --size_;
}

JobQueue::JobPtr JobQueue::Take(const Worker* worker, const std::string& folder, const model::Priority* than) {
  for (size_t priority = 0; priority < lists_.size(); ++priority) {
    if (than != nullptr && priority >= static_cast<size_t>(*than)) return nullptr;
    const JobPtr* first = nullptr;
    const JobPtr* best = nullptr;
    size_t looked_at = 0;
    for (const JobPtr& job : lists_[priority]) {
      if (!Fits(*job, worker)) continue;
      if (first == nullptr) first = best = &job;
      const bool preferred = job->only_worker != nullptr || job->folder == folder;
      if (preferred) best = &job;
      if (preferred || (*first)->passed_over >= kMaxPassedOver || ++looked_at == kLookAhead) break;
    }
    if (best == nullptr) continue;
    if (best != first) ++(*first)->passed_over;
    JobPtr taken = *best;
    Remove(*taken);
    return taken;
  }
  return nullptr;
}

bool JobQueue::HasFor(const Worker* worker) const {
  for (const auto& list : lists_) {
    for (const JobPtr& job : list) {
      if (Fits(*job, worker)) return true;
    }
  }
  return false;
}

const Job* JobQueue::Front() const {
  for (const auto& list : lists_) {
    if (!list.empty()) return list.front().get();
  }
  return nullptr;
}

void JobQueue::Unbind(const Worker* worker) {
  for (const auto& list : lists_) {
    for (const JobPtr& job : list) {
      if (job->only_worker == worker) job->only_worker = nullptr;
    }
  }
}

std::vector<JobQueue::JobPtr> JobQueue::TakeAll() {
  std::vector<JobPtr> all;
  for (auto& list : lists_) {
    all.insert(all.end(), list.begin(), list.end());
    list.clear();
  }
  size_ = 0;
  return all;
}

}  // namespace mailboxfs::mail
