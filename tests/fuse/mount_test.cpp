#include <sys/mman.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <set>

#include "mailboxfs/base/log.h"
#include "mount_fixture.h"

namespace mailboxfs::fuse {
namespace {

std::string Body(size_t size) {
  std::string body;
  for (size_t i = 0; body.size() < size; ++i) body += base::Format("line {}\r\n", i);
  body.resize(size);
  return body;
}

class MountTest : public MountFixture {};

TEST_F(MountTest, StatShowsWhatTheTreeSays) {
  const tree::Ino ino = tree_.AddMessage(folder_, "a.eml", Body(1025));
  Start();
  struct stat file {};
  ASSERT_EQ(::lstat(Path("INBOX/a.eml").c_str(), &file), 0);
  EXPECT_EQ(file.st_ino, ino);
  EXPECT_EQ(file.st_mode, static_cast<mode_t>(S_IFREG | 0400));
  EXPECT_EQ(file.st_nlink, 1U);
  EXPECT_EQ(file.st_uid, ::getuid());
  EXPECT_EQ(file.st_size, 1025);
  EXPECT_EQ(file.st_blocks, 3);
  EXPECT_EQ(file.st_mtim.tv_sec, 1'500'000'000);
  EXPECT_EQ(file.st_ctim.tv_sec, 1'500'000'000);
  struct stat directory {};
  ASSERT_EQ(::lstat(Path("INBOX").c_str(), &directory), 0);
  EXPECT_EQ(directory.st_ino, folder_);
  EXPECT_EQ(directory.st_mode, static_cast<mode_t>(S_IFDIR | 0500));
  EXPECT_EQ(directory.st_nlink, 1U);
  EXPECT_EQ(::lstat(Path("INBOX/none.eml").c_str(), &file), -1);
  EXPECT_EQ(errno, ENOENT);
}

TEST_F(MountTest, MountIsReadOnlyAndCarriesItsOptions) {
  tree_.AddMessage(folder_, "a.eml", "x");
  options_.fsname = "odd, name";
  options_.mount_options = {"noatime"};
  Start();
  EXPECT_EQ(OpenErrno(Path("INBOX/a.eml"), O_RDWR), EROFS);
  EXPECT_EQ(OpenErrno(Path("INBOX/a.eml"), O_WRONLY | O_TRUNC), EROFS);
  EXPECT_EQ(::unlink(Path("INBOX/a.eml").c_str()), -1);
  EXPECT_EQ(errno, EROFS);
  std::ifstream mounts("/proc/self/mountinfo");
  std::string line, found;
  while (std::getline(mounts, line)) {
    if (line.find(" " + options_.mountpoint + " ") != std::string::npos) found = line;
  }
  for (const char* part : {" - fuse.mailboxfs odd,\\040name ", "nosuid", "nodev", "noexec", "noatime", "ro,"}) {
    EXPECT_NE(found.find(part), std::string::npos) << part << " in " << found;
  }
}

TEST_F(MountTest, AMountThatFailsSaysWhy) {
  const auto error_of = [this](const SessionOptions& options) -> std::string {
    const auto session = Session::Make(options, base::Clock::System());
    session->SetTree(tree_);
    try {
      session->Mount();
    } catch (const base::Error& error) {
      EXPECT_EQ(error.kind(), base::ErrorKind::kConfig);
      return error.what();
    }
    return "mounted";
  };
  SessionOptions missing = options_;
  missing.mountpoint += "/missing";
  EXPECT_NE(error_of(missing).find("No such file"), std::string::npos) << error_of(missing);
  SessionOptions unknown = options_;
  unknown.mount_options = {"colour=blue"};
  EXPECT_NE(error_of(unknown).find("colour=blue"), std::string::npos) << error_of(unknown);
}

TEST_F(MountTest, ADirectoryOfTenThousandIsListedCompletelyAndFromAnyPosition) {
  constexpr size_t kCount = 10'000;
  for (size_t i = 0; i < kCount; ++i) {
    tree_.AddMessage(folder_, base::Format("2022-10-01_A-message-of-the-mailing-list.{}.eml", i), "", i);
  }
  Start();
  DIR* const directory = ::opendir(Path("INBOX").c_str());
  ASSERT_NE(directory, nullptr);
  std::vector<std::string> names;
  std::vector<long> positions;
  const auto read_all = [&] {
    names.clear();
    positions.clear();
    for (;;) {
      positions.push_back(::telldir(directory));
      const dirent* entry = ::readdir(directory);
      if (entry == nullptr) return;
      names.emplace_back(entry->d_name);
    }
  };
  read_all();
  ASSERT_EQ(names.size(), kCount + 2);
  EXPECT_EQ(names[0], ".");
  EXPECT_EQ(names[1], "..");
  EXPECT_EQ(std::set<std::string>(names.begin(), names.end()).size(), kCount + 2);
  const std::vector<std::string> first = names;
  for (const size_t at : {size_t{0}, size_t{1}, size_t{2}, size_t{5000}, kCount + 1}) {
    ::seekdir(directory, positions[at]);
    const dirent* entry = ::readdir(directory);
    ASSERT_NE(entry, nullptr) << at;
    EXPECT_EQ(entry->d_name, first[at]);
  }
  ::rewinddir(directory);
  read_all();
  EXPECT_EQ(names, first);
  ::closedir(directory);
  struct stat file {};
  ASSERT_EQ(::lstat(Path("INBOX/2022-10-01_A-message-of-the-mailing-list.77.eml").c_str(), &file), 0);
  EXPECT_EQ(file.st_size, 77);
}

// What the server says of a body of kSize bytes.
class MountSizeTest : public MountFixture, public testing::WithParamInterface<uint64_t> {
 protected:
  static constexpr size_t kSize = 20'000;

  void Check(const std::string& body) {
    struct stat before {};
    ASSERT_EQ(::lstat(Path("INBOX/a.eml").c_str(), &before), 0);
    EXPECT_EQ(before.st_size, static_cast<off_t>(GetParam()));
    const base::UniqueFd fd(::open(Path("INBOX/a.eml").c_str(), O_RDONLY | O_CLOEXEC));
    ASSERT_TRUE(fd);
    struct stat opened {};
    ASSERT_EQ(::fstat(fd.get(), &opened), 0);
    EXPECT_EQ(opened.st_size, static_cast<off_t>(kSize));
    EXPECT_EQ(opened.st_blocks, static_cast<blkcnt_t>((kSize + 511) / 512));
    void* const mapped = ::mmap(nullptr, kSize, PROT_READ, MAP_PRIVATE, fd.get(), 0);
    ASSERT_NE(mapped, MAP_FAILED);
    EXPECT_EQ(std::string(static_cast<const char*>(mapped), kSize), body);
    ::munmap(mapped, kSize);
    EXPECT_EQ(ReadAll(fd.get()), body);
    struct stat after {};
    ASSERT_EQ(::lstat(Path("INBOX/a.eml").c_str(), &after), 0);
    EXPECT_EQ(after.st_size, static_cast<off_t>(kSize));
  }
};

TEST_P(MountSizeTest, IsCorrectedAtOpen) {
  const std::string body = Body(kSize);
  tree_.AddMessage(folder_, "a.eml", body, GetParam());
  Start();
  Check(body);
}

TEST_P(MountSizeTest, IsCorrectedAtOpenIfReadAheadLearnedIt) {
  const std::string body = Body(kSize);
  const tree::Ino ino = tree_.AddMessage(folder_, "a.eml", body, GetParam());
  Start();
  struct stat before {};
  ASSERT_EQ(::lstat(Path("INBOX/a.eml").c_str(), &before), 0);
  tree_.LearnSize(ino);
  Check(body);
}

TEST_P(MountSizeTest, IsCorrectedForPlainReadsToo) {
  const std::string body = Body(kSize);
  tree_.AddMessage(folder_, "a.eml", body, GetParam());
  Start();
  struct stat before {};
  ASSERT_EQ(::lstat(Path("INBOX/a.eml").c_str(), &before), 0);
  const base::UniqueFd fd(::open(Path("INBOX/a.eml").c_str(), O_RDONLY | O_CLOEXEC));
  EXPECT_EQ(ReadAll(fd.get()), body);
}

INSTANTIATE_TEST_SUITE_P(Estimates, MountSizeTest, testing::Values(0, 1, 4096, 15'000, 19'999, 20'001, 60'000));

TEST_F(MountTest, ABigBodyIsReadByteForByteInAnyOrder) {
  const std::string body = Body(5'000'001);
  tree_.AddMessage(folder_, "big.eml", body);
  Start();
  const base::UniqueFd fd(::open(Path("INBOX/big.eml").c_str(), O_RDONLY | O_CLOEXEC));
  ASSERT_TRUE(fd);
  std::string tail(1000, '\0');
  ASSERT_EQ(::pread(fd.get(), tail.data(), tail.size(), 4'999'500), 501);
  EXPECT_EQ(tail.substr(0, 501), body.substr(4'999'500));
  ASSERT_EQ(::pread(fd.get(), tail.data(), 1000, 123'457), 1000);
  EXPECT_EQ(tail, body.substr(123'457, 1000));
  EXPECT_EQ(ReadAll(fd.get()), body);
}

TEST_F(MountTest, ShortSpansOfTheTreeDoNotCutTheFile) {
  const std::string body = Body(50'000);
  tree_.AddMessage(folder_, "a.eml", body);
  tree_.LimitSpans(999);
  Start();
  const base::UniqueFd fd(::open(Path("INBOX/a.eml").c_str(), O_RDONLY | O_CLOEXEC));
  EXPECT_EQ(ReadAll(fd.get()), body);
}

TEST_F(MountTest, Xattrs) {
  tree_.AddMessage(folder_, "a.eml", "x");
  tree_.SetXattr("user.mailboxfs.uid", "17");
  Start();
  const std::string path = Path("INBOX/a.eml");
  std::array<char, 16> value{};
  EXPECT_EQ(::getxattr(path.c_str(), "user.mailboxfs.uid", nullptr, 0), 2);
  EXPECT_EQ(::getxattr(path.c_str(), "user.mailboxfs.uid", value.data(), value.size()), 2);
  EXPECT_STREQ(value.data(), "17");
  EXPECT_EQ(::getxattr(path.c_str(), "user.mailboxfs.uid", value.data(), 1), -1);
  EXPECT_EQ(errno, ERANGE);
  EXPECT_EQ(::getxattr(path.c_str(), "user.other", value.data(), value.size()), -1);
  EXPECT_EQ(errno, ENODATA);
  EXPECT_EQ(::listxattr(path.c_str(), value.data(), value.size()), 0);
}

TEST_F(MountTest, StatvfsIsNotZero) {
  tree_.AddMessage(folder_, "a.eml", "x");
  tree_.SetCache(4096, 10 * 4096);
  Start();
  struct statvfs numbers {};
  ASSERT_EQ(::statvfs(Path("").c_str(), &numbers), 0);
  EXPECT_EQ(numbers.f_frsize, 4096U);
  EXPECT_EQ(numbers.f_blocks, 10U);
  EXPECT_EQ(numbers.f_bavail, 9U);
  EXPECT_EQ(numbers.f_files - numbers.f_ffree, 1U);
  EXPECT_EQ(numbers.f_namemax, 255U);
}

TEST_F(MountTest, AFolderThatCannotBeListedIsAnErrorAndNotEmpty) {
  tree_.FailWith(folder_, base::Error(base::ErrorKind::kNotListed, "INBOX was never listed"));
  Start();
  EXPECT_EQ(::opendir(Path("INBOX").c_str()), nullptr);
  EXPECT_EQ(errno, EIO);
  const auto counts = session_->GetStatus().eio_by_site;
  EXPECT_GE(counts[4] + counts[2], 1U);
}

TEST_F(MountTest, EioIsCountedBySite) {
  const tree::Ino ino = tree_.AddMessage(folder_, "a.eml", "x");
  tree_.AddMessage(folder_, "b.eml", "x");
  Start();
  struct stat file {};
  ASSERT_EQ(::lstat(Path("INBOX/a.eml").c_str(), &file), 0);
  tree_.FailWith(ino, base::Error(base::ErrorKind::kNetwork, "INBOX: connection reset"));
  EXPECT_EQ(OpenErrno(Path("INBOX/a.eml")), EIO);
  EXPECT_EQ(OpenErrno(Path("INBOX/a.eml")), EIO);
  EXPECT_EQ(OpenErrno(Path("INBOX/b.eml")), 0);
  EXPECT_EQ(session_->GetStatus().eio_by_site[5], 2U);
}

TEST_F(MountTest, DeletedNamesVanishFromTheKernelsCache) {
  const tree::Ino ino = tree_.AddMessage(folder_, "a.eml", "x");
  Start();
  const std::string path = Path("INBOX/a.eml");
  struct stat file {};
  ASSERT_EQ(::lstat(path.c_str(), &file), 0);
  tree_.Remove(ino);
  ASSERT_EQ(::lstat(path.c_str(), &file), 0) << "the kernel is expected to remember it";
  session_->notifier().Deleted(folder_, ino, "a.eml");
  EXPECT_TRUE(Eventually([&] { return ::lstat(path.c_str(), &file) != 0 && errno == ENOENT; }));
}

TEST_F(MountTest, ChangedAttributesReachTheKernel) {
  const tree::Ino ino = tree_.AddMessage(folder_, "a.eml", "12345", 1);
  Start();
  const std::string path = Path("INBOX/a.eml");
  struct stat file {};
  ASSERT_EQ(::lstat(path.c_str(), &file), 0);
  tree_.LearnSize(ino);
  ASSERT_EQ(::lstat(path.c_str(), &file), 0);
  ASSERT_EQ(file.st_size, 1) << "the kernel is expected to remember it";
  session_->notifier().AttributesChanged(ino);
  EXPECT_TRUE(Eventually([&] { return ::lstat(path.c_str(), &file) == 0 && file.st_size == 5; }));
}

TEST_F(MountTest, NewNamesAreSeenAtOnce) {
  Start();
  struct stat file {};
  ASSERT_EQ(::lstat(Path("INBOX/new.eml").c_str(), &file), -1);
  tree_.AddMessage(folder_, "new.eml", "x");
  EXPECT_EQ(::lstat(Path("INBOX/new.eml").c_str(), &file), 0);
}

}  // namespace
}  // namespace mailboxfs::fuse
