#include "pending_signals.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "mailboxfs/base/error.h"
#include "mailboxfs/base/fd.h"
#include "mailboxfs/base/log.h"

namespace mailboxfs::fuse {
namespace {

constexpr uint64_t Bit(int signal) { return uint64_t{1} << (signal - 1); }
constexpr uint64_t kEnding = Bit(SIGHUP) | Bit(SIGINT) | Bit(SIGQUIT) | Bit(SIGKILL) | Bit(SIGTERM);

// The value of a line "<key>:\t<16 hex digits>"; 0 if there is none.
uint64_t Mask(const std::string& status, std::string_view key) {
  std::string wanted("\n");
  wanted.append(key).append(":\t");
  const size_t at = status.find(wanted);
  if (at == std::string::npos) return 0;
  return std::strtoull(status.c_str() + at + wanted.size(), nullptr, 16);
}

}  // namespace

bool StatusEndsCaller(const std::string& status) {
  const uint64_t pending = Mask(status, "SigPnd") | Mask(status, "ShdPnd");
  return (pending & ~Mask(status, "SigBlk") & kEnding) != 0;
}

bool EndsCaller(pid_t tid) {
  if (tid <= 0) return true;
  // /proc lists processes only, but threads can be opened by number as well.
  const std::string path = base::Format("/proc/{}/status", tid);
  const base::UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) {
    if (errno == ENOENT || errno == ESRCH) return true;
    throw base::ErrnoError(base::ErrorKind::kInternal, path, errno);
  }
  std::string status;
  std::array<char, 4096> buffer{};
  for (;;) {
    const ssize_t got = ::read(fd.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == ESRCH) return true;
    if (got < 0) throw base::ErrnoError(base::ErrorKind::kInternal, path, errno);
    if (got == 0) return StatusEndsCaller(status);
    status.append(buffer.data(), static_cast<size_t>(got));
  }
}

}  // namespace mailboxfs::fuse
