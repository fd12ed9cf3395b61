#include "protect_memory.h"

#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

namespace mailboxfs::cli {
namespace {

// In a child: it cannot be taken back.
TEST(ProtectMemory, AllowsNeitherCoreDumpsNorOtherProcesses) {
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    ProtectMemory();
    rlimit limit{1, 1};
    const bool read = ::getrlimit(RLIMIT_CORE, &limit) == 0;
    ::_exit(read && limit.rlim_cur == 0 && limit.rlim_max == 0 && ::prctl(PR_GET_DUMPABLE) == 0 ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace mailboxfs::cli
