#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace mailboxfs::cli {

// What `-o` says. See mailboxfs(1) "MOUNT OPTIONS".
struct MountOptions {
  std::vector<std::string> for_fuse;  // Passed on to libfuse.
  std::optional<uid_t> uid;
  std::optional<gid_t> gid;
  std::optional<mode_t> umask;
  std::optional<std::string> config;
  std::optional<std::string> log_level;
  std::optional<std::string> log_file;
};

// Reads comma lists ("\," is a comma in a value), several times additive. What only mount(8)
// and systemd care about (noauto, _netdev, nofail, x-*, ...) is dropped. Throws
// Error(kConfig) for auto_unmount (says why) and unknown options. Reentrant.
MountOptions ParseMountOptions(const std::vector<std::string>& lists);

}  // namespace mailboxfs::cli
