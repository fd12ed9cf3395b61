#include "machine.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <string_view>
#include <tuple>

#include "mailboxfs/base/error.h"
#include "mailboxfs/base/log.h"

namespace mailboxfs::check {
namespace {

std::string ErrnoText(std::string_view what, int errnum) {
  return base::ErrnoError(base::ErrorKind::kConfig, what, errnum).what();
}

void CheckConfiguration(const config::Config& config, Report& report) {
  Subject subject(report, "configuration");
  size_t mailboxes = 0;
  for (const config::Account& account : config.accounts) mailboxes += account.mailboxes.size();
  struct stat info {};
  const bool known = ::stat(config.path.c_str(), &info) == 0;
  const std::string mode = known ? base::Format(" (mode {:04o})", info.st_mode & 07777U) : "";
  subject.Ok("configuration",
             base::Format("{}{}: {}, {}", config.path, mode, base::CountOf(config.accounts.size(), "account"),
                          base::CountOf(mailboxes, "mailbox")));
}

void CheckFuse(const Machine& machine, Subject& subject) {
  if (::access(machine.fuse_device.c_str(), R_OK | W_OK) == 0) {
    subject.Ok("fuse", machine.fuse_device + " can be used");
  } else {
    subject.Fail("fuse", "fuse-unusable", Exit::kConfig, ErrnoText(machine.fuse_device + " cannot be used", errno),
                 "Install the package fuse3 and load the module:\n    modprobe fuse\n"
                 "In a container, pass the device: --device /dev/fuse");
  }
  if (machine.root) return;
  for (std::string_view path = machine.search_path; !path.empty();) {
    const size_t end = std::min(path.find(':'), path.size());
    const std::string program = std::string(path.substr(0, end)) + "/fusermount3";
    if (::access(program.c_str(), X_OK) == 0) return subject.Ok("fusermount3", program);
    path.remove_prefix(std::min(end + 1, path.size()));
  }
  subject.Fail("fusermount3", "fusermount3-missing", Exit::kConfig, "there is no fusermount3 in PATH",
               "Without it only root can mount. Install the package fuse3.");
}

// The first component that exists must be writable: mounting makes the rest.
int WritableErrno(const std::string& directory) {
  std::string existing = directory;
  struct stat info {};
  while (existing.size() > 1 && ::stat(existing.c_str(), &info) != 0 && errno == ENOENT) {
    const size_t slash = existing.rfind('/');
    existing = slash == 0 || slash == std::string::npos ? "/" : existing.substr(0, slash);
  }
  const int errnum = ::access(existing.c_str(), W_OK | X_OK) == 0 ? 0 : errno;
  const bool file = ::stat(existing.c_str(), &info) == 0 && !S_ISDIR(info.st_mode);
  return file ? ENOTDIR : errnum;
}

}  // namespace

Machine Machine::Ours() {
  Machine machine;
  const char* path = std::getenv("PATH");
  machine.search_path = path == nullptr ? "" : path;
  machine.root = ::geteuid() == 0;
  return machine;
}

void CheckMachine(const config::Config& config, const Machine& machine, Report& report) {
  CheckConfiguration(config, report);
  Subject subject(report, "machine");
  CheckFuse(machine, subject);
  for (const auto& [id, key, directory] : {std::tuple("state-directory", "state.directory", config.state_directory),
                                           std::tuple("cache-directory", "cache.directory", config.cache_directory)}) {
    if (const int errnum = WritableErrno(directory)) {
      subject.Fail(id, "directory-unusable", Exit::kConfig, ErrnoText(directory, errnum),
                   base::Format("Make it a directory that this user can write to, or set another \"{}\".", key));
    } else {
      subject.Ok(id, directory);
    }
  }
}

}  // namespace mailboxfs::check
