#pragma once

#include "mailboxfs/base/error.h"

namespace mailboxfs::cli {

// Exit codes of all commands, mailboxfs(1) "EXIT STATUS".
enum ExitCode : int {
  kExitOk = 0,
  kExitFailure = 1,  // check: warnings; others: anything not below.
  kExitConfig = 2,   // Configuration or command line.
  kExitLogin = 3,    // Somebody must act: login refused.
  kExitNetwork = 4,  // Network or server, may pass.
};

int ExitCodeFor(base::ErrorKind kind) noexcept;

}  // namespace mailboxfs::cli
