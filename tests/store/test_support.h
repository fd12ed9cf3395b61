#pragma once

#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <string>
#include <vector>

#include "mailboxfs/base/error.h"
#include "mailboxfs/base/log.h"
#include "mailboxfs/store/body_cache.h"
#include "mailboxfs/store/index.h"

namespace mailboxfs::store {

// A directory that goes with the test.
class TempDir {
 public:
  TempDir() {
    std::string name = testing::TempDir() + "/mailboxfs-store-XXXXXX";
    if (::mkdtemp(name.data()) == nullptr) std::abort();
    path_ = std::filesystem::canonical(name).string();
  }
  ~TempDir() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

inline std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

inline void WriteFile(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

// The error that `action` throws; fails the test if there is none.
inline base::Error ErrorOf(const std::function<void()>& action) {
  try {
    action();
  } catch (const base::Error& error) {
    return error;
  }
  ADD_FAILURE() << "no error";
  return base::Error(base::ErrorKind::kInternal, "no error");
}

// Runs `work` in another process, which is killed by SIGKILL once it has returned from it:
// what `work` leaves to its captured objects' destructors does not happen.
inline void RunAndKill(const std::function<void(const std::function<void()>& die)>& work) {
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    try {
      work([] { ::kill(::getpid(), SIGKILL); });
    } catch (const std::exception& error) {
      base::LogError("child: {}", error.what());
    }
    ::_exit(1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << status;
}

// Nobody else sees what this process mounts from now on. False: that cannot be had.
inline bool HideMounts() {
  if (::unshare(CLONE_NEWNS) != 0) return false;
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0) return true;
  // In a chroot only what is above it could be made private; what is mounted inside tells whether it is.
  std::ifstream file("/proc/self/mountinfo");
  const std::string mounts((std::istreambuf_iterator<char>(file)), {});
  return !mounts.empty() && mounts.find(" shared:") == std::string::npos;
}

// Runs `work` with a small file system at `mount_point`, where one can be mounted: in a process and
// mount name space of its own, so that nothing is left behind.
inline void OnTinyFileSystem(const std::string& mount_point, const std::string& size,
                             const std::function<void()>& work) {
  constexpr int kCannotMount = 77;
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    if (!HideMounts() || ::mount("tmpfs", mount_point.c_str(), "tmpfs", 0, ("mode=0700,size=" + size).c_str()) != 0) {
      ::_exit(kCannotMount);
    }
    try {
      work();
    } catch (const std::exception& error) {
      ADD_FAILURE() << error.what();
    }
    std::fflush(stdout);
    ::_exit(testing::Test::HasFailure() ? 1 : 0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status)) << status;
  if (WEXITSTATUS(status) == kCannotMount) GTEST_SKIP() << "cannot mount a file system here";
  EXPECT_EQ(WEXITSTATUS(status), 0) << "see above";
}

// Of a message whose tag is as good as random.
inline BodyKey Key(uint64_t ino) { return {ino, ino * 0x9e3779b97f4a7c15}; }

inline NewMessage MakeMessage(model::Uid uid, const std::string& subject = "hello") {
  NewMessage message;
  message.uid = uid;
  message.name = base::Format("2022-10-01_{}.{}.eml", subject, uid);
  message.flags = "\\Seen";
  message.message_id = base::Format("<{}@example.org>", uid);
  message.internal_date = 1'664'600'000 + uid;
  message.size_estimate = 1000 + uid;
  message.header = base::Format("Subject: {}\r\nMessage-ID: <{}@example.org>\r\n\r\n", subject, uid);
  return message;
}

inline std::vector<NewMessage> MakeMessages(model::Uid first, model::Uid last) {
  std::vector<NewMessage> messages;
  for (model::Uid uid = first; uid <= last; ++uid) messages.push_back(MakeMessage(uid));
  return messages;
}

// The same message under another UID.
inline NewMessage WithUid(NewMessage message, model::Uid uid) {
  message.uid = uid;
  message.name = base::Format("new-name.{}.eml", uid);
  return message;
}

inline NewFolder MakeFolder(const std::string& id, const std::string& parent_id = "", bool selectable = true) {
  const size_t slash = id.rfind('/');
  return {id, parent_id, slash == std::string::npos ? id : id.substr(slash + 1), selectable};
}

inline Ino AddInbox(Index& index) {
  const Ino mailbox = index.EnsureMailbox("contoso/a@example.org", "a@example.org", 100);
  const std::vector<NewFolder> folders = {MakeFolder("INBOX")};
  index.ReplaceFolders(mailbox, folders, 100);
  return index.FindFolder(mailbox, "INBOX")->ino;
}

}  // namespace mailboxfs::store
