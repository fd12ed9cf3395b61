// Messages that cannot be fetched, and those that can again.
#include "tree_fixture.h"

namespace mailboxfs::tree {
namespace {

using base::ErrorKind;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

class OutcomesTest : public TreeTest {
 protected:
  void SetUp() override {
    source_->AddMessage("INBOX", 1, {"one", "body\r\n"});
    source_->AddMessage("INBOX", 2, {"two", "body\r\n"});
    inbox_ = Find("sales/INBOX");
    List(inbox_);
    one_ = Find("sales/INBOX/1.eml");
  }
  // Opens it while the server answers so; true if the server was asked.
  bool OpenAsks(ErrorKind kind) {
    source_->FailWith(base::Error(kind, "the server said so"));
    const int before = source_->fetch_calls;
    EXPECT_EQ(Open(one_).answer.Error(), kind);
    source_->FailWith(std::nullopt);
    return source_->fetch_calls > before;
  }
  std::optional<std::string> ErrorOf(Ino message) { return tree_->GetXattr(message, "user.mailboxfs.error"); }

  Ino inbox_ = 0, one_ = 0;
};

TEST_F(OutcomesTest, ServerIsNotAskedAgainForAWhile) {
  EXPECT_TRUE(OpenAsks(ErrorKind::kUnfetchable));
  EXPECT_FALSE(OpenAsks(ErrorKind::kUnfetchable));
  Advance(minutes(15) - seconds(1));
  EXPECT_FALSE(OpenAsks(ErrorKind::kUnfetchable));
  Advance(seconds(1));
  EXPECT_TRUE(OpenAsks(ErrorKind::kUnfetchable));
  Advance(minutes(30) - seconds(1));
  EXPECT_FALSE(OpenAsks(ErrorKind::kUnfetchable)) << "each time twice as long";
  for (int i = 0; i < 20; ++i) {
    Advance(hours(24));
    EXPECT_TRUE(OpenAsks(ErrorKind::kUnfetchable)) << "once a day at least";
  }
}

TEST_F(OutcomesTest, WhatTheServerRefusesForNowIsTriedSooner) {
  EXPECT_TRUE(OpenAsks(ErrorKind::kMessageFailed));
  EXPECT_FALSE(OpenAsks(ErrorKind::kMessageFailed));
  Advance(seconds(30));
  EXPECT_TRUE(OpenAsks(ErrorKind::kMessageFailed));
}

TEST_F(OutcomesTest, OtherErrorsSayNothingOfTheMessage) {
  for (const ErrorKind kind : {ErrorKind::kNetwork, ErrorKind::kServer, ErrorKind::kThrottled, ErrorKind::kTimeout,
                               ErrorKind::kProtocol, ErrorKind::kLoginRefused}) {
    EXPECT_TRUE(OpenAsks(kind));
    EXPECT_EQ(ErrorOf(one_), std::nullopt);
  }
}

TEST_F(OutcomesTest, AreToldByXattrAndStatus) {
  EXPECT_EQ(ErrorOf(one_), std::nullopt);
  OpenAsks(ErrorKind::kStub);
  EXPECT_EQ(ErrorOf(one_), "stub: the server said so");
  const MailboxStatus status = tree_->GetStatus().mailboxes.at(0);
  EXPECT_EQ(status.failed_count, 1U);
  ASSERT_EQ(status.failed.size(), 1U);
  EXPECT_EQ(status.failed[0].uid, 1U);
  EXPECT_EQ(status.failed[0].kind, "stub");
  EXPECT_EQ(status.failed[0].tries, 1U);
  EXPECT_TRUE(status.failed[0].path.starts_with("sales/INBOX/")) << status.failed[0].path;
  EXPECT_EQ(status.failed[0].retry_at - status.failed[0].failed_at, 15 * 60);
  EXPECT_EQ(List(inbox_).size(), 2U) << "listed all the same";
  EXPECT_EQ(ReadAll(Find("sales/INBOX/2.eml")), "body\r\n");
}

TEST_F(OutcomesTest, OutliveTheMount) {
  OpenAsks(ErrorKind::kUnfetchable);
  Remount();
  source_->AddFolder("INBOX");
  source_->AddMessage("INBOX", 1, {"one", "body\r\n"});
  source_->AddMessage("INBOX", 2, {"two", "body\r\n"});
  EXPECT_EQ(Open(one_).answer.Error(), ErrorKind::kUnfetchable);
  EXPECT_EQ(source_->fetch_calls, 0);
}

TEST_F(OutcomesTest, EndWithTheFirstSuccess) {
  OpenAsks(ErrorKind::kUnfetchable);
  Advance(minutes(15));
  EXPECT_EQ(ReadAll(one_), "body\r\n");
  EXPECT_EQ(ErrorOf(one_), std::nullopt);
  EXPECT_EQ(tree_->GetStatus().mailboxes.at(0).failed_count, 0U);
}

TEST_F(OutcomesTest, ClockThatWasSetBackKeepsNothingAway) {
  Advance(hours(24 * 400));
  OpenAsks(ErrorKind::kUnfetchable);
  clock_.Advance(-hours(24 * 300));
  EXPECT_TRUE(OpenAsks(ErrorKind::kUnfetchable));
}

}  // namespace
}  // namespace mailboxfs::tree
