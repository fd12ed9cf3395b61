#pragma once

#include <sys/types.h>

#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "mailboxfs/base/fd.h"
#include "mailboxfs/json/json.h"

namespace mailboxfs::cli {

// Where a mount's control socket may be, if its daemon is `uid`'s: private directories
// ($XDG_RUNTIME_DIR/mailboxfs, /run/mailboxfs for root, else /run/user/UID/mailboxfs, /tmp/mailboxfs-UID) and a hash
// of the mountpoint. A daemon takes the first; who asks may have another environment and tries all.
std::vector<std::string> ControlSocketPaths(const std::string& mountpoint, unsigned uid);

// Answers `status` on a Unix socket; only to the same user and to root. One request a
// connection: a line in, a JSON document out. Runs one thread. Thread-bound.
class ControlServer {
 public:
  // Throws Error(kDisk) if the socket cannot be made.
  ControlServer(const std::string& mountpoint, std::function<json::Value()> status);
  ~ControlServer();  // Stops the thread, removes the socket.

 private:
  void Serve();
  void Answer(int client);

  std::string path_;
  ino_t inode_ = 0;  // Of the socket.
  std::function<json::Value()> status_;
  base::UniqueFd listener_;
  base::WakeEvent stop_;
  std::thread thread_;
};

}  // namespace mailboxfs::cli
