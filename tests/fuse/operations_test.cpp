#include "operations.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "mailboxfs/base/log.h"
#include "operations_fixture.h"

namespace mailboxfs::fuse {
namespace {

using base::Error;
using base::ErrorKind;
using std::chrono::seconds;

class OperationsTest : public OperationsFixture {};

TEST_F(OperationsTest, InitTakesWhatTheKernelCanAndNoMore) {
  fuse_conn_info connection{};
  connection.capable =
      FUSE_CAP_PARALLEL_DIROPS | FUSE_CAP_READDIRPLUS | FUSE_CAP_WRITEBACK_CACHE | FUSE_CAP_POSIX_LOCKS;
  connection.want = FUSE_CAP_POSIX_LOCKS | FUSE_CAP_ASYNC_READ;
  EXPECT_FALSE(operations_.initialized());
  table_.init(&operations_, &connection);
  EXPECT_EQ(connection.want, static_cast<unsigned>(FUSE_CAP_PARALLEL_DIROPS | FUSE_CAP_READDIRPLUS));
  EXPECT_EQ(connection.max_background, 64U);
  EXPECT_TRUE(operations_.initialized());
}

TEST_F(OperationsTest, WhatTheKernelShouldDoItselfHasNoHandler) {
  EXPECT_EQ(table_.flush, nullptr);
  EXPECT_EQ(table_.access, nullptr);
  EXPECT_EQ(table_.lseek, nullptr);
  EXPECT_EQ(table_.forget, nullptr);
  EXPECT_EQ(table_.write, nullptr);
  EXPECT_EQ(table_.setattr, nullptr);
}

TEST_F(OperationsTest, AMessageHasAsManyLinksAsNames) {
  tree_.SetLinks(exact_, 3);
  EXPECT_EQ(Ask(Lookup(folder_, "exact.eml")).entry.attr.st_nlink, 3U);
}

TEST_F(OperationsTest, LookupOfAMessage) {
  const Answer answer = Ask(Lookup(folder_, "exact.eml"));
  ASSERT_EQ(answer.kind, "entry");
  EXPECT_EQ(answer.entry.ino, exact_);
  EXPECT_EQ(answer.entry.attr_timeout, 86400);
  EXPECT_EQ(answer.entry.entry_timeout, 86400);
  EXPECT_EQ(answer.entry.attr.st_ino, exact_);
  EXPECT_EQ(answer.entry.attr.st_mode, static_cast<mode_t>(S_IFREG | 0440));
  EXPECT_EQ(answer.entry.attr.st_nlink, 1U);
  EXPECT_EQ(answer.entry.attr.st_uid, 1000U);
  EXPECT_EQ(answer.entry.attr.st_gid, 1001U);
  EXPECT_EQ(answer.entry.attr.st_size, 20);
  EXPECT_EQ(answer.entry.attr.st_blocks, 1);
  EXPECT_EQ(answer.entry.attr.st_mtim.tv_sec, 1'500'000'000);
  EXPECT_EQ(answer.entry.attr.st_ctim.tv_sec, 1'500'000'000);
}

TEST_F(OperationsTest, AnAliasIsNotRemembered) {
  tree_.SetAlias(exact_, "5.eml");
  const Answer answer = Ask(Lookup(folder_, "5.eml"));
  ASSERT_EQ(answer.kind, "entry");
  EXPECT_EQ(answer.entry.ino, exact_);
  EXPECT_EQ(answer.entry.entry_timeout, 0);
  EXPECT_EQ(answer.entry.attr_timeout, 86400) << "the attributes are the message's, whatever its name";
}

TEST_F(OperationsTest, LookupOfADirectoryHasALongNameAndAttributesForASecond) {
  const Answer answer = Ask(Lookup(FakeTree::kRoot, "INBOX"));
  ASSERT_EQ(answer.kind, "entry");
  EXPECT_EQ(answer.entry.attr.st_mode, static_cast<mode_t>(S_IFDIR | 0550));
  EXPECT_EQ(answer.entry.attr.st_nlink, 1U);
  EXPECT_EQ(answer.entry.attr_timeout, 1);
  EXPECT_EQ(answer.entry.entry_timeout, 86400);
}

TEST_F(OperationsTest, ANameThatIsProvenAbsentIsENOENTAndNotRemembered) {
  const Answer answer = Ask(Lookup(folder_, "none.eml"));
  EXPECT_EQ(answer.kind, "err");
  EXPECT_EQ(answer.errnum, ENOENT);
}

TEST_F(OperationsTest, ANameThatIsTooLongIsSaidToBe) {
  EXPECT_EQ(Ask(Lookup(folder_, std::string(255, 'x'))).errnum, ENOENT);
  EXPECT_EQ(Ask(Lookup(folder_, std::string(256, 'x'))).errnum, ENAMETOOLONG);
}

TEST_F(OperationsTest, AFolderThatCannotBeListedIsNeverENOENT) {
  tree_.FailWith(folder_, Error(ErrorKind::kNotListed, "INBOX was never listed"));
  EXPECT_EQ(Ask(Lookup(folder_, "exact.eml")).errnum, EIO);
  EXPECT_EQ(Ask(OpenDir(folder_)).errnum, EIO);
  EXPECT_EQ(Ask([this](fuse_req_t request) { table_.readdir(request, folder_, 4096, 0, &info_); }).errnum, EIO);
  const auto counts = errors_.GetCounts().eio_by_site;
  EXPECT_EQ(counts[static_cast<size_t>(Site::kLookup)], 1U);
  EXPECT_EQ(counts[static_cast<size_t>(Site::kOpenDir)], 1U);
  EXPECT_EQ(counts[static_cast<size_t>(Site::kReadDir)], 1U);
}

TEST_F(OperationsTest, ExceptionsOfTheTreeBecomeAnswers) {
  tree_.ThrowAlways(true);
  EXPECT_EQ(Ask(Lookup(folder_, "exact.eml")).errnum, EIO);
  EXPECT_EQ(Ask(Open(exact_)).errnum, EIO);
  EXPECT_EQ(Ask(GetAttr(99)).errnum, ENOENT);
}

TEST_F(OperationsTest, BlocksAreNeverZeroForContents) {
  const auto message = [this](size_t size) { return tree_.AddMessage(folder_, "m", std::string(size, 'x')); };
  EXPECT_EQ(Ask(GetAttr(message(0))).attr.st_blocks, 0);
  EXPECT_EQ(Ask(GetAttr(message(1))).attr.st_blocks, 1);
  EXPECT_EQ(Ask(GetAttr(message(512))).attr.st_blocks, 1);
  EXPECT_EQ(Ask(GetAttr(message(513))).attr.st_blocks, 2);
}

TEST_F(OperationsTest, OpenOfAKnownSizeTellsTheKernelNothing) {
  Ask(GetAttr(exact_));
  const Answer answer = Ask(Open(exact_));
  ASSERT_EQ(answer.kind, "open");
  EXPECT_TRUE(answer.open.keep_cache) << "the same body as before";
  EXPECT_FALSE(answer.open.direct_io);
  EXPECT_TRUE(Kernel().notifications().empty());
}

TEST_F(OperationsTest, PagesOfAnotherDownloadAreNotKept) {
  tree_.SetSameBody(false);
  EXPECT_FALSE(Ask(Open(exact_)).open.keep_cache);
}

TEST_F(OperationsTest, AChangedSizeIsToldBeforeTheOpenIsAnswered) {
  Kernel().Stall(true);
  FakeRequest request(&operations_);
  std::thread opener([&] { Open(estimated_)(request.get()); });
  ASSERT_TRUE(Kernel().WaitForStalled());
  EXPECT_FALSE(request.answered());
  Kernel().Stall(false);
  EXPECT_EQ(request.Wait().kind, "open");
  opener.join();
  EXPECT_EQ(Kernel().notifications(), std::vector<std::string>{base::Format("inode {}", estimated_)});
}

TEST_F(OperationsTest, AnEstimateTheKernelHasSeenIsCorrectedWhoeverLearnedTheSize) {
  Ask(GetAttr(estimated_));
  tree_.LearnSize(estimated_);  // Read-ahead: Open reports no change.
  EXPECT_EQ(Ask(Open(estimated_)).kind, "open");
  EXPECT_EQ(Kernel().notifications(), std::vector<std::string>{base::Format("inode {}", estimated_)});
  EXPECT_EQ(Ask(Open(estimated_)).kind, "open");
  EXPECT_EQ(Kernel().notifications().size(), 1U) << "once is enough";
}

TEST_F(OperationsTest, EstimatesSeenByListingAreCorrectedToo) {
  Ask([this](fuse_req_t request) { table_.readdirplus(request, folder_, 4096, 0, &info_); });
  tree_.LearnSize(estimated_);
  Ask(Open(estimated_));
  EXPECT_EQ(Kernel().notifications().size(), 1U);
}

TEST_F(OperationsTest, TheTreeHearsWhenTheKernelHasBeenTold) {
  tree_.Block(estimated_);
  const auto request = Start(Open(estimated_));
  request->Abandon();
  tree_.Release(estimated_);
  request->Wait();
  EXPECT_EQ(Kernel().notifications().size(), 1U);
  EXPECT_EQ(tree_.told(estimated_), 0) << "the reply reached nobody";
  const tree::Ino other = tree_.AddMessage(folder_, "other.eml", "longer than that", 3);
  Ask(Open(other));
  EXPECT_EQ(tree_.told(other), 1);
  Ask(Open(exact_));
  EXPECT_EQ(tree_.told(exact_), 0) << "there was nothing to tell";
}

TEST_F(OperationsTest, OpenForWritingIsRefused) {
  EXPECT_EQ(Ask(Open(exact_, O_RDWR)).errnum, EROFS);
  EXPECT_EQ(Ask(Open(exact_, O_WRONLY)).errnum, EROFS);
}

TEST_F(OperationsTest, AnOpenThatNobodyWantsAnyMoreLeaksNothing) {
  tree_.Block(exact_);
  const auto request = Start(Open(exact_));
  request->Abandon();
  tree_.Release(exact_);
  EXPECT_EQ(request->Wait().kind, "open");
  EXPECT_EQ(tree_.open_messages(), 0U);
}

TEST_F(OperationsTest, ReleaseClosesTheMessage) {
  const uint64_t handle = OpenHandle(exact_);
  EXPECT_EQ(tree_.open_messages(), 1U);
  fuse_file_info info{};
  info.fh = handle;
  EXPECT_EQ(Ask([&](fuse_req_t request) { table_.release(request, exact_, &info); }).errnum, 0);
  EXPECT_EQ(tree_.open_messages(), 0U);
  EXPECT_EQ(Ask(Read(exact_, handle, 10, 0)).errnum, EBADF);
}

TEST_F(OperationsTest, ReadGivesTheBytes) {
  const uint64_t handle = OpenHandle(exact_);
  EXPECT_EQ(Ask(Read(exact_, handle, 4096, 0)).bytes, "Subject: 1\r\n\r\nbody\r\n");
  EXPECT_EQ(Ask(Read(exact_, handle, 7, 9)).bytes, "1\r\n\r\nbo");
  const Answer end = Ask(Read(exact_, handle, 4096, 20));
  EXPECT_EQ(end.kind, "buf");
  EXPECT_EQ(end.bytes, "");
}

TEST_F(OperationsTest, ShortSpansAreJoinedBecauseAShortAnswerMeansTheEnd) {
  std::string body;
  for (int i = 0; i < 100; ++i) body += base::Format("line {}\r\n", i);
  const tree::Ino ino = tree_.AddMessage(folder_, "long.eml", body);
  const uint64_t handle = OpenHandle(ino);
  tree_.LimitSpans(7);
  EXPECT_EQ(Ask(Read(ino, handle, 4096, 0)).bytes, body);
  EXPECT_EQ(Ask(Read(ino, handle, 100, 50)).bytes, body.substr(50, 100));
  tree_.AnswerElsewhere(true);
  EXPECT_EQ(Ask(Read(ino, handle, 4096, 3)).bytes, body.substr(3));
  tree_.LimitSpans(0);
  EXPECT_EQ(Ask(Read(ino, handle, 4096, 0)).errnum, EIO) << "never a false end";
}

TEST_F(OperationsTest, ABodyThatWasCutOnTheDiskIsAnErrorAndNeverAnEnd) {
  const std::string body(1000, 'x');
  const tree::Ino ino = tree_.AddMessage(folder_, "long.eml", body);
  const uint64_t handle = OpenHandle(ino);
  tree_.CutBody(ino, 500);
  // In one piece, and of several.
  for (const size_t span : {size_t{4096}, size_t{100}}) {
    tree_.LimitSpans(span);
    EXPECT_EQ(Ask(Read(ino, handle, 500, 0)).bytes, body.substr(0, 500)) << "what is left";
    EXPECT_EQ(Ask(Read(ino, handle, 4096, 0)).errnum, EIO);
    EXPECT_EQ(Ask(Read(ino, handle, 4096, 450)).errnum, EIO);
    EXPECT_EQ(Ask(Read(ino, handle, 1, 500)).errnum, EIO);
    EXPECT_EQ(Ask(Read(ino, handle, 100, 900)).errnum, EIO);
  }
}

TEST_F(OperationsTest, Xattrs) {
  tree_.SetXattr("user.mailboxfs.uid", "17");
  EXPECT_EQ(Ask(GetXattr(exact_, "user.mailboxfs.uid", 0)).xattr_size, 2U);
  EXPECT_EQ(Ask(GetXattr(exact_, "user.mailboxfs.uid", 2)).bytes, "17");
  EXPECT_EQ(Ask(GetXattr(exact_, "user.mailboxfs.uid", 1)).errnum, ERANGE);
  EXPECT_EQ(Ask(GetXattr(exact_, "security.capability", 100)).errnum, EOPNOTSUPP) << "so that ls -l asks once";
  tree_.FailWith(exact_, Error(ErrorKind::kUnsupported, "no"));
  EXPECT_EQ(Ask(GetXattr(exact_, "user.mailboxfs.uid", 0)).errnum, ENODATA);
  tree_.FailWith(exact_, Error(ErrorKind::kDisk, "no"));
  EXPECT_EQ(Ask(GetXattr(exact_, "user.mailboxfs.uid", 0)).errnum, EIO);
}

TEST_F(OperationsTest, XattrsAreNotListed) {
  const auto list = [this](size_t size) {
    return Ask([=, this](fuse_req_t request) { table_.listxattr(request, exact_, size); });
  };
  EXPECT_EQ(list(0).kind, "xattr");
  EXPECT_EQ(list(0).xattr_size, 0U);
  EXPECT_EQ(list(100).kind, "buf");
  EXPECT_EQ(list(100).bytes, "");
}

TEST_F(OperationsTest, StatFsIsNeverZeroAndAsksTheTreeOncePerSecond) {
  const auto statfs = [this] { return Ask([this](fuse_req_t request) { table_.statfs(request, 1); }).numbers; };
  tree_.SetCache(40960, 409600);
  struct statvfs numbers = statfs();
  EXPECT_EQ(numbers.f_bsize, 4096U);
  EXPECT_EQ(numbers.f_blocks, 100U);
  EXPECT_EQ(numbers.f_bfree, 90U);
  EXPECT_EQ(numbers.f_files - numbers.f_ffree, 2U);
  EXPECT_EQ(numbers.f_namemax, 255U);
  tree_.SetCache(819200, 409600);
  EXPECT_EQ(statfs().f_blocks, 100U);
  EXPECT_EQ(tree_.space_calls(), 1U);
  clock_.Advance(seconds(1));
  numbers = statfs();
  EXPECT_EQ(numbers.f_blocks, 201U);
  EXPECT_EQ(numbers.f_bavail, 1U);
  tree_.SetCache(0, 0);
  clock_.Advance(seconds(1));
  EXPECT_GT(statfs().f_bfree, 0U);
}

struct Listed {
  uint64_t ino;
  uint64_t offset;
  std::string name;
  bool operator==(const Listed&) const = default;
};

// The kernel's view of READDIR's answer (struct fuse_dirent).
std::vector<Listed> ParseDirectory(const std::string& bytes) {
  std::vector<Listed> entries;
  size_t at = 0;
  while (at + 24 <= bytes.size()) {
    uint64_t ino = 0, offset = 0;
    uint32_t length = 0;
    std::memcpy(&ino, &bytes[at], 8);
    std::memcpy(&offset, &bytes[at + 8], 8);
    std::memcpy(&length, &bytes[at + 16], 4);
    entries.push_back({ino, offset, bytes.substr(at + 24, length)});
    at += (24 + length + 7) / 8 * 8;
  }
  return entries;
}

TEST_F(OperationsTest, ADirectoryIsReadInPiecesFromAnyCookie) {
  std::vector<Listed> expected = {{folder_, 1, "."}, {FakeTree::kRoot, 2, ".."}};
  expected.push_back({exact_, exact_ * FakeTree::kPositions, "exact.eml"});
  expected.push_back({estimated_, estimated_ * FakeTree::kPositions, "estimated.eml"});
  for (int i = 0; i < 500; ++i) {
    const std::string name = base::Format("message {:0>{}}.eml", i, 1 + i % 90);
    const tree::Ino ino = tree_.AddMessage(folder_, name, "x");
    expected.push_back({ino, ino * FakeTree::kPositions, name});
  }
  for (const size_t size : {300U, 4096U, 65536U}) {
    std::vector<Listed> all;
    off_t offset = 0;
    for (;;) {
      const auto page = ParseDirectory(
          Ask([&](fuse_req_t request) { table_.readdir(request, folder_, size, offset, &info_); }).bytes);
      if (page.empty()) break;
      all.insert(all.end(), page.begin(), page.end());
      offset = static_cast<off_t>(page.back().offset);
    }
    EXPECT_EQ(all, expected) << size;
  }
}

TEST_F(OperationsTest, ACookieStaysRightWhenItsEntryHasGone) {
  tree_.Remove(exact_);
  const auto page = ParseDirectory(Ask([&](fuse_req_t request) {
                                     table_.readdir(request, folder_, 4096, static_cast<off_t>(exact_), &info_);
                                   }).bytes);
  ASSERT_EQ(page.size(), 1U);
  EXPECT_EQ(page[0].name, "estimated.eml");
}

}  // namespace
}  // namespace mailboxfs::fuse
