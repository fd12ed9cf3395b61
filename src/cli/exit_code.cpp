#include "mailboxfs/cli/exit_code.h"

namespace mailboxfs::cli {

int ExitCodeFor(base::ErrorKind kind) noexcept {
  using base::ErrorKind;
  switch (kind) {
    case ErrorKind::kConfig: return kExitConfig;
    case ErrorKind::kLoginRefused: return kExitLogin;
    case ErrorKind::kNetwork:
    case ErrorKind::kTls:
    case ErrorKind::kTimeout:
    case ErrorKind::kThrottled:
    case ErrorKind::kServer:
    case ErrorKind::kProtocol:
    case ErrorKind::kUnsupported: return kExitNetwork;
    default: return kExitFailure;
  }
}

}  // namespace mailboxfs::cli
