#pragma once

#include <fuse3/fuse_lowlevel.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/types.h>

#include <string_view>
#include <utility>
#include <vector>

#include "mailboxfs/tree/tree.h"

namespace mailboxfs::fuse {

// The answer that one request of the kernel is owed. Move-only; given exactly once, and EIO
// if it dies without. Hold no lock when answering: the caller wakes up and its next request,
// say the RELEASE of what was just opened, may be served before the call returns. Thread-bound.
class Reply {
 public:
  Reply() = default;
  explicit Reply(fuse_req_t request) : request_(request) {}
  ~Reply();
  Reply(Reply&& other) noexcept : request_(std::exchange(other.request_, nullptr)) {}
  Reply& operator=(Reply&& other) noexcept {
    std::swap(request_, other.request_);
    return *this;
  }
  Reply(const Reply&) = delete;
  Reply& operator=(const Reply&) = delete;

  // Still owed.
  explicit operator bool() const noexcept { return request_ != nullptr; }
  // Borrowed; null once answered.
  fuse_req_t request() const noexcept { return request_; }
  // The thread that asks; 0 if it is in a PID namespace that we cannot see.
  pid_t caller() const;

  // All are no-ops once answered.
  void Errno(int errnum);
  void Entry(const fuse_entry_param& entry);
  void Attributes(const struct stat& attributes, double timeout);
  // False: the kernel did not take it (the caller has gone), so no RELEASE will come.
  bool Open(const fuse_file_info& info);
  void Bytes(std::string_view bytes);
  // The spans, one after the other. Throws Error(kDisk) if a file is shorter than its span.
  void Spans(const std::vector<tree::ReadSpan>& spans);
  void XattrSize(size_t size);
  void StatFs(const struct statvfs& numbers);

 private:
  fuse_req_t request_ = nullptr;
};

}  // namespace mailboxfs::fuse
