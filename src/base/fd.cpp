#include "mailboxfs/base/fd.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

#include "mailboxfs/base/error.h"

namespace mailboxfs::base {

void UniqueFd::Reset() noexcept {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

WakeEvent::WakeEvent() : fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (!fd_) throw ErrnoError(ErrorKind::kInternal, "eventfd", errno);
}

WakeEvent WakeEvent::Share() const {
  UniqueFd fd(::fcntl(fd_.get(), F_DUPFD_CLOEXEC, 0));
  if (!fd) throw ErrnoError(ErrorKind::kInternal, "eventfd", errno);
  return WakeEvent(std::move(fd));
}

void WakeEvent::Set() noexcept {
  const uint64_t one = 1;
  // The counter cannot overflow in practice, and EAGAIN would mean that it is set.
  [[maybe_unused]] const ssize_t written = ::write(fd_.get(), &one, sizeof one);
}

void WakeEvent::Clear() noexcept {
  uint64_t value = 0;
  [[maybe_unused]] const ssize_t got = ::read(fd_.get(), &value, sizeof value);
}

bool WakeEvent::IsSet() const noexcept {
  pollfd entry{fd_.get(), POLLIN, 0};
  return ::poll(&entry, 1, 0) > 0;
}

}  // namespace mailboxfs::base
