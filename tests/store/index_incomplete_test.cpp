// Messages of which the server tells nothing at first but their UID.

#include <gmock/gmock.h>

#include "mailboxfs/store/index.h"
#include "test_support.h"

namespace mailboxfs::store {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

NewMessage MakeStub(model::Uid uid) {
  NewMessage stub;
  stub.uid = uid;
  stub.name = base::Format("1970-01-01_no-subject.{}.eml", uid);
  stub.complete = false;
  return stub;
}

class IncompleteTest : public testing::Test {
 protected:
  IncompleteTest() {
    inbox_ = AddInbox(*index_);
    index_->BeginListing(inbox_, 7);
    Add({MakeMessage(1), MakeStub(2), MakeMessage(3), MakeStub(4)});
    index_->FinishListing(inbox_, {7, 5, 4}, true, 100);
  }
  std::vector<Removed> Add(const std::vector<NewMessage>& messages) {
    return index_->AddMessages(inbox_, messages, 200).completed;
  }
  Node Message(model::Uid uid) { return index_->FindUid(inbox_, uid).value(); }

  TempDir directory_;
  std::unique_ptr<Index> index_ = Index::Open(directory_.path());
  Ino inbox_ = 0;
};

TEST_F(IncompleteTest, TheyAreListedAndRemembered) {
  index_.reset();
  index_ = Index::Open(directory_.path());
  EXPECT_THAT(index_->IncompleteUids(inbox_), ElementsAre(2, 4));
  EXPECT_THAT(index_->Uids(inbox_), ElementsAre(1, 2, 3, 4));
  EXPECT_EQ(Message(2).name, "1970-01-01_no-subject.2.eml");
  EXPECT_EQ(index_->GetFolder(inbox_)->messages, 4u);
  EXPECT_THAT(index_->IncompleteUids(12'345), IsEmpty());
}

TEST_F(IncompleteTest, CompletedOneGetsEverythingAndKeepsInodeAndTag) {
  const Node before = Message(2);
  const std::vector<Removed> renamed = Add({MakeMessage(2)});
  ASSERT_EQ(renamed.size(), 1u);
  EXPECT_EQ(renamed[0].ino, before.ino);
  EXPECT_EQ(renamed[0].parent, inbox_);
  EXPECT_EQ(renamed[0].name, before.name);
  const Node after = Message(2);
  EXPECT_EQ(after.ino, before.ino);
  EXPECT_EQ(after.tag, before.tag);
  EXPECT_EQ(after.name, "2022-10-01_hello.2.eml");
  EXPECT_EQ(after.mtime, 1'664'600'002);
  EXPECT_EQ(after.size, 1002u);
  EXPECT_FALSE(after.size_exact);
  EXPECT_EQ(index_->Details(after.ino)->flags, "\\Seen");
  EXPECT_EQ(index_->Details(after.ino)->message_id, "<2@example.org>");
  EXPECT_FALSE(index_->Find(inbox_, before.name).has_value());
  EXPECT_THAT(index_->IncompleteUids(inbox_), ElementsAre(4));
  EXPECT_EQ(index_->GetFolder(inbox_)->messages, 4u);
  EXPECT_EQ(index_->Get(inbox_)->mtime, 200);
  EXPECT_THAT(Add({MakeMessage(2, "other")}), IsEmpty()) << "once";
  EXPECT_EQ(Message(2).name, "2022-10-01_hello.2.eml");
}

TEST_F(IncompleteTest, ExactSizeIsKept) {
  index_->SetExactSize(Message(2).ino, 5555);
  Add({MakeMessage(2)});
  EXPECT_EQ(Message(2).size, 5555u);
  EXPECT_TRUE(Message(2).size_exact);
}

TEST_F(IncompleteTest, NewNameIsMadeUnique) {
  NewMessage two = MakeMessage(2);
  two.name = MakeMessage(1).name;
  Add({two});
  EXPECT_EQ(Message(2).name, "2022-10-01_hello~2.1.eml");
}

TEST_F(IncompleteTest, NameMayStayTheSame) {
  NewMessage two = MakeMessage(2);
  two.name = Message(2).name;
  const std::vector<Removed> changed = Add({two});
  ASSERT_EQ(changed.size(), 1u) << "its date and size are new";
  EXPECT_EQ(changed[0].name, two.name);
  EXPECT_EQ(Message(2).name, two.name);
  EXPECT_EQ(Message(2).mtime, two.internal_date);
}

TEST_F(IncompleteTest, StillIncompleteChangesNothing) {
  NewMessage stub = MakeStub(2);
  stub.flags = "\\Flagged";
  EXPECT_THAT(Add({stub, MakeStub(1)}), IsEmpty());
  EXPECT_EQ(index_->Details(Message(2).ino)->flags, "");
  EXPECT_THAT(index_->IncompleteUids(inbox_), ElementsAre(2, 4)) << "what is complete stays so";
  EXPECT_EQ(Message(1).size, 1001u);
  EXPECT_EQ(index_->Get(inbox_)->mtime, 100);
}

TEST_F(IncompleteTest, RemovedOneIsNoLongerIncomplete) {
  index_->RemoveUids(inbox_, std::vector<model::Uid>{2}, 200);
  index_->RemoveMessage(Message(4).ino, 200);
  EXPECT_THAT(index_->IncompleteUids(inbox_), IsEmpty());
}

TEST_F(IncompleteTest, AfterAUidValidityChangeTheyMatchNothing) {
  const Ino two = Message(2).ino;
  const Ino three = Message(3).ino;
  index_->BeginListing(inbox_, 8);
  EXPECT_THAT(index_->IncompleteUids(inbox_), IsEmpty());
  NewMessage bare;  // As bare as a stub, but that is all there is of it.
  bare.uid = 11;
  bare.name = "bare.11.eml";
  Add({bare, MakeStub(12), WithUid(MakeMessage(3), 13)});
  EXPECT_GT(Message(11).ino, two);
  EXPECT_NE(Message(12).ino, two);
  EXPECT_EQ(Message(13).ino, three);
  EXPECT_EQ(index_->FinishListing(inbox_, {8, 14, 3}, true, 300).size(), 3u) << "1, 2 and 4";
  EXPECT_FALSE(index_->Get(two).has_value());
  EXPECT_THAT(index_->IncompleteUids(inbox_), ElementsAre(12));
  EXPECT_EQ(index_->GetFolder(inbox_)->messages, 3u);
}

TEST_F(IncompleteTest, OneCanBeCompletedInTheListingThatAddedIt) {
  index_->BeginListing(inbox_, 8);
  Add({MakeStub(12)});
  const Ino stub = Message(12).ino;
  EXPECT_EQ(Add({WithUid(MakeMessage(99), 12)}).size(), 1u);
  EXPECT_EQ(Message(12).ino, stub);
  EXPECT_EQ(index_->FinishListing(inbox_, {8, 13, 1}, true, 300).size(), 4u);
}

TEST_F(IncompleteTest, CompletedOneIsMatchedAfterAUidValidityChange) {
  Add({MakeMessage(2)});
  const Node before = Message(2);
  index_->BeginListing(inbox_, 8);
  Add({WithUid(MakeMessage(2), 12)});
  EXPECT_EQ(Message(12).ino, before.ino);
  EXPECT_EQ(Message(12).tag, before.tag);
}

}  // namespace
}  // namespace mailboxfs::store
