#include "mailboxfs/base/error.h"

#include <cerrno>
#include <system_error>

#include "mailboxfs/base/log.h"

namespace mailboxfs::base {

std::string_view ErrorKindName(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kNotFound: return "not-found";
    case ErrorKind::kGone: return "gone";
    case ErrorKind::kStale: return "stale";
    case ErrorKind::kLoginRefused: return "login-refused";
    case ErrorKind::kTimeout: return "timeout";
    case ErrorKind::kInterrupted: return "interrupted";
    case ErrorKind::kCancelled: return "cancelled";
    case ErrorKind::kNetwork: return "network";
    case ErrorKind::kTls: return "tls";
    case ErrorKind::kThrottled: return "throttled";
    case ErrorKind::kServer: return "server";
    case ErrorKind::kProtocol: return "protocol";
    case ErrorKind::kUnfetchable: return "unfetchable";
    case ErrorKind::kStub: return "stub";
    case ErrorKind::kMessageFailed: return "message-failed";
    case ErrorKind::kNotListed: return "not-listed";
    case ErrorKind::kDisk: return "disk";
    case ErrorKind::kDiskFull: return "disk-full";
    case ErrorKind::kCorrupt: return "corrupt";
    case ErrorKind::kConfig: return "config";
    case ErrorKind::kUnsupported: return "unsupported";
    case ErrorKind::kInternal: return "internal";
  }
  return "internal";
}

Error Error::WithContext(std::string_view context) const { return Error(kind_, Format("{}: {}", context, what())); }

Error CurrentError() {
  try {
    throw;
  } catch (const Error& error) {
    return error;
  } catch (const std::exception& error) {
    return Error(ErrorKind::kInternal, error.what());
  }
}

Error ErrnoError(ErrorKind kind, std::string_view what, int errnum) {
  if (errnum == ENOSPC || errnum == EDQUOT) kind = ErrorKind::kDiskFull;
  return Error(kind, Format("{}: {}", what, std::generic_category().message(errnum)));
}

}  // namespace mailboxfs::base
