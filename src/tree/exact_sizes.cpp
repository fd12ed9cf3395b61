#include "exact_sizes.h"

#include <utility>

#include "mailboxfs/base/log.h"

namespace mailboxfs::tree {

using base::ErrorKind;

void ExactSizes::Learn(Ino message, uint64_t size) {
  uint64_t change = 0;
  bool was_untold = false;
  {
    base::MutexLock lock(mutex_);
    change = ++last_change_;
    was_untold = !untold_.insert_or_assign(message, change).second;
  }
  bool changed = false;
  try {
    changed = index_.SetExactSize(message, size);
  } catch (const base::Error& error) {
    if (error.kind() != ErrorKind::kDiskFull && error.kind() != ErrorKind::kDisk) throw;
    Keep(message, size, error);
    return;
  }
  Stored(message, size, was_untold ? 0 : change, changed);
}

void ExactSizes::Stored(Ino message, uint64_t size, uint64_t change, bool changed) {
  {
    base::MutexLock lock(mutex_);
    if (changed) outage_ = false;
    const auto kept = kept_.find(message);
    if (kept != kept_.end()) {
      changed = changed || kept->second != size;
      kept_.erase(kept);
      any_kept_ = !kept_.empty();
    }
  }
  if (!changed && change != 0) Told(message, change);
}

void ExactSizes::Keep(Ino message, uint64_t size, const base::Error& error) {
  bool first = false;
  {
    base::MutexLock lock(mutex_);
    kept_[message] = size;
    any_kept_ = true;
    first = !std::exchange(outage_, true);
  }
  if (first) {
    base::LogWarning(
        "the index cannot store the sizes of messages, which are forgotten at the next mount: {}; "
        "make room on its disk (state.directory)",
        error.what());
  }
}

uint64_t ExactSizes::Untold(Ino message) {
  base::MutexLock lock(mutex_);
  const auto found = untold_.find(message);
  return found == untold_.end() ? 0 : found->second;
}

void ExactSizes::Told(Ino message, uint64_t change) {
  base::MutexLock lock(mutex_);
  const auto found = untold_.find(message);
  if (found != untold_.end() && found->second == change) untold_.erase(found);
}

void ExactSizes::Correct(store::Node* node) {
  if (!any_kept_) return;
  base::MutexLock lock(mutex_);
  const auto found = kept_.find(node->ino);
  if (found == kept_.end()) return;
  node->size = found->second;
  node->size_exact = true;
}

}  // namespace mailboxfs::tree
