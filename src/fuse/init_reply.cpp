#include "init_reply.h"

#include <fcntl.h>
#include <linux/fuse.h>
#include <unistd.h>

#include <cstddef>
#include <cstring>
#include <utility>
#include <vector>

#include "mailboxfs/base/error.h"

namespace mailboxfs::fuse {
namespace {

thread_local uint32_t t_flags = 0;

ssize_t Write(int fd, iovec* parts, int count, void* /*userdata*/) { return WriteReply(fd, parts, count); }

ssize_t Read(int fd, void* buffer, size_t length, void* /*userdata*/) { return ::read(fd, buffer, length); }

ssize_t Splice(int in, off_t* in_offset, int out, off_t* out_offset, size_t length, unsigned flags,
               void* /*userdata*/) {
  return ::splice(in, in_offset, out, out_offset, length, flags);
}

}  // namespace

void AddToInitReply(uint32_t flags) { t_flags = flags; }

ssize_t WriteReply(int fd, const iovec* parts, int count) {
  const uint32_t flags = std::exchange(t_flags, 0);
  constexpr size_t kEnd = offsetof(fuse_init_out, flags) + sizeof(fuse_init_out::flags);
  // An error is the header alone.
  if (flags == 0 || count != 2 || parts[1].iov_len < kEnd) return ::writev(fd, parts, count);
  std::vector<char> reply(parts[1].iov_len);
  std::memcpy(reply.data(), parts[1].iov_base, reply.size());
  uint32_t all = 0;
  std::memcpy(&all, &reply[offsetof(fuse_init_out, flags)], sizeof(all));
  all |= flags;
  std::memcpy(&reply[offsetof(fuse_init_out, flags)], &all, sizeof(all));
  const iovec changed[] = {parts[0], {reply.data(), reply.size()}};
  return ::writev(fd, changed, 2);
}

void FilterReplies(fuse_session* session) {
  fuse_custom_io io{};
  io.writev = Write;
  io.read = Read;
  // Without it libfuse would copy bodies instead of splicing them. Requests are not spliced.
  io.splice_send = Splice;
  const int result = fuse_session_custom_io(session, &io, fuse_session_fd(session));
  if (result != 0) throw base::ErrnoError(base::ErrorKind::kInternal, "fuse_session_custom_io", -result);
}

}  // namespace mailboxfs::fuse
