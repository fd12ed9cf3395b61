// Messages that stand under several labels.
#include <gmock/gmock.h>

#include "tree_fixture.h"

namespace mailboxfs::tree {
namespace {

using base::ErrorKind;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;

class LinksTest : public TreeTest {
 protected:
  void SetUp() override {
    for (const std::string label : {"Starred", "Work"}) source_->AddFolder(label);
    const FakeMessage message{"hello", big_, "", 1664661906, 99, 4711};
    source_->AddMessage("INBOX", 1, message);
    source_->AddMessage("Starred", 2, message);
    source_->AddMessage("Work", 3, message);
    for (const std::string label : {"INBOX", "Starred", "Work"}) {
      folders_.push_back(Find("sales/" + label));
      List(folders_.back());
    }
    message_ = Find("sales/INBOX/1.eml");
  }
  void Hold() { source_->SetMode(FakeSource::Mode::kHeld); }
  std::shared_ptr<FakeTask> TakeFetch(const std::string& folder) {
    auto task = source_->Take();
    if (!task || !task->body || task->body->folder_id != folder) throw std::runtime_error("no fetch from " + folder);
    return task;
  }
  static base::Error Failure(ErrorKind kind) { return {kind, "the server said so"}; }

  const std::string big_ = std::string(300'000, 'x') + "\r\n";
  std::vector<Ino> folders_;
  Ino message_ = 0;
};

TEST_F(LinksTest, AreOneInodeWhoseBodyIsFetchedOnce) {
  EXPECT_EQ(Find("sales/Starred/2.eml"), message_);
  EXPECT_EQ(Find("sales/Work/3.eml"), message_);
  EXPECT_EQ(tree_->GetAttributes(message_).links, 3U);
  EXPECT_TRUE(notifier_.attributes_changed(message_)) << "there was one name at first";
  EXPECT_EQ(ReadAll(message_), big_);
  EXPECT_EQ(Lookup(folders_[2], "3.eml").answer.Value().size, big_.size());
  EXPECT_TRUE(Lookup(folders_[2], "3.eml").answer.Value().size_exact);
  EXPECT_EQ(ReadAll(message_), big_);
  EXPECT_EQ(source_->fetch_calls, 1);
}

TEST_F(LinksTest, PositionsInADirectoryAreThoseOfItsNames) {
  source_->AddMessage("Work", 4, {"later", "x", "", 1664661906, 1, 5});
  source_->AddMessage("INBOX", 5, {"later", "x", "", 1664661906, 1, 5});
  Advance(seconds(61));
  List(folders_[2]);
  List(folders_[0]);
  const std::vector<DirEntry> all = tree_->ReadDirectory(folders_[0], 0, 10);
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[1].attributes.links, 2U);
  EXPECT_NE(all[1].position, all[1].attributes.ino);
  EXPECT_THAT(tree_->ReadDirectory(folders_[0], all[0].position, 10), testing::SizeIs(1));
  EXPECT_THAT(tree_->ReadDirectory(folders_[0], all[1].position, 10), IsEmpty());
}

TEST_F(LinksTest, ALabelThatIsTakenAwayLeavesTheOthers) {
  source_->RemoveMessage("INBOX", 1);
  Advance(seconds(61));
  EXPECT_THAT(List(folders_[0]), IsEmpty());
  EXPECT_THAT(notifier_.unlinked(), ElementsAre("2022-10-01_hello.1.eml"));
  EXPECT_THAT(notifier_.deleted(), IsEmpty()) << "the kernel would believe that no name is left";
  EXPECT_EQ(tree_->GetAttributes(message_).links, 2U);
  EXPECT_EQ(ReadAll(message_), big_);
  EXPECT_EQ(tree_->GetXattr(message_, "user.mailboxfs.uid"), "2");
}

TEST_F(LinksTest, WhatIsGoneFromOneFolderIsFetchedFromAnother) {
  source_->RemoveMessage("INBOX", 1);
  source_->RemoveMessage("Starred", 2);
  EXPECT_EQ(ReadAll(message_), big_) << "known by its name in INBOX until now";
  EXPECT_THAT(notifier_.unlinked(), ElementsAre("2022-10-01_hello.1.eml", "2022-10-01_hello.2.eml"));
  EXPECT_THAT(ReadNames(folders_[0]), IsEmpty());
  EXPECT_THAT(ReadNames(folders_[1]), IsEmpty());
  EXPECT_THAT(ReadNames(folders_[2]), ElementsAre("2022-10-01_hello.3.eml"));
  EXPECT_EQ(tree_->GetAttributes(message_).links, 1U);
  EXPECT_EQ(source_->fetch_calls, 3);
}

TEST_F(LinksTest, WhatIsGoneFromEverywhereIsGone) {
  for (const auto& [label, uid] : {std::pair("INBOX", 1U), {"Starred", 2U}, {"Work", 3U}}) {
    source_->RemoveMessage(label, uid);
  }
  EXPECT_EQ(Open(message_).answer.Error(), ErrorKind::kGone);
  EXPECT_THROW(tree_->GetAttributes(message_), base::Error);
  EXPECT_THAT(notifier_.deleted(), ElementsAre("2022-10-01_hello.3.eml"));
}

TEST_F(LinksTest, AReaderNoticesNothing) {
  Hold();
  const Asked<Tree::Opened> opening = Open(message_);
  auto task = TakeFetch("INBOX");
  task->sink->Begin(big_.size(), true);
  task->sink->Write(std::string_view(big_).substr(0, 1000));
  const std::shared_ptr<OpenMessage> open = opening.answer.Value().message;
  const Asked<ReadSpan> reading = Read(open, 299'000, 100);
  task->Finish(Failure(ErrorKind::kGone));
  EXPECT_FALSE(reading.answer.given());
  task = TakeFetch("Starred");
  task->sink->Begin(big_.size(), true);
  task->sink->Write(big_);
  task->Finish(std::nullopt);
  EXPECT_EQ(Bytes(reading.answer.Value()), big_.substr(299'000, 100));
  EXPECT_EQ(tree_->GetStatus().downloads, 0U);
}

TEST_F(LinksTest, AReaderWhoLeavesEndsTheDownloadWhereverItIs) {
  Hold();
  const Asked<Tree::Opened> opening = Open(message_);
  TakeFetch("INBOX")->Finish(Failure(ErrorKind::kGone));
  const auto task = TakeFetch("Starred");
  opening.wait->Cancel(base::Error(ErrorKind::kInterrupted, "Ctrl-C"));
  EXPECT_TRUE(task->cancelled);
}

// A folder's failure is no proof of absence.
class LinksFailureTest : public LinksTest, public testing::WithParamInterface<ErrorKind> {};

TEST_P(LinksFailureTest, OnlyWhatIsGoneFromEverywhereIsGone) {
  Hold();
  const Asked<Tree::Opened> opening = Open(message_);
  TakeFetch("INBOX")->Finish(Failure(GetParam()));
  std::shared_ptr<FakeTask> task = source_->Take();
  while (task && !task->body) task = source_->Take();  // The refresh that a stale folder leads to.
  ASSERT_TRUE(task);
  EXPECT_EQ(task->body->folder_id, "Starred");
  task->sink->Begin(5, true);
  task->Finish(Failure(ErrorKind::kGone));
  EXPECT_FALSE(opening.answer.given());
  TakeFetch("Work")->Finish(Failure(ErrorKind::kGone));
  EXPECT_EQ(opening.answer.Error(), GetParam() == ErrorKind::kNotFound ? ErrorKind::kServer : GetParam());
  EXPECT_EQ(tree_->GetAttributes(message_).ino, message_);
}

INSTANTIATE_TEST_SUITE_P(All, LinksFailureTest,
                         testing::Values(ErrorKind::kServer, ErrorKind::kStale, ErrorKind::kNotFound));

TEST_F(LinksTest, AFolderThatIsBeingRenumberedDoesNotKeepTheOthersAway) {
  source_->SetUidValidity("INBOX", 8);
  Advance(seconds(61));
  Hold();
  OpenDirectory(folders_[0]);
  std::shared_ptr<FakeTask> task = source_->Take();
  while (task && !(task->refresh && task->refresh->folder_id == "INBOX")) task = source_->Take();
  ASSERT_TRUE(task);
  task->listing->Begin({8, 3, 2});
  Open(message_);
  EXPECT_EQ(TakeFetch("Starred")->body->uid, 2U);
}

TEST_F(LinksTest, FailuresOfTheMessageItselfAreNotTriedElsewhere) {
  source_->FailWith(Failure(ErrorKind::kUnfetchable));
  EXPECT_EQ(Open(message_).answer.Error(), ErrorKind::kUnfetchable);
  EXPECT_EQ(source_->fetch_calls, 1);
  EXPECT_EQ(tree_->GetStatus().mailboxes.at(0).failed_count, 1U);
}

}  // namespace
}  // namespace mailboxfs::tree
