#pragma once

#include <sys/types.h>

#include <atomic>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "mailboxfs/base/fd.h"
#include "mailboxfs/check/check.h"
#include "mailboxfs/json/json.h"

namespace mailboxfs::cli {

// Where a mount's control socket may be, if its daemon is `uid`'s: private directories
// ($XDG_RUNTIME_DIR/mailboxfs, /run/mailboxfs for root, else /run/user/UID/mailboxfs, /tmp/mailboxfs-UID) and a hash
// of the mountpoint. A daemon takes the first; who asks may have another environment and tries all.
std::vector<std::string> ControlSocketPaths(const std::string& mountpoint, unsigned uid);

// What a daemon answers. Called in the server's threads.
struct ControlHandlers {
  std::function<json::Value()> status;
  // Reports as it goes, and returns the exit code. A set `wake` ends it by Error(kCancelled).
  std::function<int(const check::Request& request, const base::WakeEvent& wake,
                    const std::function<void(const check::Finding&)>& report)>
      check;
};

// Answers on a Unix socket; only to the same user and to root. One request a connection, which is a line:
//   status               -> a JSON document
//   check ["MAILBOX"...] -> a JSON document in a line for each finding, then {"exit_code":N}
// A request that cannot be answered: {"error":"..."}. Checks take their time, so they have a thread; one of them runs
// at a time. Thread-bound.
class ControlServer {
 public:
  // Throws Error(kDisk) if the socket cannot be made.
  ControlServer(const std::string& mountpoint, ControlHandlers handlers);
  ~ControlServer();  // Stops the threads, removes the socket.

 private:
  void Serve();
  void Answer(base::UniqueFd client);
  void StartCheck(base::UniqueFd client, const std::string& mailboxes);
  void Check(int client, const check::Request& request);

  std::string path_;
  ino_t inode_ = 0;  // Of the socket.
  const ControlHandlers handlers_;
  base::UniqueFd listener_;
  base::WakeEvent stop_;
  std::thread thread_;
  // Of `thread_`, but for the destructor.
  std::thread check_thread_;
  base::UniqueFd check_client_;  // While there is a thread, only read.
  base::WakeEvent check_stop_;
  std::atomic<bool> checking_ = false;
};

// A finding as `check --json` has it, and back.
json::Value FindingReport(const check::Finding& finding);
check::Finding ParseFinding(const json::Value& report);

}  // namespace mailboxfs::cli
