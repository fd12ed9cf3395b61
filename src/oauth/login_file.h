#pragma once

#include <optional>
#include <string>

#include "mailboxfs/base/clock.h"
#include "mailboxfs/base/fd.h"
#include "mailboxfs/base/secret.h"

namespace mailboxfs::oauth {

// What remains of a login.
struct StoredLogin {
  std::string client_id;
  // Where the token came from; it is sent nowhere else.
  std::string token_endpoint;
  std::string issuer;  // May be empty.
  base::Secret refresh_token;
  // Of the configured token that it descends from, SHA-256 in hexadecimal; empty: a person logged in.
  std::string initial_digest;
};

// The file that a login is kept in: JSON, for its owner only. It is replaced, never changed, so that there is a whole
// one whatever happens. Thread-safe.
class LoginFile {
 public:
  explicit LoginFile(std::string path) : path_(std::move(path)) {}

  const std::string& path() const { return path_; }
  // nullopt: there is none. Throws Error: kConfig (others can read it, it is another user's, or it is no login),
  // kDisk.
  std::optional<StoredLogin> Read() const;
  // On the disk when it returns. Hold the lock. Throws Error: kDisk, kDiskFull; then the old one is still there.
  void Write(const StoredLogin& login, base::WallTime now) const;
  // Another one each time the file is replaced; empty: there is none. Quick.
  std::string Version() const;

 private:
  const std::string path_;
};

// Keeps other processes (and other locks of this one) from using a login at the same time: held from the reading of
// the token, over the request, until the new one is written. An flock(2) on a file beside it. Thread-bound.
class LoginLock {
 public:
  // Waits for it; makes the directory if it is not there (0700). Throws Error: kTimeout, kCancelled, kDisk, kDiskFull,
  // kConfig (others can write into the directory).
  LoginLock(const LoginFile& file, const base::Clock& clock, const base::Deadline& deadline,
            const base::WakeEvent& wake);
  // Does not wait; nullopt: somebody else has it, or it cannot be had.
  static std::optional<LoginLock> Try(const LoginFile& file);

 private:
  explicit LoginLock(base::UniqueFd fd) : fd_(std::move(fd)) {}
  base::UniqueFd fd_;
};

}  // namespace mailboxfs::oauth
