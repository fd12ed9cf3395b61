#pragma once

#include <fuse3/fuse_lowlevel.h>
#include <sys/statvfs.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "attributes.h"
#include "error_log.h"
#include "estimated_sizes.h"
#include "handle_table.h"
#include "in_flight.h"
#include "mailboxfs/base/clock.h"
#include "mailboxfs/base/mutex.h"
#include "mailboxfs/fuse/errno_table.h"
#include "mailboxfs/tree/tree.h"
#include "notifier.h"
#include "question.h"
#include "reply.h"
#include "watchdog.h"

namespace mailboxfs::fuse {

// What the kernel asks, put to the tree. Each operation takes the Reply that it owes and returns
// at once; those that may need the network answer later, on another thread. Thread-safe.
//
// FORGET has no handler (inode numbers need no table), nor have FLUSH, ACCESS and LSEEK: the
// kernel remembers an ENOSYS and does not ask again.
class Operations {
 public:
  // All are borrowed. Unanswered requests are counted in `in_flight`.
  Operations(const Presentation& presentation, const base::Clock& clock, tree::Tree& tree, Watchdog& watchdog,
             Notifier& notifier, ErrorLog& errors, InFlight& in_flight)
      : presentation_(presentation),
        clock_(clock),
        tree_(tree),
        watchdog_(watchdog),
        notifier_(notifier),
        errors_(errors),
        in_flight_(in_flight) {}

  // Borrowed; before the first request.
  void SetSession(fuse_session* session) { session_ = session; }

  void Init(fuse_conn_info* connection);
  // The kernel has greeted us.
  bool initialized() const { return initialized_; }

  void Lookup(Reply reply, tree::Ino parent, std::string_view name);
  void GetAttr(Reply& reply, tree::Ino ino);
  void OpenDir(Reply reply, tree::Ino ino, const fuse_file_info& info);
  void ReadDir(Reply& reply, tree::Ino ino, size_t size, off_t offset, bool plus);
  void Open(Reply reply, tree::Ino ino, const fuse_file_info& info);
  void Read(Reply reply, tree::Ino ino, size_t size, off_t offset, const fuse_file_info& info);
  void Release(Reply& reply, const fuse_file_info& info);
  void GetXattr(Reply& reply, tree::Ino ino, std::string_view name, size_t size);
  void ListXattr(Reply& reply, size_t size);
  void StatFs(Reply& reply);

  // Answers with the error's errno; logs and counts it.
  void Fail(Reply& reply, Site site, tree::Ino ino, const base::Error& error);
  // Drops what is still open when the mount has ended.
  void CloseAll() { handles_.Clear(); }

 private:
  struct ReadState;

  // Asks the tree; see question.h.
  template <typename T>
  void Put(Reply reply, Site site, tree::Ino ino, typename Question<T>::Steps steps);
  // The kernel is about to be told these attributes.
  void Tell(const tree::Attributes& attributes);
  void FinishOpen(Reply& reply, tree::Ino ino, tree::Tree::Opened& opened, fuse_file_info info);
  struct statvfs ComputeStatFs();

  const Presentation presentation_;
  const base::Clock& clock_;
  tree::Tree& tree_;
  Watchdog& watchdog_;
  Notifier& notifier_;
  ErrorLog& errors_;
  InFlight& in_flight_;
  fuse_session* session_ = nullptr;
  std::atomic<bool> initialized_ = false;
  EstimatedSizes estimated_;
  HandleTable handles_;

  base::Mutex statfs_mutex_;
  std::optional<struct statvfs> statfs_ GUARDED_BY(statfs_mutex_);
  base::MonoTime statfs_time_ GUARDED_BY(statfs_mutex_);
};

// libfuse's table, whose user data is an Operations. Nothing is thrown through it.
const fuse_lowlevel_ops& OperationsTable();

}  // namespace mailboxfs::fuse
