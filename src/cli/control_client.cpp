#include "control_client.h"

#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <set>

#include "control_server.h"
#include "mailboxfs/base/error.h"
#include "mailboxfs/base/fd.h"
#include "mailboxfs/base/log.h"
#include "mount_table.h"

namespace mailboxfs::cli {
namespace {

using base::ErrnoError;
using base::Error;
using base::ErrorKind;

constexpr int kAnswerSeconds = 20;

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

std::string Ask(int fd, std::string_view request) {
  const timeval patience{kAnswerSeconds, 0};
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  if (::send(fd, request.data(), request.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(request.size())) {
    throw ErrnoError(ErrorKind::kDisk, "control socket", errno);
  }
  std::string answer;
  std::array<char, 4096> buffer{};
  while (true) {
    const ssize_t got = ::recv(fd, buffer.data(), buffer.size(), 0);
    if (got < 0) throw ErrnoError(ErrorKind::kDisk, "control socket", errno);
    if (got == 0) return answer;
    answer.append(buffer.data(), static_cast<size_t>(got));
  }
}

}  // namespace

json::Value QueryStatus(const std::string& mountpoint) {
  const std::optional<MountEntry> entry = FindOwnMount(mountpoint);
  if (!entry) throw Error(ErrorKind::kDisk, base::Format("{}: mailboxfs is not mounted here", mountpoint));
  // The daemon may run as somebody else than the one who asks (root asks for a user's mount).
  const std::set<unsigned> uids =
      entry->owner ? std::set<unsigned>{*entry->owner} : std::set<unsigned>{::geteuid(), 0U};
  for (const unsigned uid : uids) {
    for (const std::string& path : ControlSocketPaths(mountpoint, uid)) {
      const base::UniqueFd fd = Connect(path, uid);
      if (!fd) continue;
      const std::string answer = Ask(fd.get(), "status\n");
      if (!answer.empty()) return json::Parse(answer);
    }
  }
  if (entry->owner && *entry->owner != ::geteuid() && ::geteuid() != 0) {
    throw Error(ErrorKind::kDisk,
                base::Format("{}: mounted by another user (number {}), who can ask, and root: sudo mailboxfs status {}",
                             mountpoint, *entry->owner, mountpoint));
  }
  throw Error(ErrorKind::kDisk, base::Format("{}: mounted, but its daemon does not answer; it may have died; then run: "
                                             "mailboxfs unmount {}",
                                             mountpoint, mountpoint));
}

}  // namespace mailboxfs::cli
