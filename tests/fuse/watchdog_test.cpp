#include "watchdog.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <optional>
#include <vector>

#include "mailboxfs/base/manual_clock.h"

namespace mailboxfs::fuse {
namespace {

using base::ErrorKind;
using std::chrono::milliseconds;
using std::chrono::seconds;

class RecordingWait : public tree::Wait {
 public:
  void Cancel(const base::Error& error) override {
    base::MutexLock lock(mutex_);
    errors_.push_back(error.kind());
    changed_.NotifyAll();
  }
  base::MonoTime LastProgress() const override {
    base::MutexLock lock(mutex_);
    return progress_;
  }
  void SetProgress(base::MonoTime when) {
    base::MutexLock lock(mutex_);
    progress_ = when;
  }
  std::vector<ErrorKind> errors() const {
    base::MutexLock lock(mutex_);
    return errors_;
  }
  // Waits for the first; nullopt after 30 s.
  std::optional<ErrorKind> WaitForError() {
    const auto until = std::chrono::steady_clock::now() + seconds(30);
    base::MutexLock lock(mutex_);
    while (errors_.empty()) {
      if (!changed_.WaitUntil(mutex_, until)) return std::nullopt;
    }
    return errors_.front();
  }

 private:
  mutable base::Mutex mutex_;
  base::CondVar changed_;
  base::MonoTime progress_ GUARDED_BY(mutex_);
  std::vector<ErrorKind> errors_ GUARDED_BY(mutex_);
};

using Kinds = std::vector<ErrorKind>;

class WatchdogTest : public testing::Test {
 protected:
  uint64_t Add() { return watchdog_.Add(wait_, 4711); }

  base::ManualClock clock_;
  std::atomic<bool> ends_caller_ = false;
  std::atomic<int> looks_ = 0;
  std::shared_ptr<RecordingWait> wait_ = std::make_shared<RecordingWait>();
  Watchdog watchdog_{seconds(30), seconds(600), clock_, [this](pid_t tid) {
                       EXPECT_EQ(tid, 4711);
                       ++looks_;
                       return ends_caller_.load();
                     }};
};

TEST_F(WatchdogTest, AWaitWithoutProgressEndsAfterStall) {
  Add();
  clock_.Advance(seconds(30));
  watchdog_.Check();
  EXPECT_EQ(wait_->errors(), Kinds{});
  clock_.Advance(milliseconds(1));
  watchdog_.Check();
  EXPECT_EQ(wait_->errors(), Kinds{ErrorKind::kTimeout});
  EXPECT_EQ(watchdog_.waiting(), 0U);
}

TEST_F(WatchdogTest, AWaitIsEndedOnce) {
  Add();
  clock_.Advance(seconds(31));
  watchdog_.Check();
  watchdog_.Check();
  EXPECT_EQ(wait_->errors(), Kinds{ErrorKind::kTimeout});
}

TEST_F(WatchdogTest, ProgressPostponesTheEnd) {
  Add();
  clock_.Advance(seconds(29));
  wait_->SetProgress(clock_.Now());
  clock_.Advance(seconds(29));
  watchdog_.Check();
  EXPECT_EQ(wait_->errors(), Kinds{});
  clock_.Advance(seconds(2));
  watchdog_.Check();
  EXPECT_EQ(wait_->errors(), Kinds{ErrorKind::kTimeout});
}

TEST_F(WatchdogTest, ProgressBeforeTheRequestIsNotHeldAgainstIt) {
  wait_->SetProgress(clock_.Now() - seconds(1000));
  Add();
  clock_.Advance(seconds(29));
  watchdog_.Check();
  EXPECT_EQ(wait_->errors(), Kinds{});
}

TEST_F(WatchdogTest, ProgressDoesNotOutliveTheTotal) {
  Add();
  clock_.Advance(seconds(601));
  wait_->SetProgress(clock_.Now());
  watchdog_.Check();
  EXPECT_EQ(wait_->errors(), Kinds{ErrorKind::kTimeout});
}

TEST_F(WatchdogTest, AnAnsweredWaitIsLeftAlone) {
  watchdog_.Remove(Add());
  clock_.Advance(seconds(601));
  watchdog_.Check();
  EXPECT_EQ(wait_->errors(), Kinds{});
  EXPECT_EQ(wait_.use_count(), 1);
}

TEST_F(WatchdogTest, WithoutASignalTheCallerIsNotLookedAt) {
  Add();
  watchdog_.Check();
  EXPECT_EQ(looks_, 0);
}

TEST_F(WatchdogTest, AnEndingSignalInterrupts) {
  const uint64_t id = Add();
  ends_caller_ = true;
  watchdog_.Interrupted(id);
  watchdog_.Check();
  EXPECT_EQ(wait_->errors(), Kinds{ErrorKind::kInterrupted});
}

TEST_F(WatchdogTest, AHarmlessSignalMakesTheCallerSuspectUntilAnEndingOneComes) {
  const uint64_t id = Add();
  watchdog_.Interrupted(id);
  EXPECT_EQ(watchdog_.suspects(), 0U);
  // The kernel does not tell of a second signal.
  EXPECT_EQ(watchdog_.Check(), clock_.Now() + Watchdog::kLookAgain);
  EXPECT_EQ(watchdog_.suspects(), 1U);
  EXPECT_EQ(wait_->errors(), Kinds{});
  ends_caller_ = true;
  clock_.Advance(Watchdog::kLookAgain);
  watchdog_.Check();
  EXPECT_EQ(wait_->errors(), Kinds{ErrorKind::kInterrupted});
  EXPECT_EQ(looks_, 2);
}

TEST_F(WatchdogTest, ASuspectStillTimesOut) {
  watchdog_.Interrupted(Add());
  clock_.Advance(seconds(31));
  watchdog_.Check();
  EXPECT_EQ(wait_->errors(), Kinds{ErrorKind::kTimeout});
}

TEST_F(WatchdogTest, TheNextCheckIsAtTheEarliestDeadline) {
  EXPECT_EQ(watchdog_.Check(), base::MonoTime::max());
  Add();
  EXPECT_EQ(watchdog_.Check(), clock_.Now() + seconds(30) + milliseconds(1));
}

TEST_F(WatchdogTest, AnInterruptOfAnUnknownRequestIsIgnored) {
  watchdog_.Interrupted(99);
  EXPECT_EQ(watchdog_.Check(), base::MonoTime::max());
}

TEST_F(WatchdogTest, CloseEndsAllThatWaitsAndAllThatIsYetToCome) {
  Add();
  watchdog_.Close();
  EXPECT_EQ(wait_->errors(), Kinds{ErrorKind::kCancelled});
  wait_ = std::make_shared<RecordingWait>();
  EXPECT_NE(Add(), 0U);
  EXPECT_EQ(wait_->errors(), Kinds{ErrorKind::kCancelled});
  EXPECT_EQ(watchdog_.waiting(), 0U);
}

TEST_F(WatchdogTest, TimesForEverDoNotOverflow) {
  Watchdog watchdog(base::Duration::max(), base::Duration::max(), clock_, [](pid_t) { return false; });
  watchdog.Add(wait_, 1);
  watchdog.Check();
  EXPECT_EQ(wait_->errors(), Kinds{});
}

TEST(WatchdogThread, EndsAStalledWaitByItself) {
  Watchdog watchdog(milliseconds(5), seconds(600), base::Clock::System(), [](pid_t) { return false; });
  watchdog.Start();
  const auto wait = std::make_shared<RecordingWait>();
  watchdog.Add(wait, 1);
  EXPECT_EQ(wait->WaitForError(), ErrorKind::kTimeout);
}

TEST(WatchdogThread, LooksAgainAtASuspectByItself) {
  std::atomic<int> looks = 0;
  Watchdog watchdog(seconds(600), seconds(600), base::Clock::System(), [&looks](pid_t) { return ++looks == 3; });
  watchdog.Start();
  const auto wait = std::make_shared<RecordingWait>();
  watchdog.Interrupted(watchdog.Add(wait, 1));
  EXPECT_EQ(wait->WaitForError(), ErrorKind::kInterrupted);
  EXPECT_EQ(looks, 3);
}

}  // namespace
}  // namespace mailboxfs::fuse
