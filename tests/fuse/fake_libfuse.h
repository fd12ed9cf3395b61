#pragma once

#include <fuse3/fuse_lowlevel.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <tuple>
#include <vector>

#include "mailboxfs/base/mutex.h"

// The part of libfuse that answers requests, replaced at link time: it writes down what the
// kernel would have been told.
namespace mailboxfs::fuse {

struct Answer {
  std::string kind;  // "err", "entry", "attr", "open", "buf", "data", "xattr", "statfs"
  int errnum = 0;
  fuse_entry_param entry{};
  struct stat attr {};
  double timeout = 0;
  fuse_file_info open{};
  std::string bytes;
  size_t xattr_size = 0;
  struct statvfs numbers {};
};

// A request of the kernel. Must outlive its answer. Thread-safe.
class FakeRequest {
 public:
  explicit FakeRequest(void* userdata, pid_t tid = 4711);
  ~FakeRequest();
  FakeRequest(const FakeRequest&) = delete;
  FakeRequest& operator=(const FakeRequest&) = delete;

  fuse_req_t get() { return reinterpret_cast<fuse_req_t>(this); }
  // Waits for it; fails the test after 30 s.
  Answer Wait();
  bool answered();
  // The kernel sends INTERRUPT.
  void Interrupt();
  // The kernel has forgotten the request: answers find nobody.
  void Abandon();

  // -- For the fake.
  static FakeRequest& Of(fuse_req_t request) { return *reinterpret_cast<FakeRequest*>(request); }
  int Take(Answer answer);
  void SetInterrupt(fuse_interrupt_func_t func, void* data);
  fuse_ctx context{};
  void* const userdata;

 private:
  base::Mutex mutex_;
  base::CondVar changed_;
  int answers_ GUARDED_BY(mutex_) = 0;
  bool abandoned_ GUARDED_BY(mutex_) = false;
  Answer answer_ GUARDED_BY(mutex_);

  // As in libfuse, held while the function is called.
  base::Mutex interrupt_mutex_;
  bool interrupted_ GUARDED_BY(interrupt_mutex_) = false;
  fuse_interrupt_func_t func_ GUARDED_BY(interrupt_mutex_) = nullptr;
  void* data_ GUARDED_BY(interrupt_mutex_) = nullptr;
};

// What the kernel was notified of, in order.
class FakeKernel {
 public:
  // "delete 1001 1005 a.eml", "entry 1001 a.eml", "inode 1005"
  std::vector<std::string> notifications();
  // Waits until there are `count`; false after 30 s.
  bool WaitFor(size_t count);
  // The result of the next and all later deletes.
  void SetDeleteResult(int result);
  // Notifications wait in the kernel until let go.
  void Stall(bool stalled);
  // Waits until one does.
  bool WaitForStalled();
  void Reset();

  // -- For the fake.
  void Add(const std::string& notification);
  int delete_result();

 private:
  base::Mutex mutex_;
  base::CondVar changed_;
  std::vector<std::string> notifications_ GUARDED_BY(mutex_);
  int delete_result_ GUARDED_BY(mutex_) = 0;
  bool stalled_ GUARDED_BY(mutex_) = false;
  int in_kernel_ GUARDED_BY(mutex_) = 0;
};

FakeKernel& Kernel();

// Any pointer that is not null: the fake does not look at it.
fuse_session* FakeSession();

}  // namespace mailboxfs::fuse
