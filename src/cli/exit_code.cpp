#include "mailboxfs/cli/exit_code.h"

#include "mailboxfs/check/check.h"

namespace mailboxfs::cli {

int ExitCodeFor(base::ErrorKind kind) noexcept { return check::ExitCodeFor(kind); }

}  // namespace mailboxfs::cli
