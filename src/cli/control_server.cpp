#include "control_server.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "mailboxfs/base/error.h"
#include "mailboxfs/base/log.h"

namespace mailboxfs::cli {
namespace {

using base::ErrnoError;
using base::Error;
using base::ErrorKind;

constexpr int kClientSeconds = 5;

uint64_t Fnv1a(const std::string& text) {
  uint64_t hash = 0xcbf29ce484222325U;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
  return hash;
}

std::string RuntimeDirectory(unsigned uid) {
  const char* xdg = std::getenv("XDG_RUNTIME_DIR");
  if (uid == ::getuid() && xdg != nullptr && xdg[0] == '/') return std::string(xdg) + "/mailboxfs";
  if (uid == 0) return "/run/mailboxfs";
  const std::string systemd = base::Format("/run/user/{}", uid);
  if (::access(systemd.c_str(), F_OK) == 0) return systemd + "/mailboxfs";
  return base::Format("/tmp/mailboxfs-{}", uid);
}

// In /tmp somebody else could have made the directory: it must be ours and private.
void MakePrivateDirectory(const std::string& path) {
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) throw ErrnoError(ErrorKind::kDisk, path, errno);
  struct stat info {};
  if (::lstat(path.c_str(), &info) != 0) throw ErrnoError(ErrorKind::kDisk, path, errno);
  if (!S_ISDIR(info.st_mode) || info.st_uid != ::geteuid() || (info.st_mode & 077U) != 0) {
    throw Error(ErrorKind::kDisk,
                base::Format("{} must be a directory of this user with mode 0700; remove it and try again", path));
  }
}

bool SendAll(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
  return true;
}

}  // namespace

std::string ControlSocketPath(const std::string& mountpoint, unsigned uid) {
  return base::Format("{}/{:016x}.sock", RuntimeDirectory(uid), Fnv1a(mountpoint));
}

ControlServer::ControlServer(const std::string& mountpoint, std::function<json::Value()> status)
    : path_(ControlSocketPath(mountpoint, ::geteuid())), status_(std::move(status)) {
  MakePrivateDirectory(path_.substr(0, path_.rfind('/')));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path_.size() >= sizeof address.sun_path) {
    throw Error(ErrorKind::kDisk, base::Format("the control socket's path is too long: {}", path_));
  }
  std::memcpy(address.sun_path, path_.c_str(), path_.size() + 1);
  listener_ = base::UniqueFd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ::unlink(path_.c_str());  // A dead daemon's; the mountpoint is ours.
  if (!listener_ || ::bind(listener_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::chmod(path_.c_str(), 0600) != 0 || ::listen(listener_.get(), 8) != 0) {
    throw ErrnoError(ErrorKind::kDisk, base::Format("control socket {}", path_), errno);
  }
  thread_ = std::thread([this] { Serve(); });
}

ControlServer::~ControlServer() {
  stop_.Set();
  thread_.join();
  ::unlink(path_.c_str());
}

void ControlServer::Serve() {
  while (true) {
    std::array<pollfd, 2> fds = {pollfd{listener_.get(), POLLIN, 0}, pollfd{stop_.fd(), POLLIN, 0}};
    if (::poll(fds.data(), fds.size(), -1) < 0 && errno != EINTR) return;
    if (fds[1].revents != 0) return;
    if (fds[0].revents == 0) continue;
    const base::UniqueFd client(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!client) continue;
    try {
      Answer(client.get());
    } catch (const std::exception& error) {
      base::LogWarning("control socket: {}", error.what());
    }
  }
}

void ControlServer::Answer(int client) {
  ucred peer{};
  socklen_t length = sizeof peer;
  if (::getsockopt(client, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0) return;
  if (peer.uid != 0 && peer.uid != ::geteuid()) return;
  const timeval patience{kClientSeconds, 0};
  ::setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  ::setsockopt(client, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  std::string request;
  std::array<char, 256> buffer{};
  while (request.find('\n') == std::string::npos && request.size() < buffer.size()) {
    const ssize_t got = ::recv(client, buffer.data(), buffer.size(), 0);
    if (got <= 0) return;
    request.append(buffer.data(), static_cast<size_t>(got));
  }
  json::Value answer;
  if (request == "status\n") {
    answer = status_();
  } else {
    answer.Set("error", "unknown request");
  }
  SendAll(client, json::Dump(answer) + "\n");
}

}  // namespace mailboxfs::cli
