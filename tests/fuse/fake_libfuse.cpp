#include "fake_libfuse.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <utility>

#include "mailboxfs/base/log.h"

namespace mailboxfs::fuse {
namespace {

constexpr std::chrono::seconds kPatience{30};

}  // namespace

FakeRequest::FakeRequest(void* data, pid_t tid) : userdata(data) { context.pid = tid; }

FakeRequest::~FakeRequest() {
  base::MutexLock lock(mutex_);
  EXPECT_EQ(answers_, 1) << "a request must be answered exactly once";
}

Answer FakeRequest::Wait() {
  const auto until = std::chrono::steady_clock::now() + kPatience;
  base::MutexLock lock(mutex_);
  while (answers_ == 0) {
    if (!changed_.WaitUntil(mutex_, until)) {
      ADD_FAILURE() << "no answer";
      break;
    }
  }
  return answer_;
}

bool FakeRequest::answered() {
  base::MutexLock lock(mutex_);
  return answers_ > 0;
}

void FakeRequest::Interrupt() {
  base::MutexLock lock(interrupt_mutex_);
  interrupted_ = true;
  if (func_ != nullptr) func_(get(), data_);
}

void FakeRequest::Abandon() {
  base::MutexLock lock(mutex_);
  abandoned_ = true;
}

int FakeRequest::Take(Answer answer) {
  {
    base::MutexLock lock(interrupt_mutex_);
    EXPECT_EQ(func_, nullptr) << "answered with the interrupt function still set";
  }
  base::MutexLock lock(mutex_);
  ++answers_;
  answer_ = std::move(answer);
  changed_.NotifyAll();
  return abandoned_ ? -ENOENT : 0;
}

void FakeRequest::SetInterrupt(fuse_interrupt_func_t func, void* data) {
  base::MutexLock lock(interrupt_mutex_);
  func_ = func;
  data_ = data;
  if (interrupted_ && func != nullptr) func(get(), data);
}

std::vector<std::string> FakeKernel::notifications() {
  base::MutexLock lock(mutex_);
  return notifications_;
}

bool FakeKernel::WaitFor(size_t count) {
  const auto until = std::chrono::steady_clock::now() + kPatience;
  base::MutexLock lock(mutex_);
  while (notifications_.size() < count) {
    if (!changed_.WaitUntil(mutex_, until)) return false;
  }
  return true;
}

void FakeKernel::SetDeleteResult(int result) {
  base::MutexLock lock(mutex_);
  delete_result_ = result;
}

void FakeKernel::Stall(bool stalled) {
  base::MutexLock lock(mutex_);
  stalled_ = stalled;
  changed_.NotifyAll();
}

bool FakeKernel::WaitForStalled() {
  const auto until = std::chrono::steady_clock::now() + kPatience;
  base::MutexLock lock(mutex_);
  while (in_kernel_ == 0) {
    if (!changed_.WaitUntil(mutex_, until)) return false;
  }
  return true;
}

void FakeKernel::Reset() {
  base::MutexLock lock(mutex_);
  notifications_.clear();
  delete_result_ = 0;
  stalled_ = false;
}

void FakeKernel::Add(const std::string& notification) {
  base::MutexLock lock(mutex_);
  ++in_kernel_;
  changed_.NotifyAll();
  while (stalled_) changed_.Wait(mutex_);
  --in_kernel_;
  notifications_.push_back(notification);
  changed_.NotifyAll();
}

int FakeKernel::delete_result() {
  base::MutexLock lock(mutex_);
  return delete_result_;
}

FakeKernel& Kernel() {
  static FakeKernel kernel;
  return kernel;
}

fuse_session* FakeSession() {
  static int session = 0;
  return reinterpret_cast<fuse_session*>(&session);
}

}  // namespace mailboxfs::fuse

// libfuse's functions. The executable's own symbols win over those of the shared library.
using mailboxfs::base::Format;
using mailboxfs::fuse::Answer;
using mailboxfs::fuse::FakeRequest;
using mailboxfs::fuse::Kernel;

// NOLINTBEGIN(readability-identifier-naming)
extern "C" {

int fuse_reply_err(fuse_req_t req, int err) {
  Answer answer{"err"};
  answer.errnum = err;
  return FakeRequest::Of(req).Take(answer);
}

int fuse_reply_entry(fuse_req_t req, const struct fuse_entry_param* e) {
  Answer answer{"entry"};
  answer.entry = *e;
  return FakeRequest::Of(req).Take(answer);
}

int fuse_reply_attr(fuse_req_t req, const struct stat* attr, double attr_timeout) {
  Answer answer{"attr"};
  answer.attr = *attr;
  answer.timeout = attr_timeout;
  return FakeRequest::Of(req).Take(answer);
}

int fuse_reply_open(fuse_req_t req, const struct fuse_file_info* fi) {
  Answer answer{"open"};
  answer.open = *fi;
  return FakeRequest::Of(req).Take(answer);
}

int fuse_reply_buf(fuse_req_t req, const char* buf, size_t size) {
  Answer answer{"buf"};
  if (size > 0) answer.bytes.assign(buf, size);
  return FakeRequest::Of(req).Take(answer);
}

int fuse_reply_data(fuse_req_t req, struct fuse_bufvec* bufv, enum fuse_buf_copy_flags /*flags*/) {
  Answer answer{"data"};
  const fuse_buf& buffer = bufv->buf[0];
  EXPECT_EQ(bufv->count, 1U);
  EXPECT_TRUE(buffer.flags & FUSE_BUF_IS_FD);
  EXPECT_TRUE(buffer.flags & FUSE_BUF_FD_SEEK);
  answer.bytes.resize(buffer.size);
  const ssize_t got = ::pread(buffer.fd, answer.bytes.data(), buffer.size, buffer.pos);
  EXPECT_EQ(got, static_cast<ssize_t>(buffer.size));
  return FakeRequest::Of(req).Take(answer);
}

int fuse_reply_xattr(fuse_req_t req, size_t count) {
  Answer answer{"xattr"};
  answer.xattr_size = count;
  return FakeRequest::Of(req).Take(answer);
}

int fuse_reply_statfs(fuse_req_t req, const struct statvfs* stbuf) {
  Answer answer{"statfs"};
  answer.numbers = *stbuf;
  return FakeRequest::Of(req).Take(answer);
}

const struct fuse_ctx* fuse_req_ctx(fuse_req_t req) { return &FakeRequest::Of(req).context; }

void* fuse_req_userdata(fuse_req_t req) { return FakeRequest::Of(req).userdata; }

void fuse_req_interrupt_func(fuse_req_t req, fuse_interrupt_func_t func, void* data) {
  FakeRequest::Of(req).SetInterrupt(func, data);
}

int fuse_lowlevel_notify_inval_inode(struct fuse_session* se, fuse_ino_t ino, off_t off, off_t /*len*/) {
  EXPECT_NE(se, nullptr);
  EXPECT_LT(off, 0) << "attributes only";
  Kernel().Add(Format("inode {}", ino));
  return 0;
}

int fuse_lowlevel_notify_inval_entry(struct fuse_session* /*se*/, fuse_ino_t parent, const char* name, size_t namelen) {
  Kernel().Add(Format("entry {} {}", parent, std::string_view(name, namelen)));
  return 0;
}

int fuse_lowlevel_notify_delete(struct fuse_session* /*se*/, fuse_ino_t parent, fuse_ino_t child, const char* name,
                                size_t namelen) {
  Kernel().Add(Format("delete {} {} {}", parent, child, std::string_view(name, namelen)));
  return Kernel().delete_result();
}

}  // extern "C"
// NOLINTEND(readability-identifier-naming)
