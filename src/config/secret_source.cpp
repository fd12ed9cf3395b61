#include "secret_source.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "mailboxfs/base/error.h"
#include "mailboxfs/base/fd.h"
#include "mailboxfs/base/log.h"
#include "mailboxfs/config/secret_command.h"

namespace mailboxfs::config {

using base::Error;
using base::ErrorKind;
using base::Format;
using base::Secret;

namespace {

[[noreturn]] void Fail(const std::string& what) { throw Error(ErrorKind::kConfig, what); }

[[noreturn]] void FailErrno(const std::string& what, int errnum) {
  throw Error(ErrorKind::kConfig, ErrnoError(ErrorKind::kConfig, what, errnum).what());
}

// Without its one newline at the end, if it has one line only. `what` names the source.
Secret CheckContent(const SecretSpec& spec, const Secret& raw, const std::string& what) {
  std::string_view text = raw.Reveal();
  if (spec.lines) {
    if (text.empty()) Fail(Format("{} is empty", what));
    return raw;
  }
  if (!text.empty() && text.back() == '\n') {
    text.remove_suffix(1);
    if (!text.empty() && text.back() == '\r') text.remove_suffix(1);
  }
  if (text.empty()) Fail(Format("{} is empty; put the secret there", what));
  if (text.find_first_of(std::string_view("\r\n\0", 3)) != std::string_view::npos) {
    Fail(Format("{} holds more than one line; keep only the secret", what));
  }
  return Secret(std::string(text));
}

// Who but its owner may read the file.
enum class Sharing { kNobody, kGroup, kAnybody };

void CheckStatus(const struct stat& status, Sharing sharing, const std::string& path) {
  if (!S_ISREG(status.st_mode)) Fail(Format("{} is no regular file; name a file that holds only the secret", path));
  if (sharing == Sharing::kAnybody) return;
  const unsigned mode = status.st_mode & 07777U;
  if (sharing == Sharing::kNobody) {
    if ((mode & 077U) != 0) {
      Fail(Format("{} can be used by others than its owner (mode {:04o}); run: chmod 600 {}", path, mode, path));
    }
    return;
  }
  if ((mode & 037U) != 0) Fail(Format("{} can be used by everybody (mode {:04o})", path, mode));
  if (status.st_uid != 0 && status.st_uid != ::geteuid()) {
    Fail(Format("{} belongs to user {}, neither to this one nor to root", path, status.st_uid));
  }
}

Secret ReadSecretFile(const SecretSpec& spec, const std::string& path, Sharing sharing) {
  // Non-blocking, so that a pipe cannot hold us up before it is recognised.
  const base::UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!fd && errno == ENOENT) {
    Fail(Format("{} does not exist; write the secret there: install -m 600 /dev/stdin {}", path, path));
  }
  if (!fd && errno == EACCES) {
    Fail(Format("{} may not be read by this user; the secret must belong to who mounts: chown {}", path, path));
  }
  if (!fd) FailErrno(Format("{} cannot be read", path), errno);
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0) FailErrno(Format("{} cannot be read", path), errno);
  CheckStatus(status, sharing, path);
  std::string buffer(kMaxSecretSize + 1, '\0');
  size_t size = 0;
  while (size < buffer.size()) {
    const ssize_t got = ::read(fd.get(), buffer.data() + size, buffer.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) FailErrno(Format("{} cannot be read", path), errno);
    if (got == 0) break;
    size += static_cast<size_t>(got);
  }
  if (size > kMaxSecretSize) Fail(Format("{} is larger than {} bytes; it cannot be a secret", path, kMaxSecretSize));
  buffer.resize(size);
  return CheckContent(spec, Secret(std::move(buffer)), path);
}

Secret ReadVariable(const SecretSpec& spec) {
  const std::string& name = spec.value;
  const char* value = std::getenv(name.c_str());
  const std::string what = Format("the environment variable {}", name);
  if (value == nullptr) Fail(Format("{} is not set; set it where mailboxfs is started", what));
  return CheckContent(spec, Secret(value), what);
}

Secret ReadCredential(const SecretSpec& spec) {
  const std::string& name = spec.value;
  const char* directory = std::getenv("CREDENTIALS_DIRECTORY");
  if (directory == nullptr || directory[0] != '/') {
    Fail(Format(
        "CREDENTIALS_DIRECTORY is not set; credentials exist only in a systemd service with LoadCredential={}:...",
        name));
  }
  return ReadSecretFile(spec, Format("{}/{}", directory, name), Sharing::kGroup);
}

}  // namespace

Secret ReadSecretUnplaced(const SecretSpec& spec) {
  switch (spec.kind) {
    case SecretSpec::Kind::kFile:
      return ReadSecretFile(spec, spec.value, spec.shared ? Sharing::kAnybody : Sharing::kNobody);
    case SecretSpec::Kind::kEnvironment: return ReadVariable(spec);
    case SecretSpec::Kind::kCredential: return ReadCredential(spec);
    case SecretSpec::Kind::kLiteral: return CheckContent(spec, spec.literal, "the secret");
    case SecretSpec::Kind::kCommand:
      return CheckContent(spec, RunSecretCommand(spec.command, kSecretCommandLimit),
                          Format("the output of {}", spec.command.at(0)));
  }
  throw Error(ErrorKind::kInternal, "unknown kind of secret");
}

Secret ReadSecret(const SecretSpec& spec) {
  try {
    return ReadSecretUnplaced(spec);
  } catch (const Error& error) {
    throw error.WithContext(spec.where);
  }
}

}  // namespace mailboxfs::config
