#include "mail/suspects.h"

namespace mailboxfs::mail {
namespace {

constexpr size_t kMaxSuspects = 10'000;

}  // namespace

Suspects::Key Suspects::KeyOf(const model::BodyRequest& message) {
  return {message.folder_id, message.uid_validity, message.uid};
}

bool Suspects::OnTrouble(const model::BodyRequest& message, uint64_t place, uint64_t fetched) {
  base::MutexLock lock(mutex_);
  if (all_.size() >= kMaxSuspects) all_.clear();
  const auto [found, first] = all_.try_emplace(KeyOf(message), Trouble{place, fetched});
  if (first) return false;
  // A network fails anywhere; a message that kills the server's process does it always at the same place.
  const bool same = found->second.place == place;
  const bool guilty = same && fetched > found->second.fetched;
  if (guilty) {
    all_.erase(found);
  } else if (!same) {
    found->second = {place, fetched};
  }
  return guilty;
}

void Suspects::Forget(const model::BodyRequest& message) {
  base::MutexLock lock(mutex_);
  all_.erase(KeyOf(message));
}

}  // namespace mailboxfs::mail
