// Messages that cannot be fetched, as the index keeps them.
#include <gmock/gmock.h>

#include "sqlite.h"
#include "test_support.h"

namespace mailboxfs::store {
namespace {

using testing::ElementsAre;
using testing::Field;
using testing::IsEmpty;

class IndexOutcomesTest : public testing::Test {
 protected:
  void SetUp() override {
    const std::vector<NewFolder> folders = {MakeFolder("INBOX")};
    index_->ReplaceFolders(mailbox_, folders, 1);
    inbox_ = index_->FindFolder(mailbox_, "INBOX")->ino;
    index_->BeginListing(inbox_, 7);
    const std::vector<NewMessage> messages = {MakeMessage(1), MakeMessage(2), MakeMessage(3)};
    index_->AddMessages(inbox_, messages, 1);
    index_->FinishListing(inbox_, {7, 4, 3}, true, 1);
    two_ = index_->FindUid(inbox_, 2)->ino;
  }
  std::vector<FailedMessage> Failed(size_t limit = 100) { return index_->FailedMessages(mailbox_, limit, &count_); }

  const TempDir directory_;
  std::unique_ptr<Index> index_ = Index::Open(directory_.path());
  const Ino mailbox_ = index_->EnsureMailbox("x/a", "a", 1);
  const Outcome outcome_ = {Outcome::Kind::kStub, 3, 1000, 2000, "a placeholder"};
  Ino inbox_ = 0, two_ = 0;
  uint64_t count_ = 0;
};

TEST_F(IndexOutcomesTest, AreKeptReplacedAndCleared) {
  EXPECT_FALSE(index_->GetOutcome(two_));
  EXPECT_THAT(Failed(), IsEmpty());
  index_->SetOutcome(two_, outcome_);
  index_.reset();
  index_ = Index::Open(directory_.path());
  const std::optional<Outcome> kept = index_->GetOutcome(two_);
  ASSERT_TRUE(kept);
  EXPECT_EQ(kept->kind, Outcome::Kind::kStub);
  EXPECT_EQ(kept->tries, 3U);
  EXPECT_EQ(kept->failed_at, 1000);
  EXPECT_EQ(kept->retry_at, 2000);
  EXPECT_EQ(kept->error, "a placeholder");
  index_->SetOutcome(two_, {Outcome::Kind::kFailed, 4, 3000, 4000, ""});
  EXPECT_EQ(index_->GetOutcome(two_)->tries, 4U);
  index_->ClearOutcome(two_);
  EXPECT_FALSE(index_->GetOutcome(two_));
}

TEST_F(IndexOutcomesTest, AreCountedBeyondTheLimit) {
  for (const model::Uid uid : {3, 1, 2}) index_->SetOutcome(index_->FindUid(inbox_, uid)->ino, outcome_);
  EXPECT_THAT(Failed(2), ElementsAre(Field(&FailedMessage::uid, 1), Field(&FailedMessage::uid, 2)));
  EXPECT_EQ(count_, 3U);
  EXPECT_EQ(Failed()[0].folder, inbox_);
}

TEST_F(IndexOutcomesTest, GoWithTheirMessageAndNeverComeBeforeIt) {
  index_->SetOutcome(two_, outcome_);
  index_->SetOutcome(999'999, outcome_);
  index_->SetOutcome(inbox_, outcome_);
  EXPECT_FALSE(index_->GetOutcome(999'999));
  EXPECT_FALSE(index_->GetOutcome(inbox_));
  const std::vector<model::Uid> uids = {2};
  index_->RemoveUids(inbox_, uids, 2);
  EXPECT_FALSE(index_->GetOutcome(two_));
}

TEST_F(IndexOutcomesTest, OutliveAUidValidityChange) {
  index_->SetOutcome(two_, outcome_);
  index_->BeginListing(inbox_, 8);
  EXPECT_EQ(Failed().at(0).uid, 0U) << "not matched yet";
  std::vector<NewMessage> messages = {MakeMessage(2)};
  messages[0].uid = 50;
  index_->AddMessages(inbox_, messages, 2);
  index_->FinishListing(inbox_, {8, 51, 1}, true, 2);
  EXPECT_EQ(Failed().at(0).uid, 50U);
  EXPECT_EQ(Failed().at(0).ino, two_);
}

TEST_F(IndexOutcomesTest, AnIndexFromBeforeThemIsBroughtForward) {
  index_.reset();
  {
    Database old(directory_.path() + "/index.db");
    old.Execute("DROP TRIGGER nodes_outcome; DROP TABLE outcomes; DROP INDEX nodes_link; DROP INDEX nodes_shared");
    old.Execute("ALTER TABLE nodes DROP COLUMN link; ALTER TABLE nodes DROP COLUMN shared_id; PRAGMA user_version = 1");
  }
  index_ = Index::Open(directory_.path());
  EXPECT_EQ(index_->FindUid(inbox_, 2)->ino, two_);
  index_->SetOutcome(two_, outcome_);
  EXPECT_TRUE(index_->GetOutcome(two_));
}

}  // namespace
}  // namespace mailboxfs::store
