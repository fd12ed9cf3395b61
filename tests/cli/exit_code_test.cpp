#include "mailboxfs/cli/exit_code.h"

#include <gtest/gtest.h>

namespace mailboxfs::cli {
namespace {

using base::ErrorKind;

TEST(ExitCode, TellsWhoMustAct) {
  EXPECT_EQ(ExitCodeFor(ErrorKind::kConfig), 2);
  EXPECT_EQ(ExitCodeFor(ErrorKind::kLoginRefused), 3);
  for (const ErrorKind kind : {ErrorKind::kNetwork, ErrorKind::kTls, ErrorKind::kTimeout, ErrorKind::kThrottled,
                               ErrorKind::kServer, ErrorKind::kProtocol}) {
    EXPECT_EQ(ExitCodeFor(kind), 4) << base::ErrorKindName(kind);
  }
  for (const ErrorKind kind : {ErrorKind::kDisk, ErrorKind::kCorrupt, ErrorKind::kInternal}) {
    EXPECT_EQ(ExitCodeFor(kind), 1) << base::ErrorKindName(kind);
  }
}

}  // namespace
}  // namespace mailboxfs::cli
