#include "mailboxfs/store/body_cache.h"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include <filesystem>

#include "body_cache_support.h"

namespace mailboxfs::store {
namespace {

using base::ErrorKind;
using testing::HasSubstr;

TEST_F(BodyCacheTest, CommittedBodyIsFound) {
  EXPECT_EQ(cache_->Find(Key(2000)), nullptr);
  EXPECT_FALSE(cache_->Contains(Key(2000)));
  const std::shared_ptr<BodyFile> committed = Put(2000, "Subject: x\r\n\r\nbody\r\n");
  EXPECT_EQ(Contents(*committed), "Subject: x\r\n\r\nbody\r\n");
  EXPECT_EQ(committed->size(), 20u);
  EXPECT_EQ(Get(2000), "Subject: x\r\n\r\nbody\r\n");
  EXPECT_TRUE(cache_->Contains(Key(2000)));
  const CacheStatus status = cache_->GetStatus();
  EXPECT_EQ(status.bodies, 1u);
  EXPECT_EQ(status.hits, 1u);
  EXPECT_EQ(status.misses, 1u);
  EXPECT_EQ(status.limit, kLimit);
}

TEST_F(BodyCacheTest, BodiesOfAllSizesComeBackAfterReopening) {
  const std::vector<size_t> sizes = {0, 1, 79, 80, 81, 4016, 65535, 65536, 65537, 1'000'000};
  for (size_t i = 0; i < sizes.size(); ++i) Put(3000 + i, Bytes(sizes[i], i));
  Reopen();
  for (size_t i = 0; i < sizes.size(); ++i) EXPECT_TRUE(Get(3000 + i) == Bytes(sizes[i], i)) << sizes[i];
}

TEST_F(BodyCacheTest, WrittenBytesCanBeReadBeforeTheCommit) {
  const auto writer = cache_->Create(Key(2000));
  const int fd = writer->fd();
  writer->Append("first ");
  EXPECT_EQ(Pread(fd, 6), "first ");
  writer->Append("second");
  EXPECT_EQ(writer->written(), 12u);
  EXPECT_EQ(Pread(fd, 12), "first second");
  EXPECT_EQ(cache_->Find(Key(2000)), nullptr);
  const std::shared_ptr<BodyFile> body = writer->Commit();
  EXPECT_EQ(writer->fd(), fd);
  EXPECT_EQ(body->fd(), fd);
  EXPECT_EQ(Get(2000), "first second");
}

TEST_F(BodyCacheTest, ADirectoryThatWasDeletedMeanwhileIsMadeAgain) {
  Put(2000, "lost");
  std::filesystem::remove_all(directory_.path());
  EXPECT_EQ(cache_->Find(Key(2000)), nullptr);
  Put(2000, "anew");
  EXPECT_EQ(Get(2000), "anew");
  Reopen();
  Put(2001, "later");
  EXPECT_EQ(Get(2001), "later");
}

TEST_F(BodyCacheTest, ResetStartsOver) {
  const auto writer = cache_->Create(Key(2000));
  writer->Append("a broken download that was longer");
  writer->Reset();
  EXPECT_EQ(writer->written(), 0u);
  writer->Append("right");
  writer->Commit();
  Reopen();
  EXPECT_EQ(Get(2000), "right");
}

TEST_F(BodyCacheTest, AbandonedWriterLeavesNothing) {
  {
    const auto writer = cache_->Create(Key(2000));
    writer->Append("half");
    EXPECT_EQ(FilesIn("v1/tmp"), 1u);
  }
  EXPECT_EQ(FilesIn("v1/tmp"), 0u);
  EXPECT_EQ(cache_->Find(Key(2000)), nullptr);
}

TEST_F(BodyCacheTest, SecondBodyOfAnInodeReplacesTheFirst) {
  const std::shared_ptr<BodyFile> first = Put(2000, "first");
  Put(2000, "second");
  EXPECT_EQ(Get(2000), "second");
  EXPECT_EQ(Contents(*first), "first");
  EXPECT_EQ(cache_->GetStatus().bodies, 1u);
  EXPECT_EQ(cache_->GetStatus().bytes, BytesOnDisk());
}

TEST_F(BodyCacheTest, RemovedBodyIsAbsentButOpenOneStaysReadable) {
  const std::shared_ptr<BodyFile> body = Put(2000, "body");
  cache_->Remove(2000);
  cache_->Remove(2000);
  EXPECT_EQ(cache_->Find(Key(2000)), nullptr);
  EXPECT_EQ(Contents(*body), "body");
  EXPECT_EQ(cache_->GetStatus().bytes, 0u);
  EXPECT_EQ(cache_->GetStatus().bodies, 0u);
}

TEST_F(BodyCacheTest, FilesAreForTheOwnerOnly) {
  Put(0x12ab, "body");
  struct stat status {};
  ASSERT_EQ(::stat((directory_.path() + "/v1/ab/00000000000012ab").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  ASSERT_EQ(::stat((directory_.path() + "/v1/ab").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0700u);
  ASSERT_EQ(::stat((directory_.path() + "/cache.db").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
}

TEST_F(BodyCacheTest, SecondOpeningIsRefused) {
  const base::Error error = ErrorOf([&] { BodyCache::Open(options_); });
  EXPECT_EQ(error.kind(), ErrorKind::kConfig);
  EXPECT_THAT(error.what(), HasSubstr("another mailboxfs uses " + directory_.path()));
}

TEST_F(BodyCacheTest, CacheOfAnotherIndexIsEmptied) {
  Put(2000, "somebody else's");
  options_.index_id = "another";
  Reopen();
  EXPECT_EQ(cache_->Find(Key(2000)), nullptr);
  EXPECT_EQ(cache_->GetStatus().bodies, 0u);
  EXPECT_EQ(cache_->GetStatus().bytes, 0u);
  EXPECT_FALSE(std::filesystem::exists(PathOf(2000)));
}

TEST_F(BodyCacheTest, TemporaryFilesOfADeadProcessAreRemoved) {
  cache_.reset();
  WriteFile(directory_.path() + "/v1/tmp/1-1", "half");
  cache_ = BodyCache::Open(options_);
  EXPECT_EQ(FilesIn("v1/tmp"), 0u);
}

// -- Damage. Each way of it must end in "absent", never in wrong bytes.

class DamagedBodyTest : public BodyCacheTest {
 protected:
  void ExpectAbsentAfter(const std::function<std::string(const std::string&)>& damage) {
    Put(2000, Bytes(10'000, 1));
    cache_.reset();
    WriteFile(PathOf(2000), damage(ReadFile(PathOf(2000))));
    cache_ = BodyCache::Open(options_);
    EXPECT_EQ(cache_->Find(Key(2000)), nullptr);
    EXPECT_EQ(cache_->GetStatus().corrupt, 1u);
    EXPECT_EQ(cache_->GetStatus().misses, 1u);
    EXPECT_FALSE(std::filesystem::exists(PathOf(2000)));
    EXPECT_EQ(cache_->GetStatus().bodies, 0u);
    EXPECT_EQ(cache_->GetStatus().bytes, 0u);
    Put(2000, "again");
    EXPECT_EQ(Get(2000), "again");
  }
};

TEST_F(DamagedBodyTest, TruncatedByOne) {
  ExpectAbsentAfter([](const std::string& bytes) { return bytes.substr(0, bytes.size() - 1); });
}

TEST_F(DamagedBodyTest, TruncatedToHalf) {
  ExpectAbsentAfter([](const std::string& bytes) { return bytes.substr(0, bytes.size() / 2); });
}

TEST_F(DamagedBodyTest, Longer) {
  ExpectAbsentAfter([](const std::string& bytes) { return bytes + "x"; });
}

TEST_F(DamagedBodyTest, OneByteLessInTheMiddleButAWholeFooter) {
  ExpectAbsentAfter([](const std::string& bytes) { return bytes.substr(1); });
}

TEST_F(DamagedBodyTest, OneBitInTheBody) {
  ExpectAbsentAfter([](const std::string& bytes) { return WithFlippedBit(bytes, 5000); });
}

TEST_F(DamagedBodyTest, AnyByteOfTheFooter) {
  for (size_t byte = 1; byte <= 88; ++byte) {
    ExpectAbsentAfter([byte](const std::string& bytes) { return WithFlippedBit(bytes, bytes.size() - byte); });
    if (HasFailure()) FAIL() << "byte " << byte << " from the end";
  }
}

TEST_F(DamagedBodyTest, HolesInsteadOfData) {
  ExpectAbsentAfter([](const std::string& bytes) { return std::string(bytes.size(), '\0'); });
}

TEST_F(DamagedBodyTest, SoundBodyOfAnotherInode) {
  const std::string other = [&] {
    Put(2001, "the other message");
    return ReadFile(PathOf(2001));
  }();
  cache_->Remove(2001);
  ExpectAbsentAfter([&](const std::string&) { return other; });
}

TEST_F(DamagedBodyTest, SoundBodyOfAnotherIndex) {
  const TempDir elsewhere;
  BodyCache::Options options = options_;
  options.directory = elsewhere.path();
  options.index_id = "another";
  const auto other = BodyCache::Open(options);
  const auto writer = other->Create(Key(2000));
  writer->Append("the same inode of another index");
  writer->Commit();
  const std::string bytes = ReadFile(elsewhere.path() + "/v1/d0/00000000000007d0");
  ASSERT_FALSE(bytes.empty());
  ExpectAbsentAfter([&](const std::string&) { return bytes; });
}

TEST_F(DamagedBodyTest, OlderFooterWithoutTag) {
  ExpectAbsentAfter([](const std::string& bytes) { return bytes.substr(0, bytes.size() - 8); });
}

TEST_F(BodyCacheTest, BodyWithAnotherTagIsAbsentAndRemoved) {
  for (const bool verified : {false, true}) {
    Put(2000, "of a message that a restored index does not know");
    if (!verified) Reopen();
    const BodyKey other{2000, Key(2000).tag + 1};
    EXPECT_TRUE(cache_->Contains(Key(2000)));
    EXPECT_FALSE(cache_->Contains(other));
    EXPECT_EQ(cache_->Find(other), nullptr);
    EXPECT_FALSE(std::filesystem::exists(PathOf(2000)));
    EXPECT_FALSE(cache_->Contains(Key(2000)));
    EXPECT_EQ(cache_->GetStatus().corrupt, 0u) << "nothing is wrong with it";
    EXPECT_EQ(cache_->GetStatus().misses, 1u);
    EXPECT_EQ(cache_->GetStatus().bodies, 0u);
    Reopen();
  }
}

TEST_F(BodyCacheTest, FileWithoutAFooterIsNotContained) {
  Put(2000, Bytes(5000, 1));
  WriteFile(PathOf(2000), Bytes(4000, 1));
  EXPECT_FALSE(cache_->Contains(Key(2000)));
  WriteFile(PathOf(2000), "");
  EXPECT_FALSE(cache_->Contains(Key(2000)));
}

TEST_F(BodyCacheTest, EmptyFileOfAPowerFailureIsAbsent) {
  Put(2000, "body");
  cache_.reset();
  WriteFile(PathOf(2000), "");
  cache_ = BodyCache::Open(options_);
  EXPECT_EQ(cache_->Find(Key(2000)), nullptr);
}

// -- The ledger.

TEST_F(BodyCacheTest, LostLedgerIsMadeAgainFromTheFiles) {
  for (uint64_t ino = 2000; ino < 2010; ++ino) Put(ino, Bytes(5000, ino));
  const CacheStatus before = cache_->GetStatus();
  cache_.reset();
  std::filesystem::remove(directory_.path() + "/cache.db");
  cache_ = BodyCache::Open(options_);
  EXPECT_EQ(cache_->GetStatus().bodies, 10u);
  EXPECT_EQ(cache_->GetStatus().bytes, before.bytes);
  EXPECT_EQ(Get(2003), Bytes(5000, 2003));
}

TEST_F(BodyCacheTest, DamagedLedgerIsMadeAgainFromTheFiles) {
  Put(2000, "body");
  cache_.reset();
  WriteFile(directory_.path() + "/cache.db", std::string(4096, 'x'));
  cache_ = BodyCache::Open(options_);
  EXPECT_EQ(cache_->GetStatus().bodies, 1u);
  EXPECT_EQ(Get(2000), "body");
}

TEST_F(BodyCacheTest, FilesThatAreNoBodiesAreRemovedByAScan) {
  Put(2000, "body");
  cache_.reset();
  std::filesystem::remove(directory_.path() + "/cache.db");
  WriteFile(directory_.path() + "/v1/d0/short", "x");
  WriteFile(directory_.path() + "/v1/d0/00000000000008d1", std::string(1000, 'x'));
  cache_ = BodyCache::Open(options_);
  EXPECT_EQ(FilesIn("v1/d0"), 1u);
}

TEST_F(BodyCacheTest, KilledProcessLeavesAUsableCache) {
  cache_.reset();
  RunAndKill([&](const std::function<void()>& die) {
    cache_ = BodyCache::Open(options_);
    for (uint64_t ino = 2000; ino < 2050; ++ino) Put(ino, Bytes(3000, ino));
    const auto writer = cache_->Create(Key(2999));
    writer->Append("half");
    die();
  });
  cache_ = BodyCache::Open(options_);
  EXPECT_EQ(cache_->GetStatus().bodies, 50u);
  EXPECT_EQ(cache_->GetStatus().bytes, BytesOnDisk());
  EXPECT_EQ(Get(2049), Bytes(3000, 2049));
  EXPECT_EQ(cache_->Find(Key(2999)), nullptr);
  EXPECT_EQ(FilesIn("v1/tmp"), 0u);
}

}  // namespace
}  // namespace mailboxfs::store
