#include "notifier.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <string>
#include <vector>

#include "fake_libfuse.h"

namespace mailboxfs::fuse {
namespace {

using Notifications = std::vector<std::string>;

class NotifierTest : public testing::Test {
 protected:
  NotifierTest() { Kernel().Reset(); }
  ~NotifierTest() override { Kernel().Stall(false); }

  Notifier notifier_;
};

TEST_F(NotifierTest, TellsTheKernel) {
  notifier_.Start(FakeSession());
  notifier_.Deleted(1001, 1005, "a.eml");
  ASSERT_TRUE(Kernel().WaitFor(1));
  notifier_.AttributesChanged(1006);
  ASSERT_TRUE(Kernel().WaitFor(2));
  EXPECT_EQ(Kernel().notifications(), (Notifications{"delete 1001 1005 a.eml", "inode 1006"}));
}

// Which of the two is told first makes no difference.
TEST_F(NotifierTest, ANameOfManyIsForgottenAndItsInodeAskedForAgain) {
  std::optional<Notifier::Hold> lookup(std::in_place, notifier_, 1001);
  notifier_.Start(FakeSession());
  notifier_.Unlinked(1001, 1005, "a.eml");
  ASSERT_TRUE(Kernel().WaitFor(1));
  lookup.reset();
  ASSERT_TRUE(Kernel().WaitFor(2));
  EXPECT_EQ(Kernel().notifications(), (Notifications{"inode 1005", "entry 1001 a.eml"}));
}

TEST_F(NotifierTest, WhatTheKernelDoesNotKnowIsDone) {
  Kernel().SetDeleteResult(-ENOENT);
  notifier_.Start(FakeSession());
  notifier_.Deleted(1001, 1005, "a.eml");
  ASSERT_TRUE(Kernel().WaitFor(1));
  notifier_.AttributesChanged(1);
  ASSERT_TRUE(Kernel().WaitFor(2));
  EXPECT_EQ(Kernel().notifications()[1], "inode 1");
}

TEST_F(NotifierTest, ADirectoryInUseIsAskedForAgain) {
  Kernel().SetDeleteResult(-ENOTEMPTY);
  notifier_.Start(FakeSession());
  notifier_.Deleted(1001, 1005, "Archive");
  ASSERT_TRUE(Kernel().WaitFor(2));
  EXPECT_EQ(Kernel().notifications(), (Notifications{"delete 1001 1005 Archive", "entry 1001 Archive"}));
}

TEST_F(NotifierTest, NeverMakesTheCallerWaitAndTellsTwiceTheSameOnce) {
  Kernel().Stall(true);
  notifier_.Start(FakeSession());
  notifier_.AttributesChanged(1);
  ASSERT_TRUE(Kernel().WaitForStalled());
  for (int i = 0; i < 10; ++i) {
    notifier_.AttributesChanged(2);
    notifier_.Deleted(1001, 1005, "a.eml");
  }
  Kernel().Stall(false);
  ASSERT_TRUE(Kernel().WaitFor(3));
  notifier_.AttributesChanged(3);
  ASSERT_TRUE(Kernel().WaitFor(4));
  EXPECT_EQ(Kernel().notifications(), (Notifications{"inode 1", "inode 2", "delete 1001 1005 a.eml", "inode 3"}));
}

TEST_F(NotifierTest, ADirectoryInWhichANameIsLookedUpIsLeftAloneUntilThen) {
  std::optional<Notifier::Hold> first, second;
  first.emplace(notifier_, 1001);
  second.emplace(notifier_, 1001);
  notifier_.Start(FakeSession());
  notifier_.Deleted(1001, 1005, "a.eml");
  notifier_.Deleted(1001, 1006, "b.eml");
  notifier_.Deleted(1002, 1007, "c.eml");
  ASSERT_TRUE(Kernel().WaitFor(1));
  first.reset();
  notifier_.AttributesChanged(9);
  ASSERT_TRUE(Kernel().WaitFor(2));
  EXPECT_EQ(Kernel().notifications(), (Notifications{"delete 1002 1007 c.eml", "inode 9"}));
  second.reset();
  ASSERT_TRUE(Kernel().WaitFor(4));
}

// The kernel locks the directory that goes while it holds the lock of the one that it is in.
TEST_F(NotifierTest, NeitherIsItsParentLockedToRemoveIt) {
  std::optional<Notifier::Hold> lookup(std::in_place, notifier_, 1005);
  notifier_.Start(FakeSession());
  notifier_.Deleted(1001, 1005, "Work");
  notifier_.Deleted(1001, 1006, "Other");
  notifier_.AttributesChanged(1005);
  ASSERT_TRUE(Kernel().WaitFor(2));
  Notifications others = Kernel().notifications();
  std::sort(others.begin(), others.end());
  EXPECT_EQ(others, (Notifications{"delete 1001 1006 Other", "inode 1005"}));
  lookup.reset();
  ASSERT_TRUE(Kernel().WaitFor(3));
  EXPECT_EQ(Kernel().notifications()[2], "delete 1001 1005 Work");
}

TEST_F(NotifierTest, KnowsNobodyBeforeStartAndAfterStop) {
  notifier_.AttributesChanged(1);
  notifier_.Start(FakeSession());
  notifier_.AttributesChanged(2);
  ASSERT_TRUE(Kernel().WaitFor(1));
  notifier_.Stop();
  notifier_.Deleted(1001, 1005, "a.eml");
  notifier_.Stop();
  EXPECT_EQ(Kernel().notifications(), Notifications{"inode 2"});
}

TEST_F(NotifierTest, MemoryIsBounded) {
  Kernel().Stall(true);
  notifier_.Start(FakeSession());
  notifier_.AttributesChanged(1);
  ASSERT_TRUE(Kernel().WaitForStalled());
  for (uint64_t i = 0; i < Notifier::kMaxQueued + 7; ++i) notifier_.AttributesChanged(1000 + i);
  EXPECT_EQ(notifier_.dropped(), 7U);
  Kernel().Stall(false);
}

}  // namespace
}  // namespace mailboxfs::fuse
