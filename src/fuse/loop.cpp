#include "loop.h"

#include <fcntl.h>
#include <sys/epoll.h>

#include <array>
#include <cerrno>
#include <cstdlib>

#include "mailboxfs/base/error.h"
#include "mailboxfs/base/log.h"

namespace mailboxfs::fuse {
namespace {

using base::ErrnoError;
using base::ErrorKind;

// libfuse allocates the memory at the first use.
struct Buffer {
  Buffer() = default;
  ~Buffer() { std::free(buffer.mem); }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  fuse_buf buffer{};
};

void Watch(int epoll, int fd, uint32_t events) {
  epoll_event event{};
  event.events = events;
  event.data.fd = fd;
  if (::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0) throw ErrnoError(ErrorKind::kInternal, "epoll_ctl", errno);
}

// True if `event_fd` was among what is ready.
bool WaitFor(int epoll, int event_fd) {
  std::array<epoll_event, 2> events{};
  const int count = ::epoll_wait(epoll, events.data(), static_cast<int>(events.size()), -1);
  if (count < 0 && errno != EINTR) throw ErrnoError(ErrorKind::kInternal, "epoll_wait", errno);
  for (int i = 0; i < count; ++i) {
    if (events[static_cast<size_t>(i)].data.fd == event_fd) return true;
  }
  return false;
}

}  // namespace

Loop::Loop(fuse_session* session, base::WakeEvent& ended) : session_(session), ended_(ended) {
  const int fd = fuse_session_fd(session_);
  const int flags = ::fcntl(fd, F_GETFL);
  if (flags < 0 || ::fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0) {
    throw ErrnoError(ErrorKind::kInternal, "fcntl(/dev/fuse)", errno);
  }
}

Loop::~Loop() { Stop(); }

void Loop::ServeUntil(const std::function<bool()>& done) { Serve(ended_, done); }

void Loop::Start(unsigned threads) {
  for (unsigned i = 0; i < threads; ++i) threads_.emplace_back(&Loop::Work, this);
}

void Loop::Work() noexcept {
  try {
    Serve(quit_, [this] { return quitting_.load(); });
  } catch (...) {
    // Not an unmount: a backup that runs would see an empty directory and believe it. From a
    // process that has died the kernel answers ENOTCONN.
    base::LogError("a thread that serves the kernel failed, which ends the process: {}", base::CurrentError().what());
    std::abort();
  }
}

void Loop::Serve(const base::WakeEvent& until, const std::function<bool()>& done) {
  const base::UniqueFd epoll(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll) throw ErrnoError(ErrorKind::kInternal, "epoll_create1", errno);
  // Exclusive: one request wakes one thread.
  Watch(epoll.get(), fuse_session_fd(session_), EPOLLIN | EPOLLEXCLUSIVE);
  Watch(epoll.get(), until.fd(), EPOLLIN);
  Buffer buffer;
  while (!done()) {
    const int got = fuse_session_receive_buf(session_, &buffer.buffer);
    if (got == -EINTR) continue;
    if (got == -EAGAIN) {
      if (WaitFor(epoll.get(), until.fd())) return;
      continue;
    }
    if (got < 0 && got != -ENODEV) throw ErrnoError(ErrorKind::kInternal, "reading from /dev/fuse", -got);
    if (got <= 0) {  // Unmounted.
      ended_.Set();
      return;
    }
    fuse_session_process_buf(session_, &buffer.buffer);
  }
}

void Loop::Stop() {
  quitting_ = true;
  quit_.Set();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

}  // namespace mailboxfs::fuse
