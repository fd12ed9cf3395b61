#pragma once

#include <fuse3/fuse_lowlevel.h>
#include <sys/uio.h>

#include <cstdint>

namespace mailboxfs::fuse {

// libfuse before 3.17 (pull request 861) takes FUSE_CAP_PARALLEL_DIROPS but does not pass it on
// in its reply to INIT. The kernel then lets one LOOKUP at a time into a directory, and whoever
// comes while one waits for the server sleeps where not even SIGKILL reaches him. So the flag is
// added on the reply's way to the kernel; a libfuse that has set it itself is not disturbed.

// From within libfuse's init handler: the reply that this thread sends next, INIT's, gets
// `flags` too (FUSE_* of linux/fuse.h). Thread-bound.
void AddToInitReply(uint32_t flags);

// What libfuse writes to the kernel goes through WriteReply from now on; after
// fuse_session_mount. Throws Error(kInternal).
void FilterReplies(fuse_session* session);

// writev(2), and the flags of AddToInitReply.
ssize_t WriteReply(int fd, const iovec* parts, int count);

}  // namespace mailboxfs::fuse
