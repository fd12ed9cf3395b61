// What a change of UIDVALIDITY does: messages are matched again and keep everything.

#include <gmock/gmock.h>

#include "mailboxfs/store/index.h"
#include "test_support.h"

namespace mailboxfs::store {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class UidValidityTest : public testing::Test {
 protected:
  UidValidityTest() {
    inbox_ = AddInbox(*index_);
    index_->BeginListing(inbox_, 7);
    index_->AddMessages(inbox_, MakeMessages(1, 3), 100);
    index_->FinishListing(inbox_, {7, 4, 3}, true, 100);
    for (model::Uid uid = 1; uid <= 3; ++uid) inodes_.push_back(index_->FindUid(inbox_, uid)->ino);
  }
  void Add(const std::vector<NewMessage>& messages) { index_->AddMessages(inbox_, messages, 200); }
  void Reopen() {
    index_.reset();
    index_ = Index::Open(directory_.path());
  }

  TempDir directory_;
  std::unique_ptr<Index> index_ = Index::Open(directory_.path());
  Ino inbox_ = 0;
  std::vector<Ino> inodes_;  // Of UIDs 1, 2, 3.
};

TEST_F(UidValidityTest, MatchedMessageKeepsInodeTagNameAndExactSize) {
  index_->SetExactSize(inodes_[1], 5555);
  const Node before = *index_->Get(inodes_[1]);
  EXPECT_THAT(index_->BeginListing(inbox_, 8), IsEmpty());
  NewMessage again = WithUid(MakeMessage(2), 1002);
  again.flags = "\\Flagged";
  Add({again});
  const Node after = *index_->FindUid(inbox_, 1002);
  EXPECT_EQ(after.ino, before.ino);
  EXPECT_EQ(after.tag, before.tag);
  EXPECT_EQ(after.name, before.name);
  EXPECT_EQ(after.mtime, before.mtime);
  EXPECT_EQ(after.size, 5555u);
  EXPECT_TRUE(after.size_exact);
  EXPECT_EQ(after.uid, 1002u);
  EXPECT_EQ(index_->Details(after.ino)->flags, "\\Flagged");
  EXPECT_THAT(index_->Uids(inbox_), ElementsAre(1002));
}

TEST_F(UidValidityTest, UntilTheEndOldMessagesAreVisibleButHaveNoUid) {
  index_->BeginListing(inbox_, 8);
  EXPECT_EQ(index_->List(inbox_, 0, 10).size(), 3u);
  EXPECT_FALSE(index_->FindUid(inbox_, 1).has_value());
  EXPECT_EQ(index_->Get(inodes_[0])->uid, 0u);
  EXPECT_EQ(index_->Find(inbox_, "2022-10-01_hello.1.eml")->uid, 0u);
  EXPECT_THAT(index_->Uids(inbox_), IsEmpty());
  const Folder folder = *index_->GetFolder(inbox_);
  EXPECT_EQ(folder.listed.uid_validity, 8u);
  EXPECT_EQ(folder.listed.uid_next, 0u);
  EXPECT_EQ(folder.listed.exists, 0u);
  EXPECT_EQ(folder.listed_at, 100);
  EXPECT_EQ(folder.messages, 3u);
}

TEST_F(UidValidityTest, TheEndRemovesWhatWasNotMatched) {
  index_->BeginListing(inbox_, 8);
  Add({WithUid(MakeMessage(3), 1)});
  const std::vector<Removed> removed = index_->FinishListing(inbox_, {8, 2, 1}, true, 300);
  ASSERT_EQ(removed.size(), 2u);
  EXPECT_EQ(index_->GetFolder(inbox_)->messages, 1u);
  EXPECT_EQ(index_->CountMessages(), 1u);
  EXPECT_EQ(index_->FindUid(inbox_, 1)->ino, inodes_[2]);
  EXPECT_FALSE(index_->Get(inodes_[0]).has_value());
  EXPECT_EQ(index_->Get(inbox_)->mtime, 300);
  EXPECT_THAT(index_->FinishListing(inbox_, {8, 2, 1}, true, 400), IsEmpty());
}

TEST_F(UidValidityTest, IfEverythingMatchesTheDirectoryDoesNotChange) {
  index_->BeginListing(inbox_, 8);
  Add({WithUid(MakeMessage(1), 11), WithUid(MakeMessage(2), 12), WithUid(MakeMessage(3), 13)});
  EXPECT_THAT(index_->FinishListing(inbox_, {8, 14, 3}, true, 300), IsEmpty());
  EXPECT_EQ(index_->Get(inbox_)->mtime, 100);
  EXPECT_EQ(index_->FindUid(inbox_, 11)->ino, inodes_[0]);
  EXPECT_EQ(index_->FindUid(inbox_, 12)->ino, inodes_[1]);
  EXPECT_EQ(index_->FindUid(inbox_, 13)->ino, inodes_[2]);
}

TEST_F(UidValidityTest, EachPropertyMustBeEqual) {
  index_->BeginListing(inbox_, 8);
  std::vector<NewMessage> others(4, WithUid(MakeMessage(1), 0));
  others[0].message_id = "<other@example.org>";
  others[1].internal_date += 1;
  others[2].size_estimate += 1;
  others[3].header += "X: y\r\n";
  for (size_t i = 0; i < others.size(); ++i) {
    others[i].uid = static_cast<model::Uid>(50 + i);
    others[i].name = base::Format("n.{}.eml", others[i].uid);
  }
  Add(others);
  for (model::Uid uid = 50; uid < 54; ++uid) EXPECT_GT(index_->FindUid(inbox_, uid)->ino, inodes_[2]) << uid;
  EXPECT_EQ(index_->FinishListing(inbox_, {8, 60, 4}, true, 300).size(), 3u);
}

TEST_F(UidValidityTest, MatchesByTheEstimateAlthoughTheExactSizeIsShown) {
  index_->SetExactSize(inodes_[0], 1002);
  index_->BeginListing(inbox_, 8);
  NewMessage estimated_as_shown = WithUid(MakeMessage(1), 40);
  estimated_as_shown.size_estimate = 1002;
  Add({estimated_as_shown, WithUid(MakeMessage(1), 41)});
  EXPECT_NE(index_->FindUid(inbox_, 40)->ino, inodes_[0]);
  EXPECT_EQ(index_->FindUid(inbox_, 41)->ino, inodes_[0]);
}

TEST_F(UidValidityTest, EqualMessagesAreMatchedOnceEachInOrderOfUid) {
  // Delivered out of order, so that inode order is not UID order.
  NewMessage copy = MakeMessage(90, "copy");
  std::vector<Ino> by_uid;
  std::vector<NewMessage> copies;
  for (const model::Uid uid : {22u, 20u, 21u}) {
    copy.uid = uid;
    copy.name = base::Format("copy.{}.eml", uid);
    Add({copy});
  }
  for (const model::Uid uid : {20u, 21u, 22u}) by_uid.push_back(index_->FindUid(inbox_, uid)->ino);

  index_->BeginListing(inbox_, 8);
  Add({WithUid(copy, 1), WithUid(copy, 2), WithUid(copy, 3), WithUid(copy, 4)});
  EXPECT_EQ(index_->FindUid(inbox_, 1)->ino, by_uid[0]);
  EXPECT_EQ(index_->FindUid(inbox_, 2)->ino, by_uid[1]);
  EXPECT_EQ(index_->FindUid(inbox_, 3)->ino, by_uid[2]);
  EXPECT_GT(index_->FindUid(inbox_, 4)->ino, by_uid[0]);
  EXPECT_THAT(by_uid, testing::Not(testing::Contains(index_->FindUid(inbox_, 4)->ino)));
}

TEST_F(UidValidityTest, NewUidMayEqualAnOldOneOfAnotherMessage) {
  index_->BeginListing(inbox_, 8);
  Add({WithUid(MakeMessage(3), 1), WithUid(MakeMessage(1), 3)});
  EXPECT_EQ(index_->FindUid(inbox_, 1)->ino, inodes_[2]);
  EXPECT_EQ(index_->FindUid(inbox_, 3)->ino, inodes_[0]);
}

TEST_F(UidValidityTest, InterruptedListingIsContinued) {
  index_->BeginListing(inbox_, 8);
  Add({WithUid(MakeMessage(1), 11)});
  Reopen();
  EXPECT_THAT(index_->BeginListing(inbox_, 8), ElementsAre(11));
  Add({WithUid(MakeMessage(2), 12)});
  EXPECT_EQ(index_->FindUid(inbox_, 12)->ino, inodes_[1]);
  EXPECT_EQ(index_->FinishListing(inbox_, {8, 13, 2}, true, 300).size(), 1u);
}

TEST_F(UidValidityTest, InterruptedFirstListingIsContinued) {
  const Ino mailbox = index_->Get(inbox_)->parent;
  const std::vector<NewFolder> folders = {MakeFolder("INBOX"), MakeFolder("Other")};
  index_->ReplaceFolders(mailbox, folders, 100);
  const Ino other = index_->FindFolder(mailbox, "Other")->ino;
  index_->BeginListing(other, 3);
  index_->AddMessages(other, MakeMessages(1, 2), 100);
  Reopen();
  EXPECT_THAT(index_->BeginListing(other, 3), ElementsAre(1, 2));
  EXPECT_EQ(index_->GetFolder(other)->listed_at, 0);
}

TEST_F(UidValidityTest, SecondChangeBeforeTheEndSetsAllAsideAgain) {
  index_->BeginListing(inbox_, 8);
  Add({WithUid(MakeMessage(1), 11)});
  EXPECT_THAT(index_->BeginListing(inbox_, 9), IsEmpty());
  EXPECT_FALSE(index_->FindUid(inbox_, 11).has_value());
  Add({WithUid(MakeMessage(1), 21), WithUid(MakeMessage(2), 22)});
  EXPECT_EQ(index_->FindUid(inbox_, 21)->ino, inodes_[0]);
  EXPECT_EQ(index_->FindUid(inbox_, 22)->ino, inodes_[1]);
  EXPECT_EQ(index_->FinishListing(inbox_, {9, 23, 2}, true, 300).size(), 1u);
}

TEST_F(UidValidityTest, ReturnOfTheOldValueMakesOldUidsValidAgain) {
  index_->BeginListing(inbox_, 8);
  Add({WithUid(MakeMessage(1), 11)});
  EXPECT_THAT(index_->BeginListing(inbox_, 7), ElementsAre(2, 3));
  Add({MakeMessage(1)});
  EXPECT_EQ(index_->FindUid(inbox_, 1)->ino, inodes_[0]);
  EXPECT_THAT(index_->FinishListing(inbox_, {7, 4, 3}, true, 300), IsEmpty());
}

TEST_F(UidValidityTest, MessageRemovedWhileSetAsideIsNotMatched) {
  index_->BeginListing(inbox_, 8);
  EXPECT_TRUE(index_->RemoveMessage(inodes_[0], 200).has_value());
  Add({WithUid(MakeMessage(1), 11)});
  EXPECT_GT(index_->FindUid(inbox_, 11)->ino, inodes_[2]);
  EXPECT_EQ(index_->GetFolder(inbox_)->messages, 3u);
}

TEST_F(UidValidityTest, OtherFoldersAreNotConcerned) {
  const Ino mailbox = index_->Get(inbox_)->parent;
  const std::vector<NewFolder> folders = {MakeFolder("INBOX"), MakeFolder("Other")};
  index_->ReplaceFolders(mailbox, folders, 100);
  const Ino other = index_->FindFolder(mailbox, "Other")->ino;
  index_->BeginListing(other, 7);
  index_->AddMessages(other, MakeMessages(1, 2), 100);
  index_->BeginListing(inbox_, 8);
  EXPECT_THAT(index_->Uids(other), ElementsAre(1, 2));
  const Ino first_of_other = index_->FindUid(other, 1)->ino;
  Add({WithUid(MakeMessage(1), 11)});
  EXPECT_EQ(index_->FindUid(other, 1)->ino, first_of_other);
}

}  // namespace
}  // namespace mailboxfs::store
