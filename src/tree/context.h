#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "mailboxfs/base/mutex.h"
#include "mailboxfs/tree/tree.h"

namespace mailboxfs::tree {

// One configured mailbox. Thread-safe.
struct MailboxState {
  Ino ino = 0;
  std::string key;
  std::string name;
  std::shared_ptr<model::MailSource> source;
  // A failure was logged as a warning and nothing has succeeded since.
  std::atomic<bool> outage{false};

  // Paths of the folders that the last list of folders had and that are not shown.
  std::vector<std::string> hidden() const {
    base::MutexLock lock(mutex_);
    return hidden_;
  }
  // True: they are others than before.
  bool SetHidden(std::vector<std::string> paths) {
    base::MutexLock lock(mutex_);
    const bool changed = hidden_ != paths;
    hidden_ = std::move(paths);
    return changed;
  }

 private:
  mutable base::Mutex mutex_;
  std::vector<std::string> hidden_ GUARDED_BY(mutex_);
};

// What all parts of the tree share: borrowed things and what never changes after Make, so
// that no lock is needed. Thread-safe.
struct Context {
  Context(store::Index& the_index, store::BodyCache& the_cache, KernelNotifier& the_notifier,
          const base::Clock& the_clock, TreeOptions the_options)
      : index(the_index), cache(the_cache), notifier(the_notifier), clock(the_clock), options(std::move(the_options)) {}

  // Seconds since 1970, as the index counts.
  int64_t WallSeconds() const {
    return std::chrono::duration_cast<std::chrono::seconds>(clock.WallNow().time_since_epoch()).count();
  }
  // The configured mailbox with this inode, else null.
  std::shared_ptr<MailboxState> FindMailbox(Ino ino) const {
    const auto found = mailboxes.find(ino);
    return found == mailboxes.end() ? nullptr : found->second;
  }

  store::Index& index;
  store::BodyCache& cache;
  KernelNotifier& notifier;
  const base::Clock& clock;
  const TreeOptions options;
  std::map<Ino, std::shared_ptr<MailboxState>> mailboxes;
  // Callers waiting; for `status`.
  std::atomic<uint64_t> waiting{0};
};

// "sales/Projects/2024" for logs and status; as much of it as is known.
std::string PathOf(store::Index& index, Ino ino);

// An error that must not be taken for the proven absence of a name: kNotFound and kGone, said
// about something else than the name that was asked for, become kServer.
base::Error NotAbsence(const base::Error& error);

base::Error ShutDownError();

Attributes ToAttributes(const store::Node& node);

}  // namespace mailboxfs::tree
