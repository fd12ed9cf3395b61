#include "mailboxfs/fuse/errno_table.h"

#include <cerrno>

namespace mailboxfs::fuse {

int ErrnoFor(base::ErrorKind kind) noexcept {
  using base::ErrorKind;
  switch (kind) {
    // rsync and tar take ENOENT on open for "vanished"; nothing unproven may become ENOENT.
    case ErrorKind::kNotFound:
    case ErrorKind::kGone: return ENOENT;
    case ErrorKind::kStale: return ESTALE;
    case ErrorKind::kLoginRefused: return EACCES;
    case ErrorKind::kTimeout: return ETIMEDOUT;
    case ErrorKind::kInterrupted: return EINTR;
    case ErrorKind::kCancelled:
    case ErrorKind::kNetwork:
    case ErrorKind::kTls:
    case ErrorKind::kThrottled:
    case ErrorKind::kServer:
    case ErrorKind::kProtocol:
    case ErrorKind::kUnfetchable:
    case ErrorKind::kStub:
    case ErrorKind::kMessageFailed:
    case ErrorKind::kNotListed:
    case ErrorKind::kDisk:
    case ErrorKind::kDiskFull:
    case ErrorKind::kCorrupt:
    case ErrorKind::kConfig:
    case ErrorKind::kUnsupported:
    case ErrorKind::kInternal: return EIO;
  }
  return EIO;
}

std::string_view SiteName(Site site) noexcept {
  switch (site) {
    case Site::kLookup: return "lookup";
    case Site::kGetAttr: return "stat";
    case Site::kReadDir: return "readdir";
    case Site::kOpenDir: return "opendir";
    case Site::kOpen: return "open";
    case Site::kRead: return "read";
    case Site::kXattr: return "getxattr";
    case Site::kStatFs: return "statfs";
  }
  return "unknown";
}

}  // namespace mailboxfs::fuse
