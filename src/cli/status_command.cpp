#include <cstdio>

#include "commands.h"
#include "control_client.h"
#include "mailboxfs/cli/exit_code.h"
#include "mount_table.h"
#include "status_report.h"

namespace mailboxfs::cli {

int RunStatus(const StatusArguments& arguments) {
  const json::Value status = QueryStatus(CanonicalMountpoint(arguments.mountpoint));
  const std::string text = arguments.json ? json::Dump(status, 2) + "\n" : FormatStatus(status);
  std::fputs(text.c_str(), stdout);
  return kExitOk;
}

}  // namespace mailboxfs::cli
