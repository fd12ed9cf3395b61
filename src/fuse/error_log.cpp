#include "error_log.h"

#include <cerrno>
#include <cstring>
#include <utility>

#include "mailboxfs/base/log.h"

namespace mailboxfs::fuse {

int ErrorLog::Report(Site site, tree::Ino ino, const base::Error& error) {
  const int errnum = ErrnoFor(error.kind());
  {
    base::MutexLock lock(mutex_);
    if (errnum == EIO) ++counts_.eio_by_site[static_cast<size_t>(site)];
    if (errnum == ETIMEDOUT) ++counts_.timed_out;
    if (errnum == EINTR) ++counts_.interrupted;
  }
  const char* name = ::strerrorname_np(errnum);
  if (errnum == ENOENT || errnum == EINTR || error.kind() == base::ErrorKind::kCancelled) {
    base::LogDebug("{} ({:02}) {} [{}, inode {}]", name, static_cast<int>(site), error.what(), SiteName(site), ino);
    return errnum;
  }
  uint64_t suppressed = 0;
  if (!MayLog(site, &suppressed)) return errnum;
  if (suppressed > 0) {
    base::LogWarning("{} more failures of {} ({:02}) were not logged", suppressed, SiteName(site),
                     static_cast<int>(site));
  }
  base::LogWarning("{} ({:02}) {} [{}, {}]", name, static_cast<int>(site), error.what(), SiteName(site),
                   describe_(ino));
  return errnum;
}

bool ErrorLog::MayLog(Site site, uint64_t* suppressed) {
  const base::MonoTime now = clock_.Now();
  base::MutexLock lock(mutex_);
  Window& window = windows_[static_cast<size_t>(site)];
  if (window.lines == 0 || now - window.start >= kWindow) {
    *suppressed = window.suppressed;
    window = Window{now};
  }
  if (window.lines == kLines) {
    ++window.suppressed;
    return false;
  }
  ++window.lines;
  return true;
}

ErrorLog::Counts ErrorLog::GetCounts() const {
  base::MutexLock lock(mutex_);
  return counts_;
}

}  // namespace mailboxfs::fuse
