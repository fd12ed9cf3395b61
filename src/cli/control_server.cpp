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
#include <vector>

#include "mailboxfs/base/error.h"
#include "mailboxfs/base/log.h"
#include "mailboxfs/cli/exit_code.h"

namespace mailboxfs::cli {
namespace {

using base::ErrnoError;
using base::Error;
using base::ErrorKind;

// Clients send their line at once, and take the answer as it comes.
constexpr int kRequestMillis = 1000;
constexpr size_t kMaxRequest = size_t{1} << 20U;
constexpr int kSendSeconds = 5;
constexpr int kPauseMillis = 200;

uint64_t Fnv1a(const std::string& text) {
  uint64_t hash = 0xcbf29ce484222325U;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
  return hash;
}

// Where a daemon of `uid` may have its sockets, the best first.
std::vector<std::string> RuntimeDirectories(unsigned uid) {
  std::vector<std::string> directories;
  const std::string systemd = base::Format("/run/user/{}", uid);
  const char* xdg = std::getenv("XDG_RUNTIME_DIR");
  // systemd's goes when the person logs out; root has a better place.
  const bool own = uid == ::geteuid() && xdg != nullptr && xdg[0] == '/' && (uid != 0 || xdg != systemd);
  if (own) directories.push_back(base::Format("{}/mailboxfs", xdg));
  if (uid == 0) directories.emplace_back("/run/mailboxfs");
  if (uid != 0 && ::access(systemd.c_str(), F_OK) == 0) directories.push_back(systemd + "/mailboxfs");
  if (uid != 0) directories.push_back(base::Format("/tmp/mailboxfs-{}", uid));
  return directories;
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
  std::array<char, 4096> buffer{};
  while (line.find('\n') == std::string::npos && line.size() < kMaxRequest) {
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

bool SendLine(int client, const json::Value& document) { return SendAll(client, json::Dump(document) + "\n"); }

bool HasHungUp(int client) {
  pollfd entry{client, POLLRDHUP, 0};
  return ::poll(&entry, 1, 0) > 0;
}

json::Value ErrorReport(std::string_view what) {
  json::Value report;
  report.Set("error", what);
  return report;
}

}  // namespace

std::vector<std::string> ControlSocketPaths(const std::string& mountpoint, unsigned uid) {
  std::vector<std::string> paths = RuntimeDirectories(uid);
  for (std::string& path : paths) path += base::Format("/{:016x}.sock", Fnv1a(mountpoint));
  return paths;
}

ControlServer::ControlServer(const std::string& mountpoint, ControlHandlers handlers)
    : path_(ControlSocketPaths(mountpoint, ::geteuid()).front()), handlers_(std::move(handlers)) {
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
  if (struct stat info{}; ::lstat(path_.c_str(), &info) == 0) inode_ = info.st_ino;
  thread_ = std::thread([this] { Serve(); });
}

ControlServer::~ControlServer() {
  stop_.Set();
  thread_.join();
  check_stop_.Set();
  if (check_thread_.joinable()) check_thread_.join();
  // After a lazy unmount the path may be the next daemon's.
  struct stat info {};
  if (::lstat(path_.c_str(), &info) == 0 && info.st_ino == inode_) ::unlink(path_.c_str());
}

void ControlServer::Serve() {
  while (true) {
    std::array<pollfd, 2> fds = {pollfd{listener_.get(), POLLIN, 0}, pollfd{stop_.fd(), POLLIN, 0}};
    if (::poll(fds.data(), fds.size(), -1) < 0 && errno != EINTR) return;
    if (fds[1].revents != 0) return;
    if (fds[0].revents == 0) continue;
    base::UniqueFd client(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!client) {
      // Out of descriptors, for example: not at once again.
      ::poll(&fds[1], 1, kPauseMillis);
      continue;
    }
    try {
      Answer(std::move(client));
    } catch (const std::exception& error) {
      base::LogWarning("control socket: {}", error.what());
    }
  }
}

void ControlServer::Answer(base::UniqueFd client) {
  ucred peer{};
  socklen_t length = sizeof peer;
  if (::getsockopt(client.get(), SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0) return;
  if (peer.uid != 0 && peer.uid != ::geteuid()) return;
  const timeval patience{kSendSeconds, 0};
  ::setsockopt(client.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  const std::string request = ReceiveLine(client.get());
  if (request.empty()) return;
  constexpr std::string_view kCheck = "check ";
  if (request == "status\n") {
    SendLine(client.get(), handlers_.status());
  } else if (request.starts_with(kCheck)) {
    StartCheck(std::move(client), request.substr(kCheck.size()));
  } else {
    SendLine(client.get(), ErrorReport("unknown request"));
  }
}

void ControlServer::StartCheck(base::UniqueFd client, const std::string& mailboxes) {
  check::Request request;
  request.mounted = true;
  const json::Value list = json::Parse(mailboxes);
  if (const json::Value::Array* array = list.AsArray()) {
    for (const json::Value& mailbox : *array) {
      if (const std::string* name = mailbox.AsString()) request.mailboxes.push_back(*name);
    }
  }
  if (checking_ && !HasHungUp(check_client_.get())) {
    SendLine(client.get(), ErrorReport("another check of this mount is running; try again when it has ended"));
    return;
  }
  // Whoever asked for the last one has gone.
  check_stop_.Set();
  if (check_thread_.joinable()) check_thread_.join();
  check_stop_.Clear();
  checking_ = true;
  check_client_ = std::move(client);
  check_thread_ = std::thread([this, request] {
    Check(check_client_.get(), request);
    // The client waits for the end, not for the next check.
    ::shutdown(check_client_.get(), SHUT_RDWR);
    checking_ = false;
  });
}

void ControlServer::Check(int client, const check::Request& request) {
  const auto report = [this, client](const check::Finding& finding) {
    // Whoever asked has gone: nobody needs the rest.
    if (!SendLine(client, FindingReport(finding))) check_stop_.Set();
  };
  json::Value last;
  try {
    last.Set("exit_code", handlers_.check(request, check_stop_, report));
  } catch (const std::exception&) {
    const Error error = base::CurrentError();
    last = ErrorReport(error.what());
    last.Set("exit_code", check::ExitCodeFor(error.kind()));
  }
  SendLine(client, last);
}

json::Value FindingReport(const check::Finding& finding) {
  json::Value report = json::Value::MakeObject();
  report.Set("id", finding.id);
  report.Set("subject", finding.subject);
  report.Set("verdict", check::VerdictName(finding.verdict));
  report.Set("evidence", finding.evidence);
  if (!finding.advice.empty()) report.Set("advice", finding.advice);
  if (!finding.cause.empty()) report.Set("cause", finding.cause);
  return report;
}

check::Finding ParseFinding(const json::Value& report) {
  const auto text = [&report](std::string_view key) { return std::string(report.TextAt(key)); };
  check::Finding finding{text("id"),       text("subject"), check::Verdict::kFailed,
                         text("evidence"), text("advice"),  text("cause")};
  using check::Verdict;
  for (const Verdict verdict : {Verdict::kOk, Verdict::kInfo, Verdict::kWarning, Verdict::kFailed}) {
    if (check::VerdictName(verdict) == text("verdict")) finding.verdict = verdict;
  }
  return finding;
}

}  // namespace mailboxfs::cli
