#include "control_client.h"

#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <set>
#include <utility>

#include "control_server.h"
#include "mailboxfs/base/error.h"
#include "mailboxfs/base/fd.h"
#include "mailboxfs/base/log.h"
#include "mailboxfs/cli/exit_code.h"
#include "mount_table.h"

namespace mailboxfs::cli {
namespace {

using base::ErrnoError;
using base::Error;
using base::ErrorKind;

constexpr int kStatusSeconds = 20;
// A check reports as it goes; in between it may wait for some logins in vain.
constexpr int kFindingSeconds = 900;

// Only to a daemon of `uid`: in /tmp anybody can put a socket.
base::UniqueFd Connect(const std::string& path, unsigned uid) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return {};
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  base::UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd || ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return {};
  ucred peer{};
  socklen_t length = sizeof peer;
  if (::getsockopt(fd.get(), SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0 || peer.uid != uid) return {};
  return fd;
}

// One request and its answer, line by line. Thread-bound.
class Conversation {
 public:
  Conversation(base::UniqueFd fd, std::string_view request, int patience_seconds) : fd_(std::move(fd)) {
    const timeval patience{patience_seconds, 0};
    ::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (::send(fd_.get(), request.data(), request.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(request.size())) {
      throw ErrnoError(ErrorKind::kDisk, "control socket", errno);
    }
  }

  // nullopt: that was all.
  std::optional<json::Value> Next() {
    std::array<char, 4096> buffer{};
    size_t end = 0;
    while ((end = received_.find('\n')) == std::string::npos) {
      const ssize_t got = ::recv(fd_.get(), buffer.data(), buffer.size(), 0);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) throw ErrnoError(ErrorKind::kDisk, "control socket", errno);
      if (got == 0) return std::nullopt;
      received_.append(buffer.data(), static_cast<size_t>(got));
    }
    const std::string line = received_.substr(0, end);
    received_.erase(0, end + 1);
    return json::Parse(line);
  }

 private:
  base::UniqueFd fd_;
  std::string received_;
};

// Throws Error(kDisk) if there is no mount of ours, or nobody behind it.
base::UniqueFd ConnectToDaemon(const std::string& mountpoint, std::string_view command) {
  const std::optional<MountEntry> entry = FindOwnMount(mountpoint);
  if (!entry) throw Error(ErrorKind::kDisk, base::Format("{}: mailboxfs is not mounted here", mountpoint));
  // The daemon may run as somebody else than the one who asks (root asks for a user's mount).
  const std::set<unsigned> uids =
      entry->owner ? std::set<unsigned>{*entry->owner} : std::set<unsigned>{::geteuid(), 0U};
  for (const unsigned uid : uids) {
    for (const std::string& path : ControlSocketPaths(mountpoint, uid)) {
      if (base::UniqueFd fd = Connect(path, uid)) return fd;
    }
  }
  if (entry->owner && *entry->owner != ::geteuid() && ::geteuid() != 0) {
    throw Error(ErrorKind::kDisk,
                base::Format("{}: mounted by another user (number {}), who can ask, and root: sudo mailboxfs {} {}",
                             mountpoint, *entry->owner, command, mountpoint));
  }
  throw Error(ErrorKind::kDisk, base::Format("{}: mounted, but its daemon does not answer; it may have died; then run: "
                                             "mailboxfs unmount {}",
                                             mountpoint, mountpoint));
}

Error EndedEarly(const std::string& mountpoint) {
  return {ErrorKind::kDisk, base::Format("{}: its daemon ended before it had answered", mountpoint)};
}

}  // namespace

json::Value QueryStatus(const std::string& mountpoint) {
  Conversation conversation(ConnectToDaemon(mountpoint, "status"), "status\n", kStatusSeconds);
  std::optional<json::Value> status = conversation.Next();
  if (!status) throw EndedEarly(mountpoint);
  return *std::move(status);
}

int QueryCheck(const std::string& mountpoint, const std::vector<std::string>& mailboxes,
               const std::function<void(const check::Finding&)>& report) {
  json::Value list{json::Value::Array{}};
  for (const std::string& mailbox : mailboxes) list.Append(mailbox);
  Conversation conversation(ConnectToDaemon(mountpoint, "check --mount"), "check " + json::Dump(list) + "\n",
                            kFindingSeconds);
  while (const std::optional<json::Value> answer = conversation.Next()) {
    const std::string_view error = answer->TextAt("error");
    const std::optional<int64_t> code = answer->IntAt("exit_code");
    if (!error.empty()) {
      // Another check that is running, or the end of the mount: no fault of this machine.
      throw Error(code == kExitConfig ? ErrorKind::kConfig : ErrorKind::kServer, std::string(error));
    }
    if (code) return static_cast<int>(*code);
    report(ParseFinding(*answer));
  }
  throw EndedEarly(mountpoint);
}

}  // namespace mailboxfs::cli
