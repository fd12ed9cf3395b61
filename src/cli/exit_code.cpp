#include "mailboxfs/cli/exit_code.h"

#include "mailboxfs/check/check.h"

namespace mailboxfs::cli {

int ExitCodeFor(base::ErrorKind kind) noexcept { return check::CommandExitCodeFor(kind); }

}  // namespace mailboxfs::cli
