#pragma once

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "fake_tree.h"
#include "mailboxfs/base/fd.h"
#include "mailboxfs/fuse/session.h"

namespace mailboxfs::fuse {

inline constexpr std::chrono::seconds kPatience{30};

// A process that runs `body` (system calls only) and exits with what it returns.
class Child {
 public:
  explicit Child(const std::function<int()>& body) : pid_(::fork()) {
    if (pid_ == 0) ::_exit(body());
    pidfd_ = base::UniqueFd(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)));
  }
  ~Child() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  void Kill(int signal) const { ASSERT_EQ(::kill(pid_, signal), 0); }
  // The status as waitpid(2) gives it; -1 if it does not end.
  int Wait() {
    pollfd event{pidfd_.get(), POLLIN, 0};
    const int ready = ::poll(&event, 1, static_cast<int>(std::chrono::milliseconds(kPatience).count()));
    if (ready <= 0) return -1;
    int status = -1;
    ::waitpid(std::exchange(pid_, -1), &status, 0);
    return status;
  }

 private:
  pid_t pid_;
  base::UniqueFd pidfd_;
};

// True if `condition` became so in time.
inline bool Eventually(const std::function<bool()>& condition) {
  const auto until = std::chrono::steady_clock::now() + kPatience;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > until) return false;
    std::this_thread::yield();
  }
  return true;
}

// 0, or errno.
inline int OpenErrno(const std::string& path, int flags = O_RDONLY) {
  const base::UniqueFd fd(::open(path.c_str(), flags | O_CLOEXEC));
  return fd ? 0 : errno;
}

inline std::string ReadAll(int fd) {
  std::string bytes;
  std::vector<char> buffer(1 << 16);
  ssize_t got = 0;
  while ((got = ::read(fd, buffer.data(), buffer.size())) > 0) bytes.append(buffer.data(), static_cast<size_t>(got));
  EXPECT_EQ(got, 0) << errno;
  return bytes;
}

// From outside, as who runs the tests can. 0: done.
inline int Unmount(const std::string& mountpoint, bool lazy) {
  if (::geteuid() == 0) return ::umount2(mountpoint.c_str(), lazy ? MNT_DETACH : 0);
  return std::system(("fusermount3 -q -u " + std::string(lazy ? "-z " : "") + mountpoint).c_str());
}

// A real mount of a FakeTree below a temporary directory.
class MountFixture : public testing::Test {
 protected:
  MountFixture() {
    if (!std::filesystem::exists("/dev/fuse")) return;
    std::string pattern = std::filesystem::temp_directory_path() / "mailboxfs-mount-XXXXXX";
    if (::mkdtemp(pattern.data()) == nullptr) throw base::ErrnoError(base::ErrorKind::kDisk, pattern, errno);
    options_.mountpoint = mountpoint_ = pattern;
    options_.fsname = "test";
    options_.uid = ::getuid();
    options_.gid = ::getgid();
  }

  ~MountFixture() override {
    End();
    session_.reset();
    if (mountpoint_.empty()) return;
    // Only if a test failed is it still mounted.
    Unmount(mountpoint_, true);
    ::rmdir(mountpoint_.c_str());
  }

  void SetUp() override {
    if (mountpoint_.empty()) GTEST_SKIP() << "no /dev/fuse";
  }

  // Mounts and serves until End.
  void Start() {
    session_ = Session::Make(options_, base::Clock::System());
    session_->SetTree(tree_);
    session_->Mount();
    auto ready = std::make_shared<std::promise<void>>();
    ended_ = std::async(std::launch::async, [this, ready] { session_->Run([&] { ready->set_value(); }); });
    ASSERT_EQ(ready->get_future().wait_for(kPatience), std::future_status::ready);
  }

  // True if Run has returned in time.
  bool HasEnded() { return ended_.wait_for(kPatience) == std::future_status::ready; }

  void End() {
    if (!ended_.valid()) return;
    session_->Stop();
    ended_.get();
  }

  std::string Path(const std::string& relative) const { return mountpoint_ + "/" + relative; }

  SessionOptions options_;
  FakeTree tree_;
  std::unique_ptr<Session> session_;
  std::future<void> ended_;
  const tree::Ino folder_ = tree_.AddDirectory(FakeTree::kRoot, "INBOX");

 private:
  std::string mountpoint_;
};

}  // namespace mailboxfs::fuse
