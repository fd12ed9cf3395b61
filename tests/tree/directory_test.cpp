#include "tree_fixture.h"

namespace mailboxfs::tree {
namespace {

using base::ErrorKind;
using std::chrono::milliseconds;
using std::chrono::seconds;
using Names = std::vector<std::string>;

const base::Error kOffline(ErrorKind::kNetwork, "connecting: no route to host");

class DirectoryTest : public TreeTest {
 protected:
  // INBOX listed with one message, then made old, the source holding its tasks.
  Ino MakeOldInbox() {
    source_->AddMessage("INBOX", 1, {"one", "body"});
    const Ino inbox = Find("sales/INBOX");
    List(inbox);
    Advance(seconds(61));
    List(Find("sales"));  // The folder list is fresh.
    source_->AddMessage("INBOX", 2, {"two", "body"});
    source_->SetMode(FakeSource::Mode::kHeld);
    source_->refresh_calls = 0;
    return inbox;
  }
  const Names old_names_{"2022-10-01_one.1.eml"};
  const Names new_names_{"2022-10-01_one.1.eml", "2022-10-01_two.2.eml"};
};

TEST_F(DirectoryTest, NeverListedWaitsHoweverLong) {
  source_->AddMessage("INBOX", 1, {"one", "body"});
  const Ino inbox = Find("sales/INBOX");
  source_->SetMode(FakeSource::Mode::kHeld);
  const Asked<Attributes> asked = OpenDirectory(inbox);
  EXPECT_THROW(tree_->ReadDirectory(inbox, 0, 10), base::Error);
  Advance(seconds(1000));
  EXPECT_FALSE(asked.answer.given());
  source_->RunHeld();
  EXPECT_EQ(asked.answer.Value().ino, inbox);
  EXPECT_EQ(ReadNames(inbox), old_names_);
}

TEST_F(DirectoryTest, NeverListedAndFailingIsAnErrorNeverEmpty) {
  const Ino sales = Find("sales");
  source_->FailWith(kOffline);
  EXPECT_EQ(OpenDirectory(sales).answer.Error(), ErrorKind::kNetwork);
  EXPECT_THROW(tree_->ReadDirectory(sales, 0, 10), base::Error);
  source_->FailWith(std::nullopt);
  const Ino inbox = Find("sales/INBOX");
  source_->FailWith(base::Error(ErrorKind::kNotFound, "no such mailbox"));
  EXPECT_EQ(OpenDirectory(inbox).answer.Error(), ErrorKind::kServer);
  try {
    tree_->ReadDirectory(inbox, 0, 10);
    ADD_FAILURE() << "an empty listing was made up";
  } catch (const base::Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kNotListed);
  }
}

TEST_F(DirectoryTest, AListingThatBrokeOffIsNotComplete) {
  for (model::Uid uid = 1; uid <= 5; ++uid) source_->AddMessage("INBOX", uid, {"m", "body"});
  const Ino inbox = Find("sales/INBOX");
  source_->SetMode(FakeSource::Mode::kHeld);
  const Asked<Attributes> asked = OpenDirectory(inbox);
  const auto task = source_->Take();
  task->listing->Begin({7, 6, 5});
  task->listing->Added(std::vector<model::MessageInfo>{{1, "", 1664661906, 4, "Subject: m\r\n"}});
  task->Finish(kOffline);
  EXPECT_EQ(asked.answer.Error(), ErrorKind::kNetwork);
  EXPECT_THROW(tree_->ReadDirectory(inbox, 0, 10), base::Error);
  source_->SetMode(FakeSource::Mode::kInline);
  EXPECT_EQ(List(inbox).size(), 5U);
}

TEST_F(DirectoryTest, AFreshListingIsShownAtOnce) {
  const Ino inbox = Find("sales/INBOX");
  List(inbox);
  Advance(seconds(59));
  source_->FailWith(kOffline);
  const int calls = source_->refresh_calls;
  EXPECT_EQ(OpenDirectory(inbox).wait, nullptr);
  EXPECT_EQ(source_->refresh_calls, calls);
}

// What was made at the server while it was answering is not in the answer.
TEST_F(DirectoryTest, AListOfFoldersIsAsOldAsTheQuestion) {
  const Ino sales = Find("sales");
  source_->SetMode(FakeSource::Mode::kHeld);
  const Asked<Attributes> first = OpenDirectory(sales);
  const auto task = source_->Take();
  ASSERT_NE(task, nullptr);
  Advance(seconds(60));
  source_->Run(task);
  EXPECT_EQ(first.answer.Error(), std::nullopt);
  source_->AddFolder("New");
  const Asked<Attributes> second = Lookup(sales, "New");
  EXPECT_FALSE(second.answer.given());
  source_->RunHeld();
  EXPECT_TRUE(second.answer.Value().directory);
}

TEST_F(DirectoryTest, AnOldListingWaitsForItsRefresh) {
  const Ino inbox = MakeOldInbox();
  const Asked<Attributes> asked = OpenDirectory(inbox);
  EXPECT_FALSE(asked.answer.given());
  source_->RunHeld();
  EXPECT_EQ(asked.answer.Value().ino, inbox);
  EXPECT_EQ(ReadNames(inbox), new_names_);
  EXPECT_TRUE(notifier_.attributes_changed(inbox));
}

TEST_F(DirectoryTest, AnOldListingIsShownAfterTheGraceAndTheRefreshGoesOn) {
  const Ino inbox = MakeOldInbox();
  const Asked<Attributes> asked = OpenDirectory(inbox);
  Advance(milliseconds(2999));
  EXPECT_FALSE(asked.answer.given());
  Advance(milliseconds(1));
  EXPECT_EQ(asked.answer.Value().ino, inbox);
  EXPECT_EQ(ReadNames(inbox), old_names_);
  EXPECT_EQ(source_->held(), 1U) << "still being refreshed";
  source_->RunHeld();
  EXPECT_EQ(ReadNames(inbox), new_names_);
}

TEST_F(DirectoryTest, ARefreshPastItsGraceSurvivesLeavers) {
  const Ino inbox = MakeOldInbox();
  const Asked<Attributes> first = OpenDirectory(inbox);
  Advance(seconds(3));
  first.answer.Value();
  const Asked<Attributes> second = OpenDirectory(inbox);
  second.wait->Cancel(base::Error(ErrorKind::kInterrupted, "^C"));
  EXPECT_EQ(source_->held(), 1U);
  EXPECT_EQ(source_->refresh_calls, 1);
}

TEST_F(DirectoryTest, AnOldListingIsShownAtOnceIfTheRefreshFails) {
  const Ino inbox = MakeOldInbox();
  source_->SetMode(FakeSource::Mode::kInline);
  source_->FailWith(kOffline);
  const Asked<Attributes> asked = OpenDirectory(inbox);
  EXPECT_EQ(asked.wait, nullptr);
  EXPECT_EQ(asked.answer.Value().ino, inbox);
  EXPECT_EQ(ReadNames(inbox), old_names_);
  EXPECT_EQ(OpenDirectory(Find("sales")).answer.Error(), std::nullopt);
}

TEST_F(DirectoryTest, LeavingDuringTheGraceGivesTheLeaversError) {
  const Ino inbox = MakeOldInbox();
  const Asked<Attributes> asked = OpenDirectory(inbox);
  asked.wait->Cancel(base::Error(ErrorKind::kTimeout, "deadline"));
  EXPECT_EQ(asked.answer.Error(), ErrorKind::kTimeout);
  EXPECT_EQ(source_->held(), 0U) << "the last one out cancels";
}

TEST_F(DirectoryTest, OneRefreshServesAllAndTheLastOneOutCancels) {
  const Ino inbox = Find("sales/INBOX");
  source_->SetMode(FakeSource::Mode::kHeld);
  source_->refresh_calls = 0;
  const Asked<Attributes> first = OpenDirectory(inbox);
  const Asked<Attributes> second = OpenDirectory(inbox);
  EXPECT_EQ(source_->refresh_calls, 1);
  first.wait->Cancel(base::Error(ErrorKind::kInterrupted, "^C"));
  EXPECT_EQ(source_->held(), 1U);
  EXPECT_FALSE(second.answer.given());
  second.wait->Cancel(base::Error(ErrorKind::kInterrupted, "^C"));
  EXPECT_EQ(source_->held(), 0U);
}

TEST_F(DirectoryTest, WhoeverComesWhileARefreshIsBeingCancelledGetsTheNext) {
  const Ino inbox = Find("sales/INBOX");
  source_->SetMode(FakeSource::Mode::kHeld);
  const Asked<Attributes> first = OpenDirectory(inbox);
  const auto running = source_->Take();
  first.wait->Cancel(base::Error(ErrorKind::kInterrupted, "^C"));
  EXPECT_TRUE(running->cancelled);
  const Asked<Attributes> second = OpenDirectory(inbox);
  EXPECT_EQ(source_->held(), 0U) << "never two at a time";
  running->Finish(base::Error(ErrorKind::kCancelled, "cancelled"));
  EXPECT_EQ(source_->held(), 1U);
  EXPECT_FALSE(second.answer.given());
  source_->RunHeld();
  EXPECT_EQ(second.answer.Value().ino, inbox);
}

TEST_F(DirectoryTest, SomebodyWhoWaitsMakesABackgroundRefreshUrgent) {
  const Ino inbox = MakeOldInbox();
  source_->SetMode(FakeSource::Mode::kInline);
  List(inbox);
  source_->SetMode(FakeSource::Mode::kHeld);
  source_->Hint("INBOX");
  const auto task = source_->Take();
  EXPECT_EQ(task->priority, model::Priority::kRefresh);
  const Asked<Attributes> asked = OpenDirectory(inbox);
  EXPECT_EQ(task->priority, model::Priority::kWaiting);
  source_->Run(task);
  EXPECT_EQ(asked.answer.Value().ino, inbox);
}

TEST_F(DirectoryTest, AHintRefreshesWhatWasOpenedLately) {
  const Ino inbox = Find("sales/INBOX");
  source_->refresh_calls = 0;
  source_->Hint("INBOX");
  EXPECT_EQ(source_->refresh_calls, 0) << "nobody looked inside";
  List(inbox);
  EXPECT_EQ(source_->refresh_calls, 1);
  source_->AddMessage("INBOX", 1, {"one", "body"});
  source_->Hint("INBOX");
  EXPECT_EQ(source_->refresh_calls, 2);
  EXPECT_EQ(ReadNames(inbox), old_names_) << "without being opened again";
  Advance(std::chrono::minutes(6));
  source_->Hint("INBOX");
  source_->Hint("unknown");
  EXPECT_EQ(source_->refresh_calls, 2) << "nobody has looked for a while";
}

TEST_F(DirectoryTest, AHintMakesAYoungListingStale) {
  const Ino inbox = Find("sales/INBOX");
  List(inbox);
  source_->SetMode(FakeSource::Mode::kHeld);
  source_->Hint("INBOX");
  const auto running = source_->Take();
  source_->Hint("INBOX");  // While it runs: once more, afterwards.
  EXPECT_EQ(source_->held(), 0U);
  source_->Run(running);
  EXPECT_EQ(source_->held(), 1U);
}

TEST_F(DirectoryTest, AFullComparisonIsAskedForEveryScanInterval) {
  const Ino inbox = Find("sales/INBOX");
  List(inbox);
  EXPECT_TRUE(source_->last_refresh().full);
  EXPECT_EQ(source_->last_refresh().last.uid_validity, 0U);
  source_->AddMessage("INBOX", 3, {"three", "body"});
  Advance(seconds(61));
  List(inbox);
  EXPECT_FALSE(source_->last_refresh().full);
  EXPECT_EQ(source_->last_refresh().last.uid_validity, 7U);
  source_->SetFlags("INBOX", 3, "\\Seen");
  Advance(std::chrono::minutes(10));
  List(inbox);
  EXPECT_TRUE(source_->last_refresh().full);
  EXPECT_EQ(source_->last_refresh().last.uid_next, 4U);
  EXPECT_EQ(tree_->GetXattr(Find("sales/INBOX/3.eml"), "user.mailboxfs.flags"), "\\Seen");
  Advance(seconds(61));
  List(inbox);
  EXPECT_FALSE(source_->last_refresh().full) << "the comparison was noted";
}

TEST_F(DirectoryTest, TheKernelIsToldOfWhatHasGone) {
  source_->AddMessage("INBOX", 1, {"one", "body"});
  source_->AddMessage("INBOX", 2, {"two", "body"});
  source_->AddFolder("Old");
  const Ino inbox = Find("sales/INBOX");
  List(inbox);
  source_->RemoveMessage("INBOX", 1);
  source_->RemoveFolder("Old");
  Advance(seconds(61));
  EXPECT_EQ(List(inbox), Names{"2022-10-01_two.2.eml"});
  EXPECT_EQ(List(Find("sales")), Names{"INBOX"});
  EXPECT_EQ(notifier_.deleted(), (Names{"Old", "2022-10-01_one.1.eml"}));
}

TEST_F(DirectoryTest, AFolderShowsSubfoldersAndMessagesInInodeOrder) {
  source_->AddFolder("INBOX/Sub");
  source_->AddMessage("INBOX", 1, {"one", "body"});
  const Ino inbox = Find("sales/INBOX");
  EXPECT_EQ(List(inbox), (Names{"2022-10-01_one.1.eml", "Sub"}));
  EXPECT_EQ(tree_->ParentOf(Find("sales/INBOX/Sub")), inbox);
}

TEST_F(DirectoryTest, AFolderThatCannotBeSelectedShowsItsSubfolders) {
  source_->AddFolder("Projects/2024");
  const Ino projects = Find("sales/Projects");
  EXPECT_EQ(List(projects), Names{"2024"});
  EXPECT_EQ(source_->refresh_calls, 0);
  EXPECT_EQ(Lookup(projects, "1.eml").answer.Error(), ErrorKind::kNotFound);
}

TEST_F(DirectoryTest, AFolderThatIsGoneMakesTheFolderListBeReadAgain) {
  source_->AddFolder("Old");
  const Ino old = Find("sales/Old");
  List(old);
  source_->RemoveFolder("Old");
  Advance(seconds(61));
  OpenDirectory(Find("sales"));
  source_->AddFolder("Old");
  OpenDirectory(old);
  source_->RemoveFolder("Old");
  EXPECT_NE(Lookup(old, "9.eml").answer.Error(), std::nullopt);
  EXPECT_EQ(ReadNames(Find("sales")), Names{"INBOX"});
}

// ESTALE, so that the kernel looks the name up again, which may have been given to another folder.
TEST_F(DirectoryTest, AFolderThatWasRemovedBeforeOrWhileItIsOpenedIsStale) {
  source_->AddFolder("Old");
  const Ino sales = Find("sales");
  const Ino old = Find("sales/Old");
  source_->SetMode(FakeSource::Mode::kHeld);
  const Asked<Attributes> asked = OpenDirectory(old);
  source_->RemoveFolder("Old");
  Advance(seconds(61));
  const Asked<Attributes> listing = OpenDirectory(sales);
  std::vector<std::shared_ptr<FakeTask>> refreshes;
  while (const std::shared_ptr<FakeTask> task = source_->Take()) {
    if (task->refresh) {
      refreshes.push_back(task);
    } else {
      source_->Run(task);
    }
  }
  EXPECT_EQ(listing.answer.Error(), std::nullopt);
  for (const auto& task : refreshes) source_->Run(task);
  EXPECT_EQ(asked.answer.Error(), ErrorKind::kStale);
  EXPECT_EQ(OpenDirectory(old).answer.Error(), ErrorKind::kStale);
}

TEST_F(DirectoryTest, OpeningAFolderLooksForNewFoldersMeanwhile) {
  const Ino inbox = MakeOldInbox();
  source_->SetMode(FakeSource::Mode::kInline);
  Advance(seconds(61));
  source_->AddFolder("INBOX/New");
  List(inbox);
  EXPECT_EQ(ReadNames(inbox).back(), "New");
}

TEST_F(DirectoryTest, AFailingIndexIsAnErrorNotAnEmptyListing) {
  const Ino inbox = Find("sales/INBOX");
  source_->SetMode(FakeSource::Mode::kHeld);
  const Asked<Attributes> asked = OpenDirectory(inbox);
  const auto task = source_->Take();
  task->Finish(std::nullopt);  // Success, though the folder was never opened.
  EXPECT_EQ(asked.answer.Error(), ErrorKind::kInternal);
  EXPECT_THROW(tree_->ReadDirectory(inbox, 0, 10), base::Error);
}

TEST_F(DirectoryTest, ShutdownAnswersEveryWait) {
  const Ino inbox = MakeOldInbox();
  const Asked<Attributes> opened = OpenDirectory(inbox);
  const Asked<Attributes> looked = Lookup(inbox, "77.eml");
  tree_->Shutdown();
  EXPECT_EQ(opened.answer.Error(), ErrorKind::kCancelled);
  EXPECT_EQ(looked.answer.Error(), ErrorKind::kCancelled);
  EXPECT_EQ(Lookup(inbox, "78.eml").answer.Error(), ErrorKind::kCancelled);
  EXPECT_EQ(source_->shutdowns, 1);
  tree_->Shutdown();
  EXPECT_EQ(source_->shutdowns, 1);
}

TEST_F(DirectoryTest, TheTreeIsTheSameAfterARemount) {
  source_->AddMessage("INBOX", 1, {"one", "body"});
  const Ino inbox = Find("sales/INBOX");
  List(inbox);
  const Ino message = Find("sales/INBOX/1.eml");
  Remount();
  source_->FailWith(kOffline);
  EXPECT_EQ(Find("sales/INBOX/2022-10-01_one.1.eml"), message);
  EXPECT_EQ(List(inbox), old_names_);
  EXPECT_EQ(source_->refresh_calls, 1) << "a new mount asks anew, and shows what it knows if that fails";
}

}  // namespace
}  // namespace mailboxfs::tree
