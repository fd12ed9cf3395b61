#pragma once

#include <functional>
#include <string>
#include <thread>

#include "mailboxfs/base/fd.h"
#include "mailboxfs/json/json.h"

namespace mailboxfs::cli {

// The path of a mount's control socket: a private directory of `uid`
// ($XDG_RUNTIME_DIR/mailboxfs, /run/mailboxfs for root, else /tmp/mailboxfs-UID) and a hash of the mountpoint.
std::string ControlSocketPath(const std::string& mountpoint, unsigned uid);

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
  std::function<json::Value()> status_;
  base::UniqueFd listener_;
  base::WakeEvent stop_;
  std::thread thread_;
};

}  // namespace mailboxfs::cli
