#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "fake_libfuse.h"
#include "fake_tree.h"
#include "mailboxfs/base/manual_clock.h"
#include "operations.h"

namespace mailboxfs::fuse {

// Operations over a FakeTree and the fake libfuse.
class OperationsFixture : public testing::Test {
 protected:
  OperationsFixture() {
    Kernel().Reset();
    operations_.SetSession(FakeSession());
  }
  ~OperationsFixture() override {
    watchdog_.Close();
    in_flight_.Drain();
  }

  // The requests as libfuse makes them.
  using Call = std::function<void(fuse_req_t)>;
  Call Lookup(tree::Ino parent, const std::string& name) {
    return [this, parent, name](fuse_req_t request) { table_.lookup(request, parent, name.c_str()); };
  }
  Call GetAttr(tree::Ino ino) {
    return [this, ino](fuse_req_t request) { table_.getattr(request, ino, nullptr); };
  }
  Call OpenDir(tree::Ino ino) {
    return [this, ino](fuse_req_t request) { table_.opendir(request, ino, &info_); };
  }
  Call Open(tree::Ino ino, int flags = O_RDONLY) {
    return [this, ino, flags](fuse_req_t request) {
      fuse_file_info info{};
      info.flags = flags;
      table_.open(request, ino, &info);
    };
  }
  Call Read(tree::Ino ino, uint64_t handle, size_t size, off_t offset) {
    return [=, this](fuse_req_t request) {
      fuse_file_info info{};
      info.fh = handle;
      table_.read(request, ino, size, offset, &info);
    };
  }
  Call GetXattr(tree::Ino ino, const char* name, size_t size) {
    return [=, this](fuse_req_t request) { table_.getxattr(request, ino, name, size); };
  }

  std::unique_ptr<FakeRequest> Start(const Call& call, pid_t tid = 4711) {
    auto request = std::make_unique<FakeRequest>(&operations_, tid);
    call(request->get());
    return request;
  }
  Answer Ask(const Call& call) { return Start(call)->Wait(); }
  uint64_t OpenHandle(tree::Ino ino) { return Ask(Open(ino)).open.fh; }

  base::ManualClock clock_;
  FakeTree tree_{clock_};
  std::atomic<bool> ends_caller_ = true;
  Watchdog watchdog_{std::chrono::seconds(30), std::chrono::seconds(600), clock_,
                     [this](pid_t) { return ends_caller_.load(); }};
  Notifier notifier_;
  ErrorLog errors_{clock_, [this](tree::Ino ino) { return tree_.Describe(ino); }};
  InFlight in_flight_;
  Operations operations_{
      {1000, 1001, 0027, std::chrono::hours(24)}, clock_, tree_, watchdog_, notifier_, errors_, in_flight_};
  const fuse_lowlevel_ops& table_ = OperationsTable();
  fuse_file_info info_{};

  const tree::Ino folder_ = tree_.AddDirectory(FakeTree::kRoot, "INBOX");
  const tree::Ino exact_ = tree_.AddMessage(folder_, "exact.eml", "Subject: 1\r\n\r\nbody\r\n");
  const tree::Ino estimated_ = tree_.AddMessage(folder_, "estimated.eml", std::string(1000, 'x'), 5);
};

}  // namespace mailboxfs::fuse
