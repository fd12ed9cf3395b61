#pragma once

#include <sys/types.h>

#include <string>

namespace mailboxfs::fuse {

// Is a signal on its way to the thread `tid` for which people expect a waiting program to end
// at once: HUP, INT, QUIT, KILL or TERM, pending and not blocked? The kernel marks every fatal
// signal as a pending KILL. Also true if the thread has gone or cannot be seen (tid 0, or
// /proc mounted with hidepid): better a needless EINTR than a process that cannot be killed. Reentrant.
bool EndsCaller(pid_t tid);

// The same for the text of /proc/<tid>/status.
bool StatusEndsCaller(const std::string& status);

}  // namespace mailboxfs::fuse
