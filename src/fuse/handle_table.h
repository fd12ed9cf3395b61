#pragma once

#include <cstdint>
#include <memory>
#include <unordered_map>
#include <utility>

#include "mailboxfs/base/mutex.h"
#include "mailboxfs/tree/tree.h"

namespace mailboxfs::fuse {

// The open messages by the number that the kernel gives back with each READ. A table rather than
// pointers, so that what is still open when the mount ends is not leaked. Thread-safe.
class HandleTable {
 public:
  uint64_t Add(std::shared_ptr<tree::OpenMessage> message) {
    base::MutexLock lock(mutex_);
    messages_.emplace(++last_, std::move(message));
    return last_;
  }

  // Null if unknown.
  std::shared_ptr<tree::OpenMessage> Get(uint64_t handle) const {
    base::MutexLock lock(mutex_);
    const auto found = messages_.find(handle);
    return found == messages_.end() ? nullptr : found->second;
  }

  void Remove(uint64_t handle) {
    std::shared_ptr<tree::OpenMessage> gone;  // Dies after the lock.
    base::MutexLock lock(mutex_);
    const auto found = messages_.find(handle);
    if (found == messages_.end()) return;
    gone = std::move(found->second);
    messages_.erase(found);
  }

  void Clear() {
    std::unordered_map<uint64_t, std::shared_ptr<tree::OpenMessage>> gone;  // Dies after the lock.
    base::MutexLock lock(mutex_);
    gone.swap(messages_);
  }

 private:
  mutable base::Mutex mutex_;
  std::unordered_map<uint64_t, std::shared_ptr<tree::OpenMessage>> messages_ GUARDED_BY(mutex_);
  uint64_t last_ GUARDED_BY(mutex_) = 0;
};

}  // namespace mailboxfs::fuse
