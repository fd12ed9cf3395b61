#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

namespace mailboxfs::cli {

// One of our mounts as /proc/self/mountinfo shows it (proc(5)).
struct MountEntry {
  std::string mountpoint;
  std::string fsname;
  std::optional<uid_t> owner;  // FUSE's user_id=.
};

// The topmost mount of type fuse.mailboxfs exactly at `mountpoint` (absolute, no symlinks).
std::optional<MountEntry> FindOwnMount(const std::string& mountpoint);

// Absolute path without symlinks. Works on a mount whose daemon has died, too, as far as
// the last component is concerned. Throws Error(kConfig) if the parent does not exist.
std::string CanonicalMountpoint(const std::string& path);

// Does this text of /etc/fuse.conf let ordinary users mount with allow_other and allow_root (fuse(8))?
bool AllowsOthers(const std::string& fuse_conf);

// Unmounts: umount2(2) as root, else fusermount3. `lazy` detaches a busy mount. Throws
// Error(kDisk) with what was said.
void UnmountPath(const std::string& mountpoint, bool lazy);

}  // namespace mailboxfs::cli
