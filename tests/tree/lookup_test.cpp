#include "tree_fixture.h"

namespace mailboxfs::tree {
namespace {

using base::ErrorKind;
using std::chrono::seconds;
using Names = std::vector<std::string>;

using LookupTest = TreeTest;

const base::Error kNoNetwork(ErrorKind::kNetwork, "connecting: no route to host");

TEST_F(LookupTest, TheRootHasExactlyTheConfiguredMailboxesAndAsksNobody) {
  EXPECT_EQ(List(store::kRootIno), Names{"sales"});
  EXPECT_TRUE(Lookup(store::kRootIno, "sales").answer.Value().directory);
  EXPECT_EQ(Lookup(store::kRootIno, "other").answer.Error(), ErrorKind::kNotFound);
  EXPECT_EQ(Lookup(store::kRootIno, "sales/").answer.Error(), ErrorKind::kNotFound);
  EXPECT_TRUE(tree_->GetAttributes(store::kRootIno).directory);
  EXPECT_EQ(tree_->ParentOf(store::kRootIno), store::kRootIno);
  EXPECT_EQ(source_->list_calls + source_->refresh_calls, 0);
}

TEST_F(LookupTest, AMailboxThatIsNoLongerConfiguredIsHidden) {
  const Ino sales = Find("sales");
  const Ino inbox = Find("sales/INBOX");
  Remount("acct/other@example.org");
  const Ino other = Find("sales");
  EXPECT_NE(other, sales);
  EXPECT_EQ(ReadNames(store::kRootIno), Names{"sales"});
  EXPECT_THROW(tree_->GetAttributes(sales), base::Error);
  EXPECT_EQ(OpenDirectory(inbox).answer.Error(), ErrorKind::kNotFound);
  Remount();
  EXPECT_EQ(Find("sales"), sales) << "and comes back as it was";
}

TEST_F(LookupTest, WhatIsKnownIsAnsweredAtOnceHoweverOld) {
  source_->AddMessage("INBOX", 5, {"hello", "body"});
  const Ino inbox = Find("sales/INBOX");
  List(inbox);
  const Ino message = Find("sales/INBOX/2022-10-01_hello.5.eml");
  source_->FailWith(kNoNetwork);
  Advance(std::chrono::hours(1000));
  const int calls = source_->list_calls + source_->refresh_calls;
  const Asked<Attributes> asked = Lookup(inbox, "2022-10-01_hello.5.eml");
  EXPECT_EQ(asked.wait, nullptr);
  EXPECT_EQ(asked.answer.Value().ino, message);
  EXPECT_EQ(source_->list_calls + source_->refresh_calls, calls);
  EXPECT_EQ(tree_->ParentOf(message), inbox);
}

TEST_F(LookupTest, TheUidAloneIsAnUnlistedAlias) {
  source_->AddMessage("INBOX", 5, {"hello", "body"});
  const Ino inbox = Find("sales/INBOX");
  const Attributes by_alias = Lookup(inbox, "5.eml").answer.Value();
  EXPECT_EQ(by_alias.ino, Find("sales/INBOX/2022-10-01_hello.5.eml"));
  EXPECT_TRUE(by_alias.alias);
  EXPECT_FALSE(Lookup(inbox, "2022-10-01_hello.5.eml").answer.Value().alias);
  EXPECT_EQ(Lookup(inbox, "6.eml").answer.Error(), ErrorKind::kNotFound);
  EXPECT_EQ(ReadNames(inbox), Names{"2022-10-01_hello.5.eml"});
}

TEST_F(LookupTest, ImpossibleNamesNeedNoServer) {
  const Ino sales = Find("sales");
  const Ino inbox = Find("sales/INBOX");
  Advance(seconds(1000));
  const int calls = source_->list_calls + source_->refresh_calls;
  for (const char* name : {".git", ".Trash", "-x", "a b.eml", "..", "bad%zz"}) {
    EXPECT_EQ(Lookup(inbox, name).answer.Error(), ErrorKind::kNotFound) << name;
  }
  EXPECT_EQ(Lookup(sales, "1.eml").answer.Error(), ErrorKind::kNotFound) << "a mailbox itself has no messages";
  EXPECT_EQ(source_->list_calls + source_->refresh_calls, calls);
}

TEST_F(LookupTest, AFolderThatMayHoldMessagesByNowIsAskedFor) {
  source_->AddFolder("Work", false);
  const Ino work = Find("sales/Work");
  Remount();
  source_->AddFolder("INBOX");
  source_->AddFolder("Work", true);
  source_->AddMessage("Work", 1, {"hello"});
  EXPECT_EQ(Lookup(work, "1.eml").answer.Value().ino, Find("sales/Work/2022-10-01_hello.1.eml"));
  EXPECT_EQ(Lookup(work, "2.eml").answer.Error(), ErrorKind::kNotFound);
}

TEST_F(LookupTest, AMissingNameIsProvenByAFreshListing) {
  const Ino inbox = Find("sales/INBOX");
  source_->refresh_calls = 0;
  EXPECT_EQ(Lookup(inbox, "1.eml").answer.Error(), ErrorKind::kNotFound);
  EXPECT_EQ(source_->refresh_calls, 1) << "never listed: has to ask";
  EXPECT_EQ(Lookup(inbox, "1.eml").answer.Error(), ErrorKind::kNotFound);
  Advance(seconds(59));
  EXPECT_EQ(Lookup(inbox, "1.eml").answer.Error(), ErrorKind::kNotFound);
  EXPECT_EQ(source_->refresh_calls, 1) << "listed lately: that is proof";
  Advance(seconds(1));
  source_->AddMessage("INBOX", 1, {"new", "body"});
  EXPECT_EQ(Lookup(inbox, "1.eml").answer.Error(), std::nullopt);
  EXPECT_EQ(source_->refresh_calls, 2);
}

TEST_F(LookupTest, AMissingFolderAsksForTheFolderList) {
  const Ino sales = Find("sales");
  const Ino inbox = Find("sales/INBOX");
  EXPECT_EQ(source_->list_calls, 1);
  EXPECT_EQ(Lookup(sales, "Archive").answer.Error(), ErrorKind::kNotFound);
  EXPECT_EQ(Lookup(inbox, "Sub").answer.Error(), ErrorKind::kNotFound);
  EXPECT_EQ(source_->list_calls, 1);
  Advance(seconds(61));
  source_->AddFolder("INBOX/Sub");
  EXPECT_TRUE(Lookup(inbox, "Sub").answer.Value().directory);
  EXPECT_EQ(source_->list_calls, 2);
  EXPECT_EQ(source_->refresh_calls, 0) << "a name without .eml is no message";
}

TEST_F(LookupTest, AFailureIsNeverTakenForAbsence) {
  const Ino sales = Find("sales");
  const Ino inbox = Find("sales/INBOX");
  List(inbox);
  Advance(seconds(61));
  for (const ErrorKind kind : {ErrorKind::kNetwork, ErrorKind::kLoginRefused, ErrorKind::kTimeout}) {
    source_->FailWith(base::Error(kind, "no"));
    EXPECT_EQ(Lookup(inbox, "1.eml").answer.Error(), kind);
    EXPECT_EQ(Lookup(sales, "Archive").answer.Error(), kind);
  }
  for (const ErrorKind kind : {ErrorKind::kNotFound, ErrorKind::kGone}) {
    source_->FailWith(base::Error(kind, "no such mailbox"));
    EXPECT_EQ(Lookup(inbox, "1.eml").answer.Error(), ErrorKind::kServer);
  }
}

TEST_F(LookupTest, AfterAFailedRefreshAYoungListingIsNoProof) {
  const Ino inbox = Find("sales/INBOX");
  List(inbox);
  source_->Hint("INBOX");  // Opened lately: refreshed at once.
  source_->FailWith(kNoNetwork);
  source_->Hint("INBOX");
  EXPECT_EQ(Lookup(inbox, "1.eml").answer.Error(), ErrorKind::kNetwork);
  source_->FailWith(std::nullopt);
  EXPECT_EQ(Lookup(inbox, "1.eml").answer.Error(), ErrorKind::kNotFound);
}

TEST_F(LookupTest, AnEmptyFolderListIsAFaultNotAnEmptyMailbox) {
  const Ino sales = Find("sales");
  const Ino inbox = Find("sales/INBOX");
  source_->RemoveFolder("INBOX");
  Advance(seconds(61));
  EXPECT_EQ(Lookup(sales, "Archive").answer.Error(), ErrorKind::kServer);
  EXPECT_EQ(tree_->GetAttributes(inbox).ino, inbox);
  EXPECT_EQ(List(sales), Names{"INBOX"});
}

TEST_F(LookupTest, AWaiterLeavesWithItsOwnError) {
  const Ino inbox = Find("sales/INBOX");
  source_->SetMode(FakeSource::Mode::kHeld);
  const Asked<Attributes> first = Lookup(inbox, "1.eml");
  const Asked<Attributes> second = Lookup(inbox, "2.eml");
  ASSERT_NE(first.wait, nullptr);
  EXPECT_EQ(source_->held(), 1U) << "one refresh for both";
  first.wait->Cancel(base::Error(ErrorKind::kInterrupted, "^C"));
  EXPECT_EQ(first.answer.Error(), ErrorKind::kInterrupted);
  EXPECT_FALSE(second.answer.given());
  source_->AddMessage("INBOX", 2, {"two", "body"});
  source_->RunHeld();
  EXPECT_EQ(second.answer.Error(), std::nullopt);
  first.wait->Cancel(base::Error(ErrorKind::kTimeout, "again"));
  EXPECT_EQ(first.answer.count(), 1);
}

TEST_F(LookupTest, ProgressIsTheSourcesButNotOlderThanTheWait) {
  const Ino inbox = Find("sales/INBOX");
  source_->SetMode(FakeSource::Mode::kHeld);
  Advance(seconds(500));
  const Asked<Attributes> asked = Lookup(inbox, "1.eml");
  const base::MonoTime began = clock_.Now();
  EXPECT_EQ(asked.wait->LastProgress(), began);
  Advance(seconds(5));
  EXPECT_EQ(asked.wait->LastProgress(), began);
  source_->SetProgress(clock_.Now());
  EXPECT_EQ(asked.wait->LastProgress(), clock_.Now());
}

TEST_F(LookupTest, XattrsTellWhatIsKnownOfAMessage) {
  source_->AddMessage("INBOX", 5, {"hello", "body", "\\Seen", 1664661906, 99});
  source_->AddMessage("INBOX", 6, {"", "body"});
  const Ino inbox = Find("sales/INBOX");
  List(inbox);
  const Ino message = Find("sales/INBOX/5.eml");
  EXPECT_EQ(tree_->GetXattr(message, "user.mailboxfs.uid"), "5");
  EXPECT_EQ(tree_->GetXattr(message, "user.mailboxfs.flags"), "\\Seen");
  EXPECT_EQ(tree_->GetXattr(message, "user.mailboxfs.message_id"), "<hello.x@example.org>");
  EXPECT_EQ(tree_->GetXattr(message, "user.mailboxfs.size_exact"), "0");
  EXPECT_EQ(tree_->GetXattr(message, "user.mailboxfs.cached"), "0");
  EXPECT_EQ(tree_->GetXattr(message, "user.mailboxfs.other"), std::nullopt);
  EXPECT_EQ(tree_->GetXattr(message, "user.other"), std::nullopt);
  ReadAll(message);
  EXPECT_EQ(tree_->GetXattr(message, "user.mailboxfs.size_exact"), "1");
  EXPECT_EQ(tree_->GetXattr(message, "user.mailboxfs.cached"), "1");
  EXPECT_EQ(tree_->GetXattr(inbox, "user.mailboxfs.uid"), std::nullopt);
  EXPECT_EQ(tree_->GetXattr(store::kRootIno, "user.mailboxfs.uid"), std::nullopt);
  EXPECT_THROW(tree_->GetXattr(999'999, "user.mailboxfs.uid"), base::Error);
}

}  // namespace
}  // namespace mailboxfs::tree
