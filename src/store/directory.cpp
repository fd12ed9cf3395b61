#include "directory.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "mailboxfs/base/error.h"
#include "mailboxfs/base/log.h"

namespace mailboxfs::store {

using base::Error;
using base::ErrorKind;

namespace {

// Room for a process id and a newline; any size but 0 means "in use".
constexpr size_t kLockFileSize = 16;

std::string HolderOf(int fd) {
  std::array<char, kLockFileSize> text{};
  const ssize_t length = ::pread(fd, text.data(), text.size(), 0);
  std::string pid;
  for (ssize_t i = 0; i < length && text.at(static_cast<size_t>(i)) >= '0' && text.at(static_cast<size_t>(i)) <= '9';
       ++i) {
    pid += text.at(static_cast<size_t>(i));
  }
  return pid.empty() ? "unknown" : pid;
}

}  // namespace

void MakePrivateDirectory(const std::string& path) {
  if (path.empty()) throw Error(ErrorKind::kConfig, "a directory of mailboxfs has an empty name");
  for (size_t end = path.find('/', 1);; end = path.find('/', end + 1)) {
    const std::string prefix = path.substr(0, end);
    if (::mkdir(prefix.c_str(), 0700) != 0 && errno != EEXIST && end == std::string::npos) {
      throw base::ErrnoError(ErrorKind::kDisk, "cannot create directory " + path, errno);
    }
    if (end == std::string::npos) break;
  }
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) throw base::ErrnoError(ErrorKind::kDisk, "cannot use " + path, errno);
  if (!S_ISDIR(status.st_mode)) throw Error(ErrorKind::kConfig, path + " is not a directory");
  if ((status.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    throw Error(ErrorKind::kConfig, base::Format("others can write to {}; make it private: chmod 700 {}", path, path));
  }
}

DirectoryLock::DirectoryLock(const std::string& directory, const std::string& file_name, LockFor purpose) {
  const std::string path = directory + "/" + file_name;
  if (purpose == LockFor::kLook) {
    fd_ = base::UniqueFd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    if (!fd_ && errno == ENOENT) return;
    if (!fd_) throw base::ErrnoError(ErrorKind::kDisk, "cannot open " + path, errno);
    Lock(directory, path);
    unclean_ = SizeOf(path) != 0;
    return;
  }
  fd_ = base::UniqueFd(::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  first_ = static_cast<bool>(fd_);
  if (!first_) fd_ = base::UniqueFd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd_) throw base::ErrnoError(ErrorKind::kDisk, "cannot open " + path, errno);
  Lock(directory, path);
  unclean_ = first_ || SizeOf(path) != 0;
  // Truncation to a hole works on a full disk too; the number is for people only.
  if (::ftruncate(fd_.get(), 0) != 0 || ::ftruncate(fd_.get(), kLockFileSize) != 0) {
    throw base::ErrnoError(ErrorKind::kDisk, "cannot write " + path, errno);
  }
  const std::string pid = base::Format("{}\n", ::getpid());
  if (::pwrite(fd_.get(), pid.data(), pid.size(), 0) < 0) {
    base::LogWarning("cannot note the process id in {}", path);
  }
  // Must be on disk before any file is changed: after a power failure it is what tells.
  if (::fsync(fd_.get()) != 0) base::LogWarning("cannot sync {}", path);
}

void DirectoryLock::Lock(const std::string& directory, const std::string& path) const {
  if (::flock(fd_.get(), LOCK_EX | LOCK_NB) == 0) return;
  if (errno != EWOULDBLOCK) throw base::ErrnoError(ErrorKind::kDisk, "cannot lock " + path, errno);
  throw Error(ErrorKind::kConfig,
              base::Format("another mailboxfs uses {}; unmount it first (pid {})", directory, HolderOf(fd_.get())));
}

off_t DirectoryLock::SizeOf(const std::string& path) const {
  struct stat status {};
  if (::fstat(fd_.get(), &status) != 0) throw base::ErrnoError(ErrorKind::kDisk, "cannot use " + path, errno);
  return status.st_size;
}

void DirectoryLock::MarkClean() {
  if (::ftruncate(fd_.get(), 0) != 0) base::LogWarning("cannot note a clean end in a lock file");
}

}  // namespace mailboxfs::store
