#include "init_reply.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/fuse.h>
#include <unistd.h>

#include <cstring>
#include <string>

#include "mailboxfs/base/fd.h"

namespace mailboxfs::fuse {
namespace {

class InitReplyTest : public testing::Test {
 protected:
  void SetUp() override {
    int ends[2] = {-1, -1};
    ASSERT_EQ(::pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    read_end_ = base::UniqueFd(ends[0]);
    write_end_ = base::UniqueFd(ends[1]);
  }

  // The flags that arrive of an INIT reply with `flags`.
  uint32_t Send(uint32_t flags) {
    fuse_out_header header{};
    fuse_init_out out{};
    out.major = FUSE_KERNEL_VERSION;
    out.flags = flags;
    out.max_write = 4711;
    const iovec parts[] = {{&header, sizeof(header)}, {&out, sizeof(out)}};
    EXPECT_EQ(WriteReply(write_end_.get(), parts, 2), static_cast<ssize_t>(sizeof(header) + sizeof(out)));
    fuse_init_out got{};
    EXPECT_EQ(::read(read_end_.get(), &header, sizeof(header)), static_cast<ssize_t>(sizeof(header)));
    EXPECT_EQ(::read(read_end_.get(), &got, sizeof(got)), static_cast<ssize_t>(sizeof(got)));
    EXPECT_EQ(got.max_write, 4711U);
    EXPECT_EQ(out.flags, flags) << "libfuse's own copy";
    return got.flags;
  }

  base::UniqueFd read_end_, write_end_;
};

TEST_F(InitReplyTest, AddsTheFlagsOnce) {
  AddToInitReply(FUSE_PARALLEL_DIROPS);
  EXPECT_EQ(Send(FUSE_ASYNC_READ), static_cast<uint32_t>(FUSE_ASYNC_READ | FUSE_PARALLEL_DIROPS));
  EXPECT_EQ(Send(FUSE_ASYNC_READ), static_cast<uint32_t>(FUSE_ASYNC_READ));
}

TEST_F(InitReplyTest, AFlagThatLibfuseHasSetStays) {
  AddToInitReply(FUSE_PARALLEL_DIROPS);
  EXPECT_EQ(Send(FUSE_PARALLEL_DIROPS), static_cast<uint32_t>(FUSE_PARALLEL_DIROPS));
}

TEST_F(InitReplyTest, AnErrorIsNotTouched) {
  AddToInitReply(FUSE_PARALLEL_DIROPS);
  fuse_out_header header{};
  const iovec part{&header, sizeof(header)};
  EXPECT_EQ(WriteReply(write_end_.get(), &part, 1), static_cast<ssize_t>(sizeof(header)));
  std::string text(100, '\0');
  EXPECT_EQ(::read(read_end_.get(), text.data(), text.size()), static_cast<ssize_t>(sizeof(header)));
}

}  // namespace
}  // namespace mailboxfs::fuse
