#include "notifier.h"

#include <cerrno>

#include "mailboxfs/base/log.h"

namespace mailboxfs::fuse {

Notifier::~Notifier() { Stop(); }

void Notifier::Deleted(uint64_t parent, uint64_t ino, const std::string& name) { Push(Change{parent, ino, name}); }

// The kernel takes an inode of which a name is said to be deleted for one that has no name left.
void Notifier::Unlinked(uint64_t parent, uint64_t ino, const std::string& name) {
  Push(Change{parent, 0, name});
  AttributesChanged(ino);
}

void Notifier::AttributesChanged(uint64_t ino) { Push(Change{0, ino, {}}); }

void Notifier::Push(Change change) {
  bool first_dropped = false;
  {
    base::MutexLock lock(mutex_);
    if (!running_) return;
    if (queue_.size() < kMaxQueued) {
      queue_.insert(std::move(change));
      changed_.NotifyAll();
    } else {
      first_dropped = dropped_++ == 0;
    }
  }
  if (first_dropped) {
    base::LogWarning("the kernel does not take our notifications; names that have gone may be seen for a while");
  }
}

void Notifier::Enter(uint64_t parent) {
  base::MutexLock lock(mutex_);
  ++held_[parent];
}

void Notifier::Leave(uint64_t parent) {
  base::MutexLock lock(mutex_);
  const auto found = held_.find(parent);
  if (--found->second > 0) return;
  held_.erase(found);
  if (!queue_.empty()) changed_.NotifyAll();
}

std::set<Notifier::Change>::iterator Notifier::Next() {
  auto next = queue_.begin();
  while (next != queue_.end() && next->parent != 0) {
    if (held_.count(next->parent) > 0) {
      next = queue_.lower_bound(Change{next->parent + 1, 0, {}});
    } else if (held_.count(next->ino) > 0) {
      // The kernel locks the directory that goes, too, while it holds the parent's lock.
      ++next;
    } else {
      break;
    }
  }
  return next;
}

void Notifier::Start(fuse_session* session) {
  {
    base::MutexLock lock(mutex_);
    running_ = true;
    session_ = session;
  }
  thread_ = std::thread(&Notifier::Loop, this);
}

void Notifier::Loop() {
  base::MutexLock lock(mutex_);
  while (running_) {
    const auto next = Next();
    if (next == queue_.end()) {
      changed_.Wait(mutex_);
      continue;
    }
    const auto change = queue_.extract(next);
    fuse_session* const session = session_;
    lock.Unlock();
    Tell(session, change.value());
    lock.Lock();
  }
}

void Notifier::Tell(fuse_session* session, const Change& change) {
  int result = 0;
  if (change.parent == 0) {
    // A negative offset: attributes only; no page lock is touched.
    result = fuse_lowlevel_notify_inval_inode(session, change.ino, -1, 0);
  } else if (change.ino == 0) {
    result = fuse_lowlevel_notify_inval_entry(session, change.parent, change.name.c_str(), change.name.size());
  } else {
    result = fuse_lowlevel_notify_delete(session, change.parent, change.ino, change.name.c_str(), change.name.size());
    // A directory in use, or another inode under the name: the name is at least asked for again.
    if (result != 0 && result != -ENOENT && result != -ENODEV && result != -ENOTCONN) {
      result = fuse_lowlevel_notify_inval_entry(session, change.parent, change.name.c_str(), change.name.size());
    }
  }
  // ENOENT: the kernel did not know it, or has forgotten it by itself.
  if (result != 0 && result != -ENOENT) {
    base::LogDebug("notification about inode {} in {}: error {}", change.ino, change.parent, -result);
  }
}

void Notifier::Stop() {
  {
    base::MutexLock lock(mutex_);
    running_ = false;
    queue_.clear();
    changed_.NotifyAll();
  }
  if (thread_.joinable()) thread_.join();
  base::MutexLock lock(mutex_);
  session_ = nullptr;
}

uint64_t Notifier::dropped() const {
  base::MutexLock lock(mutex_);
  return dropped_;
}

}  // namespace mailboxfs::fuse
