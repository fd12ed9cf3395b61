#include "mount_table.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <sstream>
#include <vector>

#include "mailboxfs/base/error.h"
#include "mailboxfs/base/fd.h"
#include "mailboxfs/base/log.h"

namespace mailboxfs::cli {
namespace {

using base::Error;
using base::ErrorKind;

// mountinfo writes space, tab, newline and backslash as \ooo.
std::string Unescape(const std::string& field) {
  std::string out;
  for (size_t i = 0; i < field.size(); ++i) {
    if (field[i] == '\\' && i + 3 < field.size()) {
      out.push_back(static_cast<char>(std::strtol(field.substr(i + 1, 3).c_str(), nullptr, 8)));
      i += 3;
    } else {
      out.push_back(field[i]);
    }
  }
  return out;
}

std::optional<uid_t> OwnerOf(const std::string& super_options) {
  const size_t at = super_options.find("user_id=");
  if (at == std::string::npos) return std::nullopt;
  return static_cast<uid_t>(std::strtoul(super_options.c_str() + at + 8, nullptr, 10));
}

std::optional<std::string> RealPath(const std::string& path) {
  const std::unique_ptr<char, decltype(&std::free)> resolved(::realpath(path.c_str(), nullptr), &std::free);
  if (!resolved) return std::nullopt;
  return std::string(resolved.get());
}

struct Outcome {
  int status = 0;
  std::string text;
};

Outcome RunFusermount(const std::vector<std::string>& arguments) {
  std::array<int, 2> pipe_fds{};
  if (::pipe2(pipe_fds.data(), O_CLOEXEC) != 0) throw base::ErrnoError(ErrorKind::kInternal, "pipe", errno);
  base::UniqueFd read_end(pipe_fds[0]);
  base::UniqueFd write_end(pipe_fds[1]);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, write_end.get(), STDERR_FILENO);
  std::vector<char*> argv;
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  pid_t pid = 0;
  const int spawned = ::posix_spawnp(&pid, "fusermount3", &actions, nullptr, argv.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  if (spawned != 0) throw base::ErrnoError(ErrorKind::kConfig, "cannot run fusermount3 (package fuse3)", spawned);
  write_end.Reset();
  Outcome outcome;
  std::array<char, 512> buffer{};
  for (ssize_t got = 0; (got = ::read(read_end.get(), buffer.data(), buffer.size())) > 0;) {
    outcome.text.append(buffer.data(), static_cast<size_t>(got));
  }
  while (::waitpid(pid, &outcome.status, 0) < 0 && errno == EINTR) {
  }
  while (!outcome.text.empty() && outcome.text.back() == '\n') outcome.text.pop_back();
  return outcome;
}

}  // namespace

std::optional<MountEntry> FindOwnMount(const std::string& mountpoint) {
  std::optional<MountEntry> found;
  std::optional<MountEntry> topmost;
  std::ifstream file("/proc/self/mountinfo");
  for (std::string line; std::getline(file, line);) {
    std::istringstream fields(line);
    std::string skip;
    std::string point;
    std::string field;
    fields >> skip >> skip >> skip >> skip >> point;
    if (Unescape(point) != mountpoint) continue;
    while (fields >> field && field != "-") {
    }
    std::string type;
    std::string source;
    std::string super_options;
    fields >> type >> source >> super_options;
    topmost = MountEntry{mountpoint, Unescape(source), OwnerOf(super_options)};
    found = type == "fuse.mailboxfs" ? topmost : std::nullopt;
  }
  return found;
}

std::string CanonicalMountpoint(const std::string& path) {
  if (const std::optional<std::string> whole = RealPath(path)) return *whole;
  if (errno != ENOTCONN && errno != ENOENT && errno != EACCES) {
    throw base::ErrnoError(ErrorKind::kConfig, path, errno);
  }
  std::string trimmed = path;
  while (trimmed.size() > 1 && trimmed.back() == '/') trimmed.pop_back();
  const size_t slash = trimmed.rfind('/');
  const std::string parent = slash == std::string::npos ? "." : trimmed.substr(0, slash == 0 ? 1 : slash);
  const std::string last = slash == std::string::npos ? trimmed : trimmed.substr(slash + 1);
  const std::optional<std::string> real_parent = RealPath(parent);
  if (!real_parent) throw base::ErrnoError(ErrorKind::kConfig, parent, errno);
  return *real_parent == "/" ? "/" + last : *real_parent + "/" + last;
}

bool AllowsOthers(const std::string& fuse_conf) {
  std::istringstream lines(fuse_conf);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line.substr(0, line.find('#')));
    std::string word;
    std::string more;
    if (words >> word && word == "user_allow_other" && !(words >> more)) return true;
  }
  return false;
}

void UnmountPath(const std::string& mountpoint, bool lazy) {
  if (::geteuid() == 0) {
    if (::umount2(mountpoint.c_str(), lazy ? MNT_DETACH | UMOUNT_NOFOLLOW : UMOUNT_NOFOLLOW) == 0) return;
    throw base::ErrnoError(ErrorKind::kDisk, base::Format("cannot unmount {}", mountpoint), errno);
  }
  std::vector<std::string> arguments = {"fusermount3", "-u"};
  if (lazy) arguments.emplace_back("-z");
  arguments.insert(arguments.end(), {"--", mountpoint});
  const Outcome outcome = RunFusermount(arguments);
  if (outcome.status != 0) {
    throw Error(ErrorKind::kDisk, base::Format("cannot unmount {}: {}", mountpoint, outcome.text));
  }
}

}  // namespace mailboxfs::cli
