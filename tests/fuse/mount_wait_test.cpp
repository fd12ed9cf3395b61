#include <sys/sysmacros.h>

#include <csignal>
#include <cstring>

#include "mount_fixture.h"

// Requests that wait, what ends them, and how the mount ends.
namespace mailboxfs::fuse {
namespace {

class MountWaitTest : public MountFixture {
 protected:
  void SetUp() override {
    MountFixture::SetUp();
    if (!IsSkipped()) tree_.Block(slow_);
  }

  const tree::Ino slow_ = tree_.AddMessage(folder_, "slow.eml", std::string(5000, 'x'));
  const tree::Ino other_ = tree_.AddMessage(folder_, "other.eml", "other");
};

TEST_F(MountWaitTest, BlockedOpensDelayNothingElse) {
  constexpr size_t kOpens = 64;
  options_.threads = 2;
  Start();
  std::vector<std::future<int>> opens;
  for (size_t i = 0; i < kOpens; ++i) {
    opens.push_back(std::async(std::launch::async, [this] { return OpenErrno(Path("INBOX/slow.eml")); }));
  }
  ASSERT_TRUE(tree_.WaitForWaiting(kOpens));
  auto others = std::async(std::launch::async, [this] {
    struct stat file {};
    EXPECT_EQ(::lstat(Path("INBOX/other.eml").c_str(), &file), 0);
    EXPECT_EQ(OpenErrno(Path("INBOX/other.eml")), 0);
    const auto listing = std::filesystem::directory_iterator(Path("INBOX"));
    return std::distance(begin(listing), end(listing));
  });
  EXPECT_EQ(others.wait_for(kPatience), std::future_status::ready);
  EXPECT_EQ(session_->GetStatus().waiting, kOpens);
  tree_.Release(slow_);
  EXPECT_EQ(others.get(), 2);
  for (auto& open : opens) EXPECT_EQ(open.get(), 0);
  EXPECT_EQ(session_->GetStatus().waiting, 0U);
}

TEST_F(MountWaitTest, BlockedReadsDelayNothingElse) {
  constexpr size_t kReads = 80;  // More than max_background.
  for (size_t i = 0; i < kReads; ++i) {
    tree_.BlockReads(tree_.AddMessage(folder_, std::to_string(i) + ".eml", std::string(300'000, 'x')));
  }
  Start();
  std::vector<std::future<size_t>> reads;
  for (size_t i = 0; i < kReads; ++i) {
    reads.push_back(std::async(std::launch::async, [this, i] {
      const base::UniqueFd fd(::open(Path("INBOX/" + std::to_string(i) + ".eml").c_str(), O_RDONLY | O_CLOEXEC));
      return ReadAll(fd.get()).size();
    }));
  }
  ASSERT_TRUE(tree_.WaitForWaiting(kReads));
  auto other = std::async(std::launch::async, [this] {
    const base::UniqueFd fd(::open(Path("INBOX/other.eml").c_str(), O_RDONLY | O_CLOEXEC));
    return ReadAll(fd.get());
  });
  EXPECT_EQ(other.wait_for(kPatience), std::future_status::ready);
  tree_.ReleaseAll();
  EXPECT_EQ(other.get(), "other");
  for (auto& read : reads) EXPECT_EQ(read.get(), 300'000U);
}

TEST_F(MountWaitTest, BlockedLookupsDelayNothingInTheirDirectory) {
  constexpr size_t kLookups = 8;
  Start();
  ASSERT_EQ(OpenErrno(Path("INBOX/other.eml")), 0);
  tree_.Block(folder_);
  std::vector<std::unique_ptr<Child>> lookups;
  for (size_t i = 0; i < kLookups; ++i) {
    const std::string path = Path("INBOX/none" + std::to_string(i));
    lookups.push_back(std::make_unique<Child>([&] { return OpenErrno(path); }));
  }
  ASSERT_TRUE(tree_.WaitForWaiting(kLookups)) << "one keeps the others out of the directory";
  EXPECT_EQ(OpenErrno(Path("INBOX/other.eml")), 0);
  for (size_t i = kLookups; i > 0; --i) {
    lookups[i - 1]->Kill(SIGKILL);
    EXPECT_TRUE(WIFSIGNALED(lookups[i - 1]->Wait()));
  }
  EXPECT_TRUE(tree_.WaitForWaiting(0));
}

class MountSignalTest : public MountWaitTest, public testing::WithParamInterface<int> {};

TEST_P(MountSignalTest, EndsAWaitingOpenAtOnce) {
  Start();
  const std::string path = Path("INBOX/slow.eml");
  Child child([&] { return OpenErrno(path); });
  ASSERT_TRUE(tree_.WaitForWaiting(1));
  child.Kill(GetParam());
  const int status = child.Wait();
  ASSERT_TRUE(WIFSIGNALED(status)) << status;
  EXPECT_EQ(WTERMSIG(status), GetParam());
  EXPECT_TRUE(tree_.WaitForWaiting(0)) << "and the tree knows";
}

TEST_P(MountSignalTest, EndsAWaitingReadAtOnce) {
  tree_.Release(slow_);
  tree_.BlockReads(slow_);
  Start();
  const std::string path = Path("INBOX/slow.eml");
  Child child([&] {
    const int fd = ::open(path.c_str(), O_RDONLY);
    char byte = 0;
    return ::read(fd, &byte, 1) == 1 ? 0 : errno;
  });
  ASSERT_TRUE(tree_.WaitForWaiting(1));
  child.Kill(GetParam());
  const int status = child.Wait();
  ASSERT_TRUE(WIFSIGNALED(status)) << status;
  EXPECT_EQ(WTERMSIG(status), GetParam());
}

// An open in a process that has a handler for the signal, without SA_RESTART.
int OpenWithHandler(const std::string& path, int signal) {
  struct sigaction action {};
  action.sa_handler = [](int) {};
  ::sigaction(signal, &action, nullptr);
  return OpenErrno(path);
}

INSTANTIATE_TEST_SUITE_P(Ending, MountSignalTest, testing::Values(SIGINT, SIGTERM, SIGKILL, SIGHUP, SIGQUIT));

TEST_F(MountWaitTest, ACaughtCtrlCInterruptsThatCallerOnly) {
  Start();
  const std::string path = Path("INBOX/slow.eml");
  Child other([&] { return OpenErrno(path); });
  ASSERT_TRUE(tree_.WaitForWaiting(1));
  Child child([&] { return OpenWithHandler(path, SIGINT); });
  ASSERT_TRUE(tree_.WaitForWaiting(2));
  child.Kill(SIGINT);
  const int status = child.Wait();
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), EINTR);
  EXPECT_EQ(session_->GetStatus().interrupted, 1U);
  EXPECT_EQ(session_->GetStatus().waiting, 1U);
  tree_.Release(slow_);
  EXPECT_EQ(other.Wait(), 0);
}

TEST_F(MountWaitTest, ACaughtCtrlCInterruptsAReadToo) {
  tree_.Release(slow_);
  tree_.BlockReads(slow_);
  Start();
  const std::string path = Path("INBOX/slow.eml");
  Child child([&] {
    OpenWithHandler(path, SIGINT);
    const int fd = ::open(path.c_str(), O_RDONLY);
    char byte = 0;
    return ::read(fd, &byte, 1) == 1 ? 0 : errno;
  });
  ASSERT_TRUE(tree_.WaitForWaiting(1));
  child.Kill(SIGINT);
  const int status = child.Wait();
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), EINTR);
}

TEST_F(MountWaitTest, ATimerDoesNotInterrupt) {
  Start();
  const std::string path = Path("INBOX/slow.eml");
  Child child([&] { return OpenWithHandler(path, SIGALRM); });
  ASSERT_TRUE(tree_.WaitForWaiting(1));
  child.Kill(SIGALRM);
  ASSERT_TRUE(Eventually([this] { return session_->GetStatus().signalled == 1; }));
  EXPECT_EQ(session_->GetStatus().waiting, 1U);
  tree_.Release(slow_);
  EXPECT_EQ(child.Wait(), 0);
}

TEST_F(MountWaitTest, CtrlCAfterATimerStillInterrupts) {
  Start();
  const std::string path = Path("INBOX/slow.eml");
  Child child([&] { return OpenWithHandler(path, SIGALRM); });
  ASSERT_TRUE(tree_.WaitForWaiting(1));
  child.Kill(SIGALRM);
  ASSERT_TRUE(Eventually([this] { return session_->GetStatus().signalled == 1; }));
  child.Kill(SIGINT);
  const int status = child.Wait();
  ASSERT_TRUE(WIFSIGNALED(status)) << status;
  EXPECT_EQ(WTERMSIG(status), SIGINT);
}

TEST_F(MountWaitTest, WithoutProgressAWaitTimesOut) {
  options_.stall = std::chrono::milliseconds(50);
  Start();
  EXPECT_EQ(OpenErrno(Path("INBOX/slow.eml")), ETIMEDOUT);
  EXPECT_EQ(session_->GetStatus().timed_out, 1U);
  EXPECT_EQ(OpenErrno(Path("INBOX/other.eml")), 0);
}

TEST_F(MountWaitTest, StopEndsRunAndUnmounts) {
  struct stat before {
  }, mounted{}, after{};
  ASSERT_EQ(::stat(options_.mountpoint.c_str(), &before), 0);
  Start();
  ASSERT_EQ(::stat(options_.mountpoint.c_str(), &mounted), 0);
  EXPECT_NE(before.st_dev, mounted.st_dev);
  session_->Stop();
  ASSERT_TRUE(HasEnded());
  ASSERT_EQ(::stat(options_.mountpoint.c_str(), &after), 0);
  EXPECT_EQ(before.st_dev, after.st_dev);
}

TEST_F(MountWaitTest, StopBeforeRunEndsItToo) {
  session_ = Session::Make(options_, base::Clock::System());
  session_->SetTree(tree_);
  session_->Mount();
  session_->Stop();
  ended_ = std::async(std::launch::async, [this] { session_->Run({}); });
  EXPECT_TRUE(HasEnded());
}

Session* g_session = nullptr;

TEST_F(MountWaitTest, StopWorksInASignalHandler) {
  Start();
  g_session = session_.get();
  struct sigaction action {
  }, old{};
  action.sa_handler = [](int) { g_session->Stop(); };
  ASSERT_EQ(::sigaction(SIGUSR1, &action, &old), 0);
  ASSERT_EQ(::raise(SIGUSR1), 0);
  EXPECT_TRUE(HasEnded());
  ::sigaction(SIGUSR1, &old, nullptr);
}

TEST_F(MountWaitTest, StopAnswersThoseWhoWait) {
  Start();
  auto open = std::async(std::launch::async, [this] { return OpenErrno(Path("INBOX/slow.eml")); });
  ASSERT_TRUE(tree_.WaitForWaiting(1));
  session_->Stop();
  ASSERT_TRUE(HasEnded());
  EXPECT_EQ(open.get(), EIO);
}

TEST_F(MountWaitTest, StopWithOpenFilesAndBusyReadersEnds) {
  Start();
  const base::UniqueFd held(::open(Path("INBOX/other.eml").c_str(), O_RDONLY | O_CLOEXEC));
  ASSERT_TRUE(held);
  std::vector<std::future<void>> busy;
  for (int i = 0; i < 4; ++i) {
    busy.push_back(std::async(std::launch::async, [this] {
      struct stat file {};
      do {
        ::lstat(Path("INBOX/none.eml").c_str(), &file);
      } while (errno == ENOENT);
    }));
  }
  session_->Stop();
  EXPECT_TRUE(HasEnded());
  // The name is now that of the empty directory below.
  for (auto& reader : busy) EXPECT_NE(reader.wait_for(std::chrono::seconds(0)), std::future_status::deferred);
  ASSERT_EQ(::mkdir(Path("INBOX").c_str(), 0700), 0);
  ASSERT_EQ(::mkdir(Path("INBOX/none.eml").c_str(), 0700), 0);
  for (auto& reader : busy) EXPECT_EQ(reader.wait_for(kPatience), std::future_status::ready);
  ASSERT_EQ(::rmdir(Path("INBOX/none.eml").c_str()), 0);
  ASSERT_EQ(::rmdir(Path("INBOX").c_str()), 0);
}

TEST_F(MountWaitTest, StopWhileTheNotifierWaitsInTheKernelEnds) {
  Start();
  struct stat file {};
  ASSERT_EQ(::lstat(Path("INBOX/other.eml").c_str(), &file), 0);
  tree_.Block(folder_);
  // The lookup holds the directory's lock in the kernel until it is answered.
  auto lookup = std::async(std::launch::async, [this] {
    struct stat missing {};
    return ::lstat(Path("INBOX/none.eml").c_str(), &missing);
  });
  ASSERT_TRUE(tree_.WaitForWaiting(1));
  session_->notifier().Deleted(folder_, other_, "other.eml");
  EXPECT_EQ(OpenErrno(Path("INBOX/other.eml")), 0) << "the name is told to be gone only after the lookup";
  session_->Stop();
  EXPECT_TRUE(HasEnded());
  EXPECT_EQ(lookup.get(), -1);
}

TEST_F(MountWaitTest, UnmountingFromOutsideEndsRun) {
  Start();
  ASSERT_EQ(Unmount(options_.mountpoint, false), 0);
  EXPECT_TRUE(HasEnded());
}

TEST_F(MountWaitTest, LazyUnmountFromOutsideEndsRunWhenTheLastFileIsClosed) {
  Start();
  base::UniqueFd held(::open(Path("INBOX/other.eml").c_str(), O_RDONLY | O_CLOEXEC));
  ASSERT_TRUE(held);
  ASSERT_EQ(Unmount(options_.mountpoint, true), 0);
  EXPECT_EQ(ReadAll(held.get()), "other");
  held.Reset();
  EXPECT_TRUE(HasEnded());
}

// Serves a mount in this process until its reading from /dev/fuse fails.
int ServeUntilReadingFails(const SessionOptions& options) {
  FakeTree tree;
  const auto session = Session::Make(options, base::Clock::System());
  session->SetTree(tree);
  session->Mount();
  session->Run([&] {
    for (int fd = 3; fd < 256; ++fd) {
      std::error_code none;
      if (std::filesystem::read_symlink("/proc/self/fd/" + std::to_string(fd), none) != "/dev/fuse") continue;
      // The connection lives on under another number.
      if (::dup(fd) < 0 || ::dup2(::open("/", O_RDONLY | O_CLOEXEC), fd) != fd) ::_exit(2);
      // Wakes the loop.
      std::thread([path = options.mountpoint] { OpenErrno(path + "/INBOX"); }).detach();
      return;
    }
    ::_exit(3);
  });
  return 0;
}

TEST_F(MountWaitTest, ALoopThatFailsNeverLeavesAnEmptyDirectory) {
  Child child([this] { return ServeUntilReadingFails(options_); });
  const int status = child.Wait();
  ASSERT_TRUE(WIFSIGNALED(status)) << status;
  EXPECT_EQ(WTERMSIG(status), SIGABRT);
  struct stat file {};
  EXPECT_EQ(::stat(options_.mountpoint.c_str(), &file), -1);
  EXPECT_EQ(errno, ENOTCONN);
  EXPECT_EQ(Unmount(options_.mountpoint, true), 0);
}

// Whose mount it is may abort its connection by writing to this file.
base::UniqueFd OpenAbortFile(const std::string& mountpoint) {
  struct stat root {};
  if (::stat(mountpoint.c_str(), &root) != 0) return {};
  const std::string path = "/sys/fs/fuse/connections/" + std::to_string(::minor(root.st_dev)) + "/abort";
  return base::UniqueFd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
}

TEST_F(MountWaitTest, AbortedConnectionEndsRunAndItsWaits) {
  Start();
  const base::UniqueFd abort = OpenAbortFile(options_.mountpoint);
  const bool root = ::geteuid() == 0;
  if (!abort && !root) GTEST_SKIP() << "only root can do without /sys/fs/fuse/connections (contrib/deps.sh mounts it)";
  auto open = std::async(std::launch::async, [this] { return OpenErrno(Path("INBOX/slow.eml")); });
  ASSERT_TRUE(tree_.WaitForWaiting(1));
  if (root) {
    // What umount -f does.
    ::umount2(options_.mountpoint.c_str(), MNT_FORCE);
  } else {
    ASSERT_EQ(::write(abort.get(), "1", 1), 1);
  }
  EXPECT_TRUE(HasEnded());
  EXPECT_NE(open.get(), 0);
  EXPECT_TRUE(tree_.WaitForWaiting(0));
}

}  // namespace
}  // namespace mailboxfs::fuse
