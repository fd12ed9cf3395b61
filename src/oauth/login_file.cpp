#include "login_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "json_members.h"
#include "jwt.h"
#include "mailboxfs/base/encoding.h"
#include "mailboxfs/base/error.h"
#include "mailboxfs/base/log.h"
#include "mailboxfs/json/json.h"
#include "wait.h"

namespace mailboxfs::oauth {
namespace {

using base::Error;
using base::ErrorKind;
using base::UniqueFd;

constexpr size_t kMaxLoginFile = size_t{256} << 10U;
constexpr int64_t kLoginFileVersion = 1;
// A lock cannot be waited for together with a wake event; another process holds it for one request.
constexpr std::chrono::milliseconds kLockInterval{50};

[[noreturn]] void FailDisk(const std::string& what, int errnum) {
  throw base::ErrnoError(ErrorKind::kDisk, what, errnum);
}

std::string DirectoryOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

void MakeLoginDirectory(const std::string& path) {
  for (size_t end = path.find('/', 1);; end = path.find('/', end + 1)) {
    if (::mkdir(path.substr(0, end).c_str(), 0700) != 0 && errno != EEXIST && end == std::string::npos) {
      FailDisk("cannot make the directory " + path, errno);
    }
    if (end == std::string::npos) break;
  }
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) FailDisk("cannot use " + path, errno);
  if ((status.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    throw Error(ErrorKind::kConfig, base::Format("others can write to {}; run: chmod 700 {}", path, path));
  }
}

// Throws unless it is a file that only this user can use.
void CheckPrivate(int fd, const std::string& path) {
  struct stat status {};
  if (::fstat(fd, &status) != 0) FailDisk("cannot read " + path, errno);
  if (!S_ISREG(status.st_mode))
    throw Error(ErrorKind::kConfig, path + " is no regular file; remove it and log in again");
  if (status.st_uid != ::geteuid()) {
    throw Error(ErrorKind::kConfig, base::Format("{} belongs to user {}, not to this one ({}); run: chown {} {}", path,
                                                 status.st_uid, ::geteuid(), ::geteuid(), path));
  }
  const unsigned mode = status.st_mode & 07777U;
  if ((mode & 077U) != 0) {
    throw Error(ErrorKind::kConfig, base::Format("{} can be used by others than its owner (mode {:04o}); run: chmod "
                                                 "600 {}",
                                                 path, mode, path));
  }
}

base::Secret ReadAll(int fd, const std::string& path) {
  // Never reallocated, so that no part of the secret stays behind.
  std::string text(kMaxLoginFile + 1, '\0');
  size_t size = 0;
  while (size < text.size()) {
    const ssize_t got = ::read(fd, text.data() + size, text.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) FailDisk("cannot read " + path, errno);
    if (got == 0) break;
    size += static_cast<size_t>(got);
  }
  text.resize(size);
  return base::Secret(std::move(text));
}

void WriteAll(int fd, std::string_view text, const std::string& path) {
  while (!text.empty()) {
    const ssize_t count = ::write(fd, text.data(), text.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) FailDisk("cannot write " + path, errno);
    text.remove_prefix(static_cast<size_t>(count));
  }
}

void SyncDirectory(const std::string& path) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd || ::fsync(fd.get()) != 0) FailDisk("cannot sync " + path, errno);
}

// The refresh token is put in by hand: a JSON library's copies would not be wiped.
base::Secret Serialise(const StoredLogin& login, base::WallTime now) {
  json::Value value = json::Value::MakeObject();
  value.Set("version", kLoginFileVersion);
  value.Set("client_id", login.client_id);
  value.Set("token_endpoint", login.token_endpoint);
  if (!login.issuer.empty()) value.Set("issuer", login.issuer);
  if (!login.initial_digest.empty()) value.Set("initial_digest", login.initial_digest);
  value.Set("updated", UnixSeconds(now));
  std::string text = json::Dump(value, 2);
  text.resize(text.rfind('\n'));
  text.reserve(text.size() + 6 * login.refresh_token.Reveal().size() + 64);
  text += ",\n  \"refresh_token\": \"";
  for (const char c : login.refresh_token.Reveal()) {
    if (c == '"' || c == '\\') text += '\\';
    if (static_cast<unsigned char>(c) < 0x20) {
      text += base::Format("\\u{:04x}", static_cast<int>(c));
    } else {
      text += c;
    }
  }
  text += "\"\n}\n";
  return base::Secret(std::move(text));
}

StoredLogin ParseLogin(const base::Secret& text, const std::string& path) {
  json::Value value = json::ParseLeniently(text.Reveal());
  StoredLogin login;
  login.client_id = value.TextAt("client_id");
  login.token_endpoint = value.TextAt("token_endpoint");
  login.issuer = value.TextAt("issuer");
  login.initial_digest = value.TextAt("initial_digest");
  login.refresh_token = TakeSecret(value, "refresh_token");
  const std::optional<int64_t> version = value.IntAt("version");
  if (version > kLoginFileVersion) {
    throw Error(ErrorKind::kConfig, path + " is from a newer mailboxfs; remove it and log in again");
  }
  if (!version || login.refresh_token.empty()) {
    throw Error(ErrorKind::kConfig, path + " holds no login; remove it and log in again");
  }
  return login;
}

std::string LockPath(const LoginFile& file) { return file.path() + ".lock"; }

UniqueFd OpenLock(const LoginFile& file) {
  const std::string path = LockPath(file);
  UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  // On a disk that is read-only the one that is there serves as well.
  if (!fd && errno == EROFS) fd = UniqueFd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  return fd;
}

// False: somebody else holds it.
bool TakeLock(int fd, const std::string& path) {
  for (;;) {
    if (::flock(fd, LOCK_EX | LOCK_NB) == 0) return true;
    if (errno == EWOULDBLOCK) return false;
    if (errno != EINTR) FailDisk("cannot lock " + path, errno);
  }
}

}  // namespace

std::optional<StoredLogin> LoginFile::Read() const {
  // Non-blocking, so that a pipe cannot hold us up before it is recognised.
  const UniqueFd fd(::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW));
  if (!fd && errno == ENOENT) return std::nullopt;
  if (!fd && errno == EACCES) {
    throw Error(ErrorKind::kConfig, base::Format("{} may not be read by this user; log in as who mounts", path_));
  }
  if (!fd && errno == ELOOP) throw Error(ErrorKind::kConfig, path_ + " is a link; remove it and log in again");
  if (!fd) FailDisk("cannot read " + path_, errno);
  CheckPrivate(fd.get(), path_);
  return ParseLogin(ReadAll(fd.get(), path_), path_);
}

void LoginFile::Write(const StoredLogin& login, base::WallTime now) const {
  const base::Secret text = Serialise(login, now);
  const std::string draft = path_ + ".tmp";
  // Of somebody who did not get to the end.
  if (::unlink(draft.c_str()) != 0 && errno != ENOENT) FailDisk("cannot remove " + draft, errno);
  UniqueFd fd(::open(draft.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd) FailDisk("cannot make " + draft, errno);
  try {
    WriteAll(fd.get(), text.Reveal(), draft);
    if (::fsync(fd.get()) != 0) FailDisk("cannot sync " + draft, errno);
    fd.Reset();
    if (::rename(draft.c_str(), path_.c_str()) != 0) FailDisk("cannot replace " + path_, errno);
  } catch (...) {
    ::unlink(draft.c_str());
    throw;
  }
  SyncDirectory(DirectoryOf(path_));
}

std::string LoginFile::Version() const {
  struct stat status {};
  if (::lstat(path_.c_str(), &status) != 0) return "";
  return base::Format("{}:{}:{}.{}:{}.{}", status.st_ino, status.st_size, status.st_mtim.tv_sec, status.st_mtim.tv_nsec,
                      status.st_ctim.tv_sec, status.st_ctim.tv_nsec);
}

LoginLock::LoginLock(const LoginFile& file, const base::Clock& clock, const base::Deadline& deadline,
                     const base::WakeEvent& wake) {
  const std::string path = LockPath(file);
  fd_ = OpenLock(file);
  if (!fd_ && errno == ENOENT) {
    MakeLoginDirectory(DirectoryOf(path));
    fd_ = OpenLock(file);
  }
  if (!fd_) FailDisk("cannot open " + path, errno);
  while (!TakeLock(fd_.get(), path)) {
    Rest(kLockInterval, deadline, wake, clock, base::Format("waiting for another process that uses {}", file.path()));
  }
}

std::optional<LoginLock> LoginLock::Try(const LoginFile& file) {
  UniqueFd fd = OpenLock(file);
  if (!fd || ::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) return std::nullopt;
  return LoginLock(std::move(fd));
}

}  // namespace mailboxfs::oauth
