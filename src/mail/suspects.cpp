#include "mail/suspects.h"

namespace mailboxfs::mail {
namespace {

constexpr size_t kMaxSuspects = 10'000;
// Two in a row are a network's bad luck.
constexpr unsigned kTimesToProve = 3;
// What lies further apart has nothing to do with each other.
constexpr base::Duration kMemory = std::chrono::hours(1);

}  // namespace

Suspects::Key Suspects::KeyOf(const model::BodyRequest& message) {
  return {message.folder_id, message.uid_validity, message.uid};
}

bool Suspects::OnTrouble(const model::BodyRequest& message, uint64_t place, uint64_t fetched, base::MonoTime now) {
  base::MutexLock lock(mutex_);
  if (all_.size() >= kMaxSuspects) all_.clear();
  const auto [found, first] = all_.try_emplace(KeyOf(message), Trouble{place, fetched, now});
  if (first) return false;
  Trouble& trouble = found->second;
  // A network fails anywhere; a message that kills the server's process does it always at the same place.
  if (trouble.place != place || now - trouble.since > kMemory) {
    trouble = {place, fetched, now};
  } else if (fetched > trouble.fetched) {
    trouble.fetched = fetched;
    if (++trouble.times == kTimesToProve) {
      all_.erase(found);
      return true;
    }
  }
  return false;
}

bool Suspects::OnRefused(const model::BodyRequest& message) {
  base::MutexLock lock(mutex_);
  if (refused_.size() >= kMaxSuspects) refused_.clear();
  refused_.insert(KeyOf(message));
  return refused_.size() == 1;
}

void Suspects::OnFetched(const model::BodyRequest& message) {
  base::MutexLock lock(mutex_);
  refused_.clear();
  all_.erase(KeyOf(message));
}

}  // namespace mailboxfs::mail
