#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "mailboxfs/base/clock.h"
#include "mailboxfs/base/error.h"
#include "mailboxfs/base/mutex.h"
#include "mailboxfs/fuse/errno_table.h"
#include "mailboxfs/tree/tree.h"

namespace mailboxfs::fuse {

// Turns the errors of requests into errno, counts them, and tells people: one line each, as
// "EIO (05) connection reset [open, sales/INBOX/a.1.eml, uid 1]", but not more than kLines per kWindow
// and site, because a backup that runs into a dead network fails a hundred thousand times. Thread-safe.
class ErrorLog {
 public:
  struct Counts {
    uint64_t interrupted = 0, timed_out = 0;
    std::vector<uint64_t> eio_by_site = std::vector<uint64_t>(kSites);
  };

  static constexpr unsigned kLines = 20;
  static constexpr base::Duration kWindow = std::chrono::seconds(10);

  // Says for people what an inode is; called with no lock held, must not throw.
  using Describe = std::function<std::string(tree::Ino)>;

  ErrorLog(const base::Clock& clock, Describe describe) : clock_(clock), describe_(std::move(describe)) {}

  // The errno to answer with.
  int Report(Site site, tree::Ino ino, const base::Error& error);
  Counts GetCounts() const;

 private:
  struct Window {
    base::MonoTime start;
    unsigned lines = 0;
    uint64_t suppressed = 0;
  };

  // May this line be written? `*suppressed` are those that were not, to be mentioned now.
  bool MayLog(Site site, uint64_t* suppressed);

  const base::Clock& clock_;
  const Describe describe_;
  mutable base::Mutex mutex_;
  Counts counts_ GUARDED_BY(mutex_);
  std::array<Window, kSites> windows_ GUARDED_BY(mutex_);
};

}  // namespace mailboxfs::fuse
