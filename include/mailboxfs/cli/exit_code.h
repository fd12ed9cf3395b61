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

// fsck's are those of fsck(8); kFsckCorrected and kFsckUncorrected may be added up.
enum FsckExitCode : int {
  kFsckOk = 0,
  kFsckCorrected = 1,
  kFsckUncorrected = 4,
  kFsckFailed = 8,
  kFsckUsage = 16,
  kFsckCancelled = 32,
};

int ExitCodeFor(base::ErrorKind kind) noexcept;

}  // namespace mailboxfs::cli
