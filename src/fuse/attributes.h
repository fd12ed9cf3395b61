#pragma once

#include <fuse3/fuse_lowlevel.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "mailboxfs/base/clock.h"
#include "mailboxfs/tree/tree.h"

namespace mailboxfs::fuse {

// How the tree's attributes look to the kernel; the same for all files of a mount. Reentrant.
struct Presentation {
  uid_t uid = 0;
  gid_t gid = 0;
  mode_t umask = 0077;           // Taken from 0444 (files) and 0555 (directories).
  base::Duration entry_timeout;  // The kernel may keep names, and attributes of messages, for so long.
};

struct stat ToStat(const tree::Attributes& attributes, const Presentation& presentation);
// Seconds. A message's attributes are told anew when they change; a directory's mtime is not.
double AttributeTimeout(const tree::Attributes& attributes, const Presentation& presentation);
fuse_entry_param ToEntry(const tree::Attributes& attributes, const Presentation& presentation);

}  // namespace mailboxfs::fuse
