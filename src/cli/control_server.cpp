#include "control_server.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
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

// Clients send their line at once, and take the answer as it comes.
constexpr int kRequestMillis = 1000;
constexpr int kSendSeconds = 5;
constexpr int kPauseMillis = 200;

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

// Waits so long in all, however the client dribbles.
std::string ReceiveLine(int client) {
  const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(kRequestMillis);
  std::string line;
  std::array<char, 256> buffer{};
  while (line.find('\n') == std::string::npos && line.size() < buffer.size()) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - std::chrono::steady_clock::now()).count();
    pollfd readable{client, POLLIN, 0};
    if (left <= 0 || ::poll(&readable, 1, static_cast<int>(left)) <= 0) return {};
    const ssize_t got = ::recv(client, buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (got <= 0) return {};
    line.append(buffer.data(), static_cast<size_t>(got));
  }
  return line;
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
    if (!client) {
      // Out of descriptors, for example: not at once again.
      ::poll(&fds[1], 1, kPauseMillis);
      continue;
    }
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
  const timeval patience{kSendSeconds, 0};
  ::setsockopt(client, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  const std::string request = ReceiveLine(client);
  if (request.empty()) return;
  json::Value answer;
  if (request == "status\n") {
    answer = status_();
  } else {
    answer.Set("error", "unknown request");
  }
  SendAll(client, json::Dump(answer) + "\n");
}

}  // namespace mailboxfs::cli
