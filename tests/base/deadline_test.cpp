#include <gtest/gtest.h>

#include "mailboxfs/base/manual_clock.h"

namespace mailboxfs::base {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

TEST(Deadline, RoundsUpSoThatPollDoesNotSpin) {
  const ManualClock clock;
  const Deadline deadline = Deadline::After(clock, microseconds(1500));
  EXPECT_EQ(deadline.PollMillis(clock.Now()), 2);
}

TEST(Deadline, PassesWhenTheClockReachesIt) {
  ManualClock clock;
  const Deadline deadline = Deadline::After(clock, milliseconds(10));
  EXPECT_FALSE(deadline.Passed(clock.Now()));
  clock.Advance(milliseconds(10));
  EXPECT_TRUE(deadline.Passed(clock.Now()));
  EXPECT_EQ(deadline.PollMillis(clock.Now()), 0);
}

TEST(Deadline, NeverIsLaterThanAnyOther) {
  const ManualClock clock;
  EXPECT_EQ(Deadline::Never().PollMillis(clock.Now(), 123), 123);
  EXPECT_EQ(Deadline::Never().Min(Deadline::At(clock.Now())).when(), clock.Now());
}

}  // namespace
}  // namespace mailboxfs::base
