#include "mailboxfs/base/fd.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <optional>

namespace mailboxfs::base {
namespace {

TEST(UniqueFd, ClosesWhatItOwnsOnce) {
  int raw = -1;
  {
    UniqueFd fd(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    raw = fd.get();
    const UniqueFd other(std::move(fd));
    EXPECT_EQ(other.get(), raw);
  }
  EXPECT_EQ(::fcntl(raw, F_GETFD), -1);
}

TEST(WakeEvent, StaysSetUntilCleared) {
  WakeEvent wake;
  EXPECT_FALSE(wake.IsSet());
  wake.Set();
  wake.Set();
  EXPECT_TRUE(wake.IsSet());
  EXPECT_TRUE(wake.IsSet());
  wake.Clear();
  EXPECT_FALSE(wake.IsSet());
}

TEST(WakeEvent, AnotherHandleIsTheSameFlagAndMayOutliveTheFirst) {
  std::optional<WakeEvent> first(std::in_place);
  WakeEvent second = first->Share();
  first->Set();
  EXPECT_TRUE(second.IsSet());
  second.Clear();
  EXPECT_FALSE(first->IsSet());
  first.reset();
  second.Set();
  EXPECT_TRUE(second.IsSet());
}

}  // namespace
}  // namespace mailboxfs::base
