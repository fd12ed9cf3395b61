#include "reply.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "mailboxfs/base/error.h"

namespace mailboxfs::fuse {
namespace {

// Reads the whole span; less would look like the end of the file.
void AppendSpan(const tree::ReadSpan& span, std::string* out) {
  const size_t start = out->size();
  out->resize(start + span.length);
  size_t done = 0;
  while (done < span.length) {
    const ssize_t got =
        ::pread(span.fd, out->data() + start + done, span.length - done, static_cast<off_t>(span.offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw base::ErrnoError(base::ErrorKind::kDisk, "reading a cached message", errno);
    if (got == 0) throw base::Error(base::ErrorKind::kDisk, "a cached message is shorter than it was");
    done += static_cast<size_t>(got);
  }
}

}  // namespace

Reply::~Reply() { Errno(EIO); }

pid_t Reply::caller() const { return request_ == nullptr ? 0 : fuse_req_ctx(request_)->pid; }

void Reply::Errno(int errnum) {
  if (request_ != nullptr) fuse_reply_err(std::exchange(request_, nullptr), errnum);
}

void Reply::Entry(const fuse_entry_param& entry) {
  if (request_ != nullptr) fuse_reply_entry(std::exchange(request_, nullptr), &entry);
}

void Reply::Attributes(const struct stat& attributes, double timeout) {
  if (request_ != nullptr) fuse_reply_attr(std::exchange(request_, nullptr), &attributes, timeout);
}

bool Reply::Open(const fuse_file_info& info) {
  return request_ != nullptr && fuse_reply_open(std::exchange(request_, nullptr), &info) == 0;
}

void Reply::Bytes(std::string_view bytes) {
  if (request_ != nullptr) fuse_reply_buf(std::exchange(request_, nullptr), bytes.data(), bytes.size());
}

void Reply::Spans(const std::vector<tree::ReadSpan>& spans) {
  if (request_ == nullptr) return;
  if (spans.size() != 1) {
    std::string bytes;
    for (const tree::ReadSpan& span : spans) AppendSpan(span, &bytes);
    Bytes(bytes);
    return;
  }
  const tree::ReadSpan& span = spans.front();
  if (span.length == 0) {
    Bytes({});
    return;
  }
  struct stat info {};
  if (::fstat(span.fd, &info) != 0 || static_cast<uint64_t>(info.st_size) < span.offset + span.length) {
    throw base::Error(base::ErrorKind::kDisk, "a cached message is shorter than it was");
  }
  fuse_bufvec vector{};
  vector.count = 1;
  vector.buf[0].size = span.length;
  vector.buf[0].flags = static_cast<fuse_buf_flags>(FUSE_BUF_IS_FD | FUSE_BUF_FD_SEEK | FUSE_BUF_FD_RETRY);
  vector.buf[0].fd = span.fd;
  vector.buf[0].pos = static_cast<off_t>(span.offset);
  // Pages move from the cache file to the kernel's page cache instead of being held twice.
  fuse_reply_data(std::exchange(request_, nullptr), &vector, FUSE_BUF_SPLICE_MOVE);
}

void Reply::XattrSize(size_t size) {
  if (request_ != nullptr) fuse_reply_xattr(std::exchange(request_, nullptr), size);
}

void Reply::StatFs(const struct statvfs& numbers) {
  if (request_ != nullptr) fuse_reply_statfs(std::exchange(request_, nullptr), &numbers);
}

}  // namespace mailboxfs::fuse
