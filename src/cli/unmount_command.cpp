#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdio>
#include <optional>

#include "commands.h"
#include "control_client.h"
#include "mailboxfs/base/error.h"
#include "mailboxfs/base/fd.h"
#include "mailboxfs/base/log.h"
#include "mailboxfs/cli/exit_code.h"
#include "mount_table.h"

namespace mailboxfs::cli {
namespace {

using base::Error;
using base::ErrorKind;

constexpr int kExitMillis = 30'000;

// A descriptor that becomes readable when the daemon ends; none if it does not answer.
base::UniqueFd OpenDaemon(const std::string& mountpoint) {
  try {
    const std::optional<int64_t> pid = QueryStatus(mountpoint).IntAt("pid");
    if (!pid) return {};
    return base::UniqueFd(static_cast<int>(::syscall(SYS_pidfd_open, static_cast<pid_t>(*pid), 0)));
  } catch (const Error& error) {
    base::LogDebug("{}", error.what());
    return {};
  }
}

}  // namespace

int RunUnmount(const UnmountArguments& arguments) {
  const std::string mountpoint = CanonicalMountpoint(arguments.mountpoint);
  const std::optional<MountEntry> entry = FindOwnMount(mountpoint);
  if (!entry) {
    throw Error(ErrorKind::kDisk, base::Format("{}: mailboxfs is not mounted here", mountpoint));
  }
  if (entry->owner && *entry->owner != ::geteuid() && ::geteuid() != 0) {
    throw Error(ErrorKind::kDisk, base::Format("{}: mounted by another user (number {}), who can unmount it, and root: "
                                               "sudo mailboxfs unmount {}",
                                               mountpoint, *entry->owner, mountpoint));
  }
  const base::UniqueFd daemon = OpenDaemon(mountpoint);
  try {
    UnmountPath(mountpoint, arguments.lazy);
  } catch (const Error& error) {
    throw Error(error.kind(), base::Format("{}; close what is open below it (fuser -vm {} shows it), or use --lazy",
                                           error.what(), mountpoint));
  }
  if (!daemon || arguments.lazy) return kExitOk;
  // When the command returns, index and cache are free for the next mount.
  pollfd exited{daemon.get(), POLLIN, 0};
  if (::poll(&exited, 1, kExitMillis) == 0) {
    std::fprintf(stderr, "mailboxfs: %s is unmounted, but its daemon is still logging out\n", mountpoint.c_str());
  }
  return kExitOk;
}

}  // namespace mailboxfs::cli
