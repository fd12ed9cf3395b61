// What is fetched before anybody asks for it.
#include <algorithm>
#include <functional>

#include "tree_fixture.h"

namespace mailboxfs::tree {
namespace {

class ReadAheadTest : public TreeTest {
 protected:
  static constexpr model::Uid kMessages = 40;

  ReadAheadTest() { Fill(); }

  void Fill() {
    for (model::Uid uid = 1; uid <= kMessages; ++uid) {
      // By name the other way round than by UID.
      FakeMessage message{.subject = std::to_string(1000 - uid), .body = BodyOf(uid)};
      source_->AddMessage("INBOX", uid, std::move(message));
    }
    by_name_.clear();
    by_directory_.clear();
    for (const std::string& name : List(Find("sales/INBOX"))) {
      const Ino ino = Find("sales/INBOX/" + name);
      by_name_.push_back(ino);
      by_directory_.push_back(ino);
    }
    std::sort(by_directory_.begin(), by_directory_.end());
    std::sort(by_name_.begin(), by_name_.end(), std::greater<>());
  }

  void RemountWith(uint64_t read_ahead) {
    options_.read_ahead = read_ahead;
    Remount();
    source_->AddFolder("INBOX");
    Fill();
  }

  static std::string BodyOf(model::Uid uid) { return "the body of " + std::to_string(uid) + std::string(100, '.'); }
  std::string ExpectedOf(Ino ino) const {
    const auto found = std::find(by_directory_.begin(), by_directory_.end(), ino);
    return BodyOf(static_cast<model::Uid>(found - by_directory_.begin()) + 1);
  }
  bool IsCached(Ino ino) { return tree_->GetXattr(ino, "user.mailboxfs.cached") == "1"; }
  long CountCached() {
    return std::count_if(by_name_.begin(), by_name_.end(), [this](Ino ino) { return IsCached(ino); });
  }

  std::vector<Ino> by_name_, by_directory_;
};

TEST_F(ReadAheadTest, OneMessageIsOneMessage) {
  EXPECT_EQ(ReadAll(by_name_[5]), ExpectedOf(by_name_[5]));
  EXPECT_EQ(source_->ahead_calls, 0);
  EXPECT_EQ(CountCached(), 1);
}

TEST_F(ReadAheadTest, OrderOfNamesIsRecognised) {
  for (size_t i = 0; i < 2; ++i) EXPECT_EQ(ReadAll(by_name_[i]), ExpectedOf(by_name_[i]));
  EXPECT_EQ(source_->ahead_calls, 1);
  EXPECT_EQ(CountCached(), kMessages);
  for (const Ino ino : by_name_) EXPECT_EQ(ReadAll(ino), ExpectedOf(ino));
  EXPECT_EQ(source_->fetch_calls, 2);
  EXPECT_EQ(source_->ahead_calls, 1);
}

TEST_F(ReadAheadTest, OrderOfTheDirectoryIsRecognised) {
  for (size_t i = 10; i < 12; ++i) EXPECT_EQ(ReadAll(by_directory_[i]), ExpectedOf(by_directory_[i]));
  EXPECT_EQ(CountCached(), kMessages - 10) << "what comes after";
  EXPECT_FALSE(IsCached(by_directory_[9]));
}

TEST_F(ReadAheadTest, ReadersMayTakeTurns) {
  for (const size_t i : {0, 20, 1, 21}) EXPECT_EQ(ReadAll(by_name_[i]), ExpectedOf(by_name_[i]));
  EXPECT_EQ(CountCached(), kMessages);
}

TEST_F(ReadAheadTest, NoOrderFetchesNothing) {
  for (const size_t i : {3, 30, 12, 25, 7, 36, 18}) EXPECT_EQ(ReadAll(by_name_[i]), ExpectedOf(by_name_[i]));
  EXPECT_EQ(CountCached(), 7);
}

TEST_F(ReadAheadTest, CanBeSwitchedOff) {
  RemountWith(0);
  for (const size_t i : {0, 1, 2, 3}) ReadAll(by_name_[i]);
  EXPECT_EQ(CountCached(), 4);
}

TEST_F(ReadAheadTest, IsBoundedByBytes) {
  RemountWith(5 * 1200);
  for (const size_t i : {0, 1}) ReadAll(by_name_[i]);
  EXPECT_LE(CountCached(), 2 + 6);
  EXPECT_GE(CountCached(), 2 + 4);
  for (const Ino ino : by_name_) EXPECT_EQ(ReadAll(ino), ExpectedOf(ino));
  EXPECT_EQ(source_->fetch_calls, 2) << "it goes on as it is used";
}

TEST_F(ReadAheadTest, WhoWaitsForWhatIsComingJoinsIt) {
  source_->SetMode(FakeSource::Mode::kHeld);
  const auto first = Open(by_name_[0]);
  const auto second = Open(by_name_[1]);
  ASSERT_EQ(source_->held(), 3U) << "two that are waited for, and one for all that follow";
  const auto third = Open(by_name_[2]);
  EXPECT_EQ(source_->held(), 3U);
  source_->Take();
  source_->Take();
  const std::shared_ptr<FakeTask> ahead = source_->Take();
  EXPECT_EQ(ahead->priority, model::Priority::kWaiting) << "raised";
  source_->Run(ahead);
  EXPECT_TRUE(third.answer.Get().ok());
}

TEST_F(ReadAheadTest, WhatDoesNotComeThatWayIsFetchedByItself) {
  source_->SetMode(FakeSource::Mode::kHeld);
  const auto first = Open(by_name_[0]);
  const auto second = Open(by_name_[1]);
  const auto third = Open(by_name_[2]);
  source_->Take();
  source_->Take();
  source_->Take()->Finish(base::Error(base::ErrorKind::kNetwork, "broken"));
  ASSERT_EQ(source_->held(), 1U) << "the third: nobody waits for the others";
  EXPECT_FALSE(third.answer.given());
  source_->RunHeld();
  EXPECT_EQ(Bytes(Read(third.answer.Value().message, 0, 1000).answer.Value()), ExpectedOf(by_name_[2]));
  // Nothing is held against those that did not come.
  source_->SetMode(FakeSource::Mode::kInline);
  EXPECT_EQ(ReadAll(by_name_[3]), ExpectedOf(by_name_[3]));
}

TEST_F(ReadAheadTest, WhoLeavesWhatIsComingStopsNobody) {
  source_->SetMode(FakeSource::Mode::kHeld);
  Open(by_name_[0]);
  Open(by_name_[1]);
  const auto third = Open(by_name_[2]);
  third.wait->Cancel(base::Error(base::ErrorKind::kInterrupted, "Ctrl-C"));
  source_->RunHeld();
  EXPECT_EQ(CountCached(), kMessages);
}

TEST_F(ReadAheadTest, LargeOnesAreLeftToTheirReader) {
  source_->AddMessage("INBOX", 100, {.subject = "zzz", .body = std::string(3 << 20, 'x')});
  source_->AddMessage("INBOX", 101, {.subject = "zzzz", .body = "small"});
  Advance(std::chrono::hours(1));
  List(Find("sales/INBOX"));
  for (const size_t i : {size_t{kMessages} - 2, size_t{kMessages} - 1}) ReadAll(by_directory_[i]);
  EXPECT_TRUE(IsCached(Find("sales/INBOX/2022-10-01_zzzz.101.eml")));
  EXPECT_FALSE(IsCached(Find("sales/INBOX/2022-10-01_zzz.100.eml")));
}

}  // namespace
}  // namespace mailboxfs::tree
