// The cache's limit: who is evicted, when, and that no reader notices.

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/stat.h>

#include "body_cache_support.h"

namespace mailboxfs::store {
namespace {

class BodyCacheLimitTest : public BodyCacheTest {
 protected:
  static constexpr size_t kBody = 40'000;

  // Room for `bodies` bodies of kBody bytes.
  void SetLimit(uint64_t bodies) {
    Put(1, Bytes(kBody, 0));
    options_.size_limit = cache_->GetStatus().bytes * bodies;
    cache_->Remove(1);
    Reopen();
  }
  void Fill(uint64_t first, uint64_t last) {
    for (uint64_t ino = first; ino <= last; ++ino) Put(ino, Bytes(kBody, ino));
  }
};

TEST_F(BodyCacheLimitTest, CountsDiskBlocks) {
  Put(2000, "x");
  Put(2001, Bytes(100'000, 1));
  EXPECT_EQ(cache_->GetStatus().bytes, BytesOnDisk());
  EXPECT_GE(cache_->GetStatus().bytes, 100'000u + 4096u) << "a one-byte body takes a whole block";
}

TEST_F(BodyCacheLimitTest, NothingGoesBelowTheLimit) {
  SetLimit(20);
  Fill(2001, 2020);
  EXPECT_EQ(cache_->GetStatus().evicted, 0u);
  EXPECT_EQ(cache_->GetStatus().bodies, 20u);
}

TEST_F(BodyCacheLimitTest, LeastRecentlyUsedGoDownToNinetyPercent) {
  SetLimit(20);
  Fill(2001, 2020);
  EXPECT_NE(cache_->Find(Key(2001)), nullptr);
  EXPECT_NE(cache_->Find(Key(2003)), nullptr);
  Fill(2021, 2021);
  EXPECT_EQ(cache_->GetStatus().bodies, 18u);
  EXPECT_EQ(cache_->GetStatus().evicted, 3u);
  EXPECT_LE(cache_->GetStatus().bytes, options_.size_limit / 10 * 9);
  EXPECT_EQ(cache_->GetStatus().bytes, BytesOnDisk());
  EXPECT_TRUE(cache_->Contains(Key(2001)));
  EXPECT_FALSE(cache_->Contains(Key(2002)));
  EXPECT_TRUE(cache_->Contains(Key(2003)));
  EXPECT_FALSE(cache_->Contains(Key(2004)));
  EXPECT_FALSE(cache_->Contains(Key(2005)));
  EXPECT_TRUE(cache_->Contains(Key(2006)));
  EXPECT_TRUE(cache_->Contains(Key(2021)));
}

TEST_F(BodyCacheLimitTest, OrderOfUseSurvivesReopening) {
  SetLimit(20);
  Fill(2001, 2020);
  EXPECT_NE(cache_->Find(Key(2001)), nullptr);
  Reopen();
  Fill(2021, 2021);
  EXPECT_TRUE(cache_->Contains(Key(2001)));
  EXPECT_FALSE(cache_->Contains(Key(2002)));
}

TEST_F(BodyCacheLimitTest, RebuiltLedgerGoesByFileTimes) {
  SetLimit(20);
  Fill(2001, 2020);
  cache_.reset();
  std::filesystem::remove(directory_.path() + "/cache.db");
  for (uint64_t ino = 2001; ino <= 2020; ++ino) {
    // 2020 is the oldest.
    const timespec time{1'600'000'000 - static_cast<time_t>(ino), 0};
    const timespec times[2] = {time, time};
    ASSERT_EQ(::utimensat(AT_FDCWD, PathOf(ino).c_str(), times, 0), 0);
  }
  cache_ = BodyCache::Open(options_);
  Fill(2021, 2021);
  EXPECT_FALSE(cache_->Contains(Key(2020)));
  EXPECT_TRUE(cache_->Contains(Key(2001)));
}

TEST_F(BodyCacheLimitTest, LoweredLimitHoldsFromOpeningOn) {
  SetLimit(20);
  Fill(2001, 2020);
  options_.size_limit /= 2;
  Reopen();
  EXPECT_LE(cache_->GetStatus().bytes, options_.size_limit);
  EXPECT_TRUE(cache_->Contains(Key(2020)));
  EXPECT_FALSE(cache_->Contains(Key(2001)));
}

TEST_F(BodyCacheLimitTest, OpenBodySurvivesItsEviction) {
  SetLimit(5);
  const std::shared_ptr<BodyFile> body = Put(2001, Bytes(kBody, 2001));
  Fill(2002, 2020);
  EXPECT_FALSE(cache_->Contains(Key(2001)));
  EXPECT_TRUE(Contents(*body) == Bytes(kBody, 2001));
}

TEST_F(BodyCacheLimitTest, JustCommittedBodyStaysEvenIfItNeedsAllTheRoom) {
  SetLimit(10);
  Fill(2001, 2009);
  // More than the 90 % that evictions go down to, less than the limit.
  Put(2010, Bytes(kBody * 19 / 2, 2010));
  EXPECT_TRUE(cache_->Contains(Key(2010)));
  EXPECT_EQ(cache_->GetStatus().bodies, 1u);
}

TEST_F(BodyCacheLimitTest, BodyLargerThanTheLimitIsServedButNotKept) {
  SetLimit(10);
  Fill(2001, 2002);
  const std::string large = Bytes(kBody * 11, 2010);
  const std::shared_ptr<BodyFile> body = Put(2010, large);
  EXPECT_TRUE(Contents(*body) == large);
  EXPECT_EQ(body->size(), large.size());
  EXPECT_FALSE(cache_->Contains(Key(2010)));
  EXPECT_EQ(cache_->Find(Key(2010)), nullptr);
  EXPECT_EQ(FilesIn("v1/tmp"), 0u);
  EXPECT_TRUE(cache_->Contains(Key(2001))) << "others are not sacrificed for it";
}

TEST_F(BodyCacheLimitTest, ManyEvictionsStayWithinTheLimit) {
  SetLimit(50);
  for (uint64_t ino = 2000; ino < 2400; ++ino) {
    Put(ino, Bytes(kBody, ino));
    ASSERT_LE(cache_->GetStatus().bytes, options_.size_limit);
  }
  EXPECT_EQ(cache_->GetStatus().bytes, BytesOnDisk());
  EXPECT_TRUE(Get(2399) == Bytes(kBody, 2399));
}

TEST_F(BodyCacheLimitTest, ManyUsesAreCountedInOrder) {
  SetLimit(20);
  Fill(2001, 2020);
  for (int round = 0; round < 300; ++round) {
    for (uint64_t ino = 2020; ino > 2010; --ino) ASSERT_NE(cache_->Find(Key(ino)), nullptr);
  }
  Fill(2021, 2030);
  for (uint64_t ino = 2001; ino <= 2010; ++ino) EXPECT_FALSE(cache_->Contains(Key(ino))) << ino;
  for (uint64_t ino = 2011; ino <= 2030; ++ino) EXPECT_EQ(cache_->Contains(Key(ino)), ino < 2019 || ino > 2020) << ino;
}

}  // namespace
}  // namespace mailboxfs::store
