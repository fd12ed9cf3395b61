#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "mailboxfs/base/clock.h"
#include "mailboxfs/tree/kernel_notifier.h"
#include "mailboxfs/tree/tree.h"

namespace mailboxfs::fuse {

struct SessionOptions {
  std::string mountpoint;                  // Absolute, an existing directory.
  std::string fsname;                      // Shown by mount(8).
  std::vector<std::string> mount_options;  // Passed to libfuse, e.g. "allow_other"; checked before.
  uid_t uid = 0;
  gid_t gid = 0;
  mode_t umask = 0077;                              // Taken from 0444 (files) and 0555 (directories).
  unsigned threads = 16;                            // Loop threads; they never wait for the network.
  base::Duration stall = std::chrono::seconds(30);  // A waiter ends so long after the last progress,
  base::Duration total = std::chrono::minutes(10);  // and after so long in any case: ETIMEDOUT.
  base::Duration entry_timeout = std::chrono::hours(24);
};

struct SessionStatus {
  uint64_t waiting = 0;  // Requests of the kernel that wait for the network.
  // Those of them whose caller got a signal for which a wait does not end (SIGALRM, SIGCHLD).
  uint64_t signalled = 0;
  uint64_t interrupted = 0, timed_out = 0;
  std::vector<uint64_t> eio_by_site;  // Index: Site.
};

// One mount. Make, set the tree, Mount, Run. Thread-bound, except for Stop, GetStatus and
// notifier(), which are thread-safe.
class Session {
 public:
  static std::unique_ptr<Session> Make(SessionOptions options, const base::Clock& clock);
  // Unmounts if still mounted. The tree, whose threads answer requests, must have been shut down.
  virtual ~Session() = default;

  // Valid as long as the session; made before the tree, which borrows it.
  virtual tree::KernelNotifier& notifier() = 0;
  // Borrowed; before Mount.
  virtual void SetTree(tree::Tree& tree) = 0;
  // Mounts; throws Error(kConfig) with what libfuse or the kernel said.
  virtual void Mount() = 0;
  // Serves until unmounted or Stop, then unmounts; all requests are answered by then. `ready`
  // runs once, when the kernel has greeted us (INIT). All threads of the session live within.
  virtual void Run(const std::function<void()>& ready) = 0;
  // Ends Run. Async-signal-safe.
  virtual void Stop() noexcept = 0;
  virtual SessionStatus GetStatus() const = 0;
};

}  // namespace mailboxfs::fuse
