#include "mailboxfs/base/log.h"

#include <gtest/gtest.h>

namespace mailboxfs::base {
namespace {

TEST(CountOfTest, OneIsNotMany) {
  EXPECT_EQ(CountOf(0, "message"), "0 messages");
  EXPECT_EQ(CountOf(1, "message"), "1 message");
  EXPECT_EQ(CountOf(2, "message"), "2 messages");
  EXPECT_EQ(CountOf(1, "mailbox"), "1 mailbox");
  EXPECT_EQ(CountOf(500, "mailbox"), "500 mailboxes");
  EXPECT_EQ(CountOf(2, "body"), "2 bodies");
}

}  // namespace
}  // namespace mailboxfs::base
