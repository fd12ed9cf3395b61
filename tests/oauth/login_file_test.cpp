#include "login_file.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <future>
#include <thread>

#include "oauth_testing.h"

namespace mailboxfs::oauth {
namespace {

using base::ErrorKind;
using std::chrono::seconds;
using testing::ErrorOf;
using ::testing::HasSubstr;
using ::testing::Not;

class LoginFileTest : public ::testing::Test {
 protected:
  static StoredLogin Login(const std::string& token) {
    StoredLogin login;
    login.client_id = "client";
    login.token_endpoint = "https://x.test/token";
    login.issuer = "https://x.test";
    login.refresh_token = base::Secret(token);
    login.initial_digest = "abc";
    return login;
  }
  void Write(const std::string& token) {
    const LoginLock lock(file_, clock_, base::Deadline::Never(), wake_);
    file_.Write(Login(token), clock_.WallNow());
  }
  void PutText(const std::string& text) {
    Write("x");
    std::ofstream(file_.path(), std::ios::trunc) << text;
  }
  unsigned ModeOf(const std::string& path) {
    struct stat status {};
    EXPECT_EQ(::lstat(path.c_str(), &status), 0) << path;
    return status.st_mode & 07777U;
  }

  testing::TemporaryDirectory directory_;
  base::ManualClock clock_;
  base::WakeEvent wake_;
  LoginFile file_{directory_.Path("state/logins/contoso.json")};
};

TEST_F(LoginFileTest, WhatWasWrittenIsRead) {
  EXPECT_FALSE(file_.Read());
  // All that JSON has to escape, and what is not ASCII.
  const std::string token = "r\"e\\f\n\x01\x1f/\x7f\xc3\xa9 .-_~+=";
  Write(token);
  const StoredLogin login = file_.Read().value();
  EXPECT_EQ(login.refresh_token.Reveal(), token);
  EXPECT_EQ(login.client_id, "client");
  EXPECT_EQ(login.token_endpoint, "https://x.test/token");
  EXPECT_EQ(login.issuer, "https://x.test");
  EXPECT_EQ(login.initial_digest, "abc");
  const json::Value value = json::Parse(testing::ReadText(file_.path()));
  EXPECT_EQ(*value.Find("version")->AsInt(), 1);
  EXPECT_EQ(*value.Find("updated")->AsInt(), 50LL * 365 * 86400);
}

TEST_F(LoginFileTest, EverythingIsForItsOwnerOnly) {
  const mode_t old = ::umask(0);
  Write("token");
  ::umask(old);
  EXPECT_EQ(ModeOf(file_.path()), 0600U);
  EXPECT_EQ(ModeOf(file_.path() + ".lock"), 0600U);
  EXPECT_EQ(ModeOf(directory_.Path("state/logins")), 0700U);
  EXPECT_EQ(ModeOf(directory_.Path("state")), 0700U);
}

TEST_F(LoginFileTest, AFileThatOthersCanUseIsRefused) {
  Write("token");
  for (const mode_t mode : {0640U, 0604U, 0620U, 0601U}) {
    ASSERT_EQ(::chmod(file_.path().c_str(), mode), 0);
    const base::Error error = ErrorOf([this] { file_.Read(); });
    EXPECT_EQ(error.kind(), ErrorKind::kConfig);
    EXPECT_THAT(error.what(), HasSubstr("chmod 600 " + file_.path()));
  }
}

TEST_F(LoginFileTest, LinksPipesAndDirectoriesAreRefused) {
  Write("token");
  std::filesystem::rename(file_.path(), directory_.Path("elsewhere"));
  std::filesystem::create_symlink(directory_.Path("elsewhere"), file_.path());
  EXPECT_EQ(ErrorOf([this] { file_.Read(); }).kind(), ErrorKind::kConfig);
  std::filesystem::remove(file_.path());
  ASSERT_EQ(::mkfifo(file_.path().c_str(), 0600), 0);
  EXPECT_EQ(ErrorOf([this] { file_.Read(); }).kind(), ErrorKind::kConfig);
  std::filesystem::remove(file_.path());
  std::filesystem::create_directory(file_.path());
  EXPECT_EQ(ErrorOf([this] { file_.Read(); }).kind(), ErrorKind::kConfig);
}

TEST_F(LoginFileTest, WhatIsNoLoginIsSaidWithoutItsContent) {
  for (const char* text : {"", "s3cret", "{}", R"({"refresh_token":"s3cret"})", R"({"version":1,"refresh_token":""})",
                           R"({"version":1,"refresh_token":"s3cret)", R"({"version":2,"refresh_token":"s3cret"})"}) {
    PutText(text);
    const base::Error error = ErrorOf([this] { file_.Read(); });
    EXPECT_EQ(error.kind(), ErrorKind::kConfig) << text;
    EXPECT_THAT(error.what(), HasSubstr("log in again"));
    EXPECT_THAT(error.what(), Not(HasSubstr("s3cret")));
  }
}

TEST_F(LoginFileTest, VersionChangesWithEachWrite) {
  EXPECT_EQ(file_.Version(), "");
  Write("one");
  const std::string first = file_.Version();
  EXPECT_EQ(file_.Version(), first);
  Write("two");
  EXPECT_NE(file_.Version(), first);
}

TEST_F(LoginFileTest, WhatCannotBeWrittenLeavesTheOldOne) {
  Write("old");
  // In the place of the draft there is something that cannot be removed.
  std::filesystem::create_directories(file_.path() + ".tmp/x");
  EXPECT_EQ(ErrorOf([this] { Write("new"); }).kind(), ErrorKind::kDisk);
  EXPECT_EQ(file_.Read().value().refresh_token.Reveal(), "old");
  std::filesystem::remove_all(file_.path() + ".tmp");
  // What somebody left who was killed in the middle is no obstacle.
  std::ofstream(file_.path() + ".tmp") << "half";
  Write("new");
  EXPECT_EQ(file_.Read().value().refresh_token.Reveal(), "new");
  EXPECT_FALSE(std::filesystem::exists(file_.path() + ".tmp"));
}

TEST_F(LoginFileTest, TheLockIsForOne) {
  std::optional<LoginLock> lock(std::in_place, file_, clock_, base::Deadline::Never(), wake_);
  EXPECT_FALSE(LoginLock::Try(file_));
  EXPECT_EQ(ErrorOf([this] { LoginLock(file_, clock_, base::Deadline::At(clock_.Now()), wake_); }).kind(),
            ErrorKind::kTimeout);
  auto waiter = std::async(std::launch::async, [this] {
    const LoginLock mine(file_, clock_, base::Deadline::Never(), wake_);
    return file_.Read().has_value();
  });
  EXPECT_EQ(waiter.wait_for(std::chrono::milliseconds(60)), std::future_status::timeout);
  file_.Write(Login("token"), clock_.WallNow());
  lock.reset();
  EXPECT_TRUE(waiter.get());
  EXPECT_TRUE(LoginLock::Try(file_));
}

TEST_F(LoginFileTest, WakeEndsTheWaitForTheLock) {
  const LoginLock lock(file_, clock_, base::Deadline::Never(), wake_);
  auto waiter = std::async(std::launch::async, [this] {
    return ErrorOf([this] { LoginLock(file_, clock_, base::Deadline::Never(), wake_); }).kind();
  });
  wake_.Set();
  EXPECT_EQ(waiter.get(), ErrorKind::kCancelled);
}

TEST_F(LoginFileTest, TheLockHoldsAgainstOtherProcessesAndIsNotInherited) {
  const LoginLock lock(file_, clock_, base::Deadline::Never(), wake_);
  const base::UniqueFd other(::open((file_.path() + ".lock").c_str(), O_RDWR | O_CLOEXEC));
  ASSERT_TRUE(other);
  EXPECT_NE(::flock(other.get(), LOCK_EX | LOCK_NB), 0);
  int open = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code error;
    if (std::filesystem::read_symlink(entry.path(), error) != file_.path() + ".lock") continue;
    ++open;
    EXPECT_NE(::fcntl(std::stoi(entry.path().filename().string()), F_GETFD) & FD_CLOEXEC, 0);
  }
  EXPECT_EQ(open, 2);
}

}  // namespace
}  // namespace mailboxfs::oauth
