// Full disks: the mail is served all the same.

#include <fcntl.h>
#include <gmock/gmock.h>

#include <cerrno>
#include <cstdlib>

#include "body_cache_support.h"

namespace mailboxfs::store {
namespace {

using base::ErrorKind;

// Lets tests say how much room there is in the cache and elsewhere.
class FullDiskTest : public BodyCacheTest {
 protected:
  static constexpr uint64_t kPlenty = uint64_t{1} << 40;

  FullDiskTest() {
    options_.write = [this](int fd, const void* bytes, size_t size, off_t offset) -> ssize_t {
      const std::string path = std::filesystem::read_symlink(base::Format("/proc/self/fd/{}", fd)).string();
      const uint64_t room = path.starts_with(directory_.path()) ? cache_room_ : other_room_;
      const uint64_t end = static_cast<uint64_t>(offset) + size;
      if (end <= room) return ::pwrite(fd, bytes, size, offset);
      if (room <= static_cast<uint64_t>(offset)) {
        errno = error_;
        return -1;
      }
      return ::pwrite(fd, bytes, room - static_cast<uint64_t>(offset), offset);  // As the kernel does at the edge.
    };
    ::setenv("TMPDIR", elsewhere_.path().c_str(), 1);
    Reopen();
  }
  ~FullDiskTest() override { ::unsetenv("TMPDIR"); }

  TempDir elsewhere_;
  uint64_t cache_room_ = kPlenty;
  uint64_t other_room_ = kPlenty;
  int error_ = ENOSPC;
};

TEST_F(FullDiskTest, DownloadGoesOnElsewhereUnderTheSameDescriptor) {
  const std::string bytes = Bytes(300'000, 1);
  const auto writer = cache_->Create(Key(2000));
  const int fd = writer->fd();
  writer->Append(std::string_view(bytes).substr(0, 150'000));
  EXPECT_EQ(FilesIn("v1/tmp"), 1u);
  cache_room_ = 170'000;
  writer->Append(std::string_view(bytes).substr(150'000, 50'000));
  EXPECT_EQ(FilesIn("v1/tmp"), 0u) << "the full disk gets its room back";
  EXPECT_EQ(writer->fd(), fd);
  EXPECT_EQ(writer->written(), 200'000u);
  EXPECT_TRUE(Pread(fd, 300'000) == bytes.substr(0, 200'000));
  writer->Append(std::string_view(bytes).substr(200'000));
  const std::shared_ptr<BodyFile> body = writer->Commit();
  EXPECT_TRUE(Contents(*body) == bytes);
  EXPECT_EQ(body->size(), bytes.size());
  EXPECT_EQ(cache_->Find(Key(2000)), nullptr);
  EXPECT_EQ(cache_->GetStatus().bodies, 0u);
  EXPECT_EQ(std::filesystem::exists(PathOf(2000)), false);
}

TEST_F(FullDiskTest, UnlinkedFileHasNoName) {
  cache_room_ = 0;
  const auto writer = cache_->Create(Key(2000));
  writer->Append("private");
  EXPECT_TRUE(std::filesystem::is_empty(elsewhere_.path()));
  EXPECT_EQ(Pread(writer->fd(), 7), "private");
}

TEST_F(FullDiskTest, QuotaCountsAsFullDisk) {
  cache_room_ = 0;
  error_ = EDQUOT;
  EXPECT_EQ(Contents(*Put(2000, "body")), "body");
}

TEST_F(FullDiskTest, ResetAfterTheMoveStartsOver) {
  cache_room_ = 3;
  const auto writer = cache_->Create(Key(2000));
  writer->Append("broken");
  writer->Reset();
  writer->Append("right");
  EXPECT_EQ(Contents(*writer->Commit()), "right");
}

TEST_F(FullDiskTest, NoRoomForTheFooterStillServesTheBody) {
  const std::string bytes = Bytes(10'000, 1);
  cache_room_ = 10'000;
  const std::shared_ptr<BodyFile> body = Put(2000, bytes);
  EXPECT_TRUE(Contents(*body) == bytes);
  EXPECT_EQ(body->size(), 10'000u);
  EXPECT_EQ(cache_->Find(Key(2000)), nullptr);
  EXPECT_EQ(FilesIn("v1/tmp"), 0u);
}

TEST_F(FullDiskTest, WithoutRoomAnywhereItIsAnError) {
  cache_room_ = 10;
  other_room_ = 100;
  const auto writer = cache_->Create(Key(2000));
  writer->Append(Bytes(50, 1));
  const base::Error error = ErrorOf([&] { writer->Append(Bytes(100, 2)); });
  EXPECT_EQ(error.kind(), ErrorKind::kDiskFull);
  EXPECT_THAT(error.what(), testing::HasSubstr("TMPDIR"));
  EXPECT_EQ(writer->written(), 50u);
}

TEST_F(FullDiskTest, NoRoomElsewhereForWhatThereIsAlready) {
  const auto writer = cache_->Create(Key(2000));
  writer->Append(Bytes(50'000, 1));
  cache_room_ = 50'000;
  other_room_ = 100;
  EXPECT_EQ(ErrorOf([&] { writer->Append("x"); }).kind(), ErrorKind::kDiskFull);
  EXPECT_TRUE(Pread(writer->fd(), 50'000) == Bytes(50'000, 1));
}

TEST_F(FullDiskTest, OtherErrorsOfTheDiskAreReported) {
  cache_room_ = 0;
  error_ = EIO;
  const auto writer = cache_->Create(Key(2000));
  EXPECT_EQ(ErrorOf([&] { writer->Append("x"); }).kind(), ErrorKind::kDisk);
}

TEST_F(FullDiskTest, CacheIsUsedAgainWhenThereIsRoom) {
  cache_room_ = 0;
  Put(2000, "body");
  cache_room_ = kPlenty;
  Put(2000, "body");
  EXPECT_EQ(Get(2000), "body");
}

// The same with a real file system.
TEST(FullFileSystem, ServesWhatDoesNotFit) {
  const TempDir directory;
  OnTinyFileSystem(directory.path(), "256k", [&] {
    BodyCache::Options options;
    options.directory = directory.path();
    options.index_id = "0123456789abcdef";
    options.size_limit = kLimit;
    const auto cache = BodyCache::Open(options);
    const std::string bytes = Bytes(1'000'000, 1);
    const auto writer = cache->Create(Key(2000));
    for (size_t offset = 0; offset < bytes.size(); offset += 10'000)
      writer->Append(std::string_view(bytes).substr(offset, 10'000));
    EXPECT_EQ(Contents(*writer->Commit()), bytes);
    for (uint64_t ino = 3000; ino < 3100; ++ino) {
      const auto small = cache->Create(Key(ino));
      small->Append(Bytes(9000, ino));
      EXPECT_EQ(Contents(*small->Commit()), Bytes(9000, ino)) << ino;
    }
    EXPECT_GE(cache->GetStatus().bodies, 5u);
    EXPECT_LE(cache->GetStatus().bodies, 30u);
    const std::shared_ptr<BodyFile> first = cache->Find(Key(3000));
    ASSERT_NE(first, nullptr);
    EXPECT_EQ(Contents(*first), Bytes(9000, 3000));
  });
}

}  // namespace
}  // namespace mailboxfs::store
