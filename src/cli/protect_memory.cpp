#include "protect_memory.h"

#include <sys/prctl.h>
#include <sys/resource.h>

namespace mailboxfs::cli {

void ProtectMemory() noexcept {
  // Neither can fail: limits may always be lowered.
  const rlimit none{0, 0};
  ::setrlimit(RLIMIT_CORE, &none);
  ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

}  // namespace mailboxfs::cli
