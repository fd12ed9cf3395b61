#include "mount_table.h"

#include <gtest/gtest.h>

namespace mailboxfs::cli {
namespace {

TEST(AllowsOthersTest, OnlyWithItsLine) {
  EXPECT_TRUE(AllowsOthers("user_allow_other"));
  EXPECT_TRUE(AllowsOthers("# The file fuse.conf\nmount_max = 1000\n  user_allow_other # yes\n"));
  EXPECT_FALSE(AllowsOthers(""));
  EXPECT_FALSE(AllowsOthers("#user_allow_other\n"));
  EXPECT_FALSE(AllowsOthers("user_allow_others\nuser_allow_other = 1\n"));
}

}  // namespace
}  // namespace mailboxfs::cli
