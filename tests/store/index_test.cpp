#include "mailboxfs/store/index.h"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include <limits>

#include "test_support.h"

namespace mailboxfs::store {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

std::vector<std::string> Names(const std::vector<Node>& nodes) {
  std::vector<std::string> names;
  for (const Node& node : nodes) names.push_back(node.name);
  return names;
}

std::vector<std::string> Names(const std::vector<Removed>& removed) {
  std::vector<std::string> names;
  for (const Removed& entry : removed) names.push_back(entry.name);
  return names;
}

class IndexTest : public testing::Test {
 protected:
  void Reopen() {
    index_.reset();
    index_ = Index::Open(directory_.path());
  }
  std::vector<std::string> NamesIn(Ino parent) { return Names(index_->List(parent, 0, 1000)); }

  TempDir directory_;
  std::unique_ptr<Index> index_ = Index::Open(directory_.path());
};

TEST_F(IndexTest, MailboxKeepsItsInodeOverReopeningAndRenaming) {
  const Ino ino = index_->EnsureMailbox("contoso/a@example.org", "a", 100);
  EXPECT_GT(ino, kReservedInos);
  EXPECT_EQ(index_->EnsureMailbox("contoso/a@example.org", "a", 200), ino);
  const std::string id = index_->id();
  Reopen();
  EXPECT_EQ(index_->id(), id);
  EXPECT_EQ(index_->EnsureMailbox("contoso/a@example.org", "sales", 300), ino);
  EXPECT_EQ(index_->Find(kRootIno, "sales")->ino, ino);
  EXPECT_FALSE(index_->Find(kRootIno, "a").has_value());
  EXPECT_EQ(index_->GetMailbox(ino)->name, "sales");
  EXPECT_EQ(index_->GetMailbox(ino)->key, "contoso/a@example.org");
  EXPECT_EQ(index_->Get(ino)->kind, NodeKind::kMailbox);
  EXPECT_EQ(index_->Get(ino)->parent, kRootIno);
}

TEST_F(IndexTest, MailboxesMaySwapTheirNames) {
  const Ino a = index_->EnsureMailbox("x/a", "first", 100);
  const Ino b = index_->EnsureMailbox("x/b", "second", 100);
  EXPECT_EQ(index_->EnsureMailbox("x/a", "second", 100), a);
  EXPECT_EQ(index_->EnsureMailbox("x/b", "first", 100), b);
  EXPECT_EQ(index_->Find(kRootIno, "second")->ino, a);
  EXPECT_EQ(index_->Find(kRootIno, "first")->ino, b);
}

TEST_F(IndexTest, IdsOfTwoIndexesDiffer) {
  const TempDir other;
  EXPECT_NE(Index::Open(other.path())->id(), index_->id());
  EXPECT_GE(index_->id().size(), 16u);
}

TEST_F(IndexTest, FoldersFormATreeAndKeepInodesAndNames) {
  const Ino mailbox = index_->EnsureMailbox("x/a", "a", 100);
  std::vector<NewFolder> folders = {MakeFolder("INBOX"), MakeFolder("Work"), MakeFolder("Work/2022", "Work")};
  EXPECT_THAT(index_->ReplaceFolders(mailbox, folders, 150), IsEmpty());
  const Ino work = index_->FindFolder(mailbox, "Work")->ino;
  const Ino nested = index_->FindFolder(mailbox, "Work/2022")->ino;
  EXPECT_EQ(index_->Get(nested)->parent, work);
  EXPECT_EQ(index_->Get(mailbox)->mtime, 100) << "nobody can have read it before";
  EXPECT_EQ(index_->GetMailbox(mailbox)->listed_at, 150);
  EXPECT_EQ(index_->GetFolder(nested)->mailbox, mailbox);
  EXPECT_EQ(index_->GetFolder(nested)->listed_at, 0);

  for (NewFolder& folder : folders) folder.name = "renamed";
  folders[1].selectable = false;
  EXPECT_THAT(index_->ReplaceFolders(mailbox, folders, 200), IsEmpty());
  Reopen();
  EXPECT_EQ(index_->FindFolder(mailbox, "Work")->ino, work);
  EXPECT_FALSE(index_->GetFolder(work)->selectable);
  EXPECT_EQ(index_->Get(work)->name, "Work");
  EXPECT_EQ(index_->Get(mailbox)->mtime, 100) << "nothing came or went";
  EXPECT_EQ(index_->GetMailbox(mailbox)->listed_at, 200);
  EXPECT_EQ(index_->Folders(mailbox).size(), 3u);
  folders.push_back(MakeFolder("New"));
  index_->ReplaceFolders(mailbox, folders, 300);
  EXPECT_EQ(index_->Get(mailbox)->mtime, 300);
}

TEST_F(IndexTest, VanishedFoldersGoWithTheirMessages) {
  const Ino mailbox = index_->EnsureMailbox("x/a", "a", 100);
  const std::vector<NewFolder> before = {MakeFolder("INBOX"), MakeFolder("Work"), MakeFolder("Work/2022", "Work")};
  index_->ReplaceFolders(mailbox, before, 100);
  const Ino nested = index_->FindFolder(mailbox, "Work/2022")->ino;
  index_->BeginListing(nested, 7);
  index_->AddMessages(nested, MakeMessages(1, 3), 100);
  const Ino message = index_->FindUid(nested, 2)->ino;
  EXPECT_EQ(index_->CountMessages(), 3u);

  const std::vector<NewFolder> after = {MakeFolder("INBOX")};
  EXPECT_THAT(Names(index_->ReplaceFolders(mailbox, after, 200)), UnorderedElementsAre("Work", "2022"));
  EXPECT_FALSE(index_->Get(message).has_value());
  EXPECT_FALSE(index_->Get(nested).has_value());
  EXPECT_FALSE(index_->GetFolder(nested).has_value());
  EXPECT_EQ(index_->CountMessages(), 0u);
  EXPECT_EQ(index_->Get(mailbox)->mtime, 200);
  EXPECT_EQ(ErrorOf([&] { index_->AddMessages(nested, MakeMessages(4, 4), 200); }).kind(), base::ErrorKind::kGone);

  // An inode is never used twice.
  index_->ReplaceFolders(mailbox, before, 300);
  EXPECT_GT(index_->FindFolder(mailbox, "Work")->ino, message);
}

TEST_F(IndexTest, AnUnlistedFolderStaysAsItIsAndSoDoWhatIsAboveAndBelowIt) {
  const Ino mailbox = index_->EnsureMailbox("x/a", "a", 100);
  NewFolder top = MakeFolder("Work");
  top.selectable = false;
  const std::vector<NewFolder> before = {MakeFolder("INBOX"), top, MakeFolder("Work/2022", "Work"),
                                         MakeFolder("Work/2022/May", "Work/2022")};
  index_->ReplaceFolders(mailbox, before, 100);
  const Ino nested = index_->FindFolder(mailbox, "Work/2022")->ino;
  index_->BeginListing(nested, 7);
  index_->AddMessages(nested, MakeMessages(1, 3), 100);

  NewFolder unlisted;
  unlisted.id = "Work/2022";
  unlisted.unlisted = true;
  EXPECT_THAT(Names(index_->ReplaceFolders(mailbox, std::vector{MakeFolder("INBOX"), unlisted}, 200)),
              UnorderedElementsAre("May"));
  EXPECT_EQ(index_->FindFolder(mailbox, "Work/2022")->ino, nested);
  EXPECT_EQ(index_->FindFolder(mailbox, "Work/2022")->messages, 3u);
  EXPECT_EQ(index_->Get(index_->Get(nested)->parent)->name, "Work");
  const std::vector<NewFolder> child = {MakeFolder("INBOX"), unlisted, MakeFolder("Work/2022/May", "Work/2022")};
  EXPECT_THAT(index_->ReplaceFolders(mailbox, child, 300), IsEmpty());
  EXPECT_EQ(index_->Get(index_->FindFolder(mailbox, "Work/2022/May")->ino)->parent, nested);
  EXPECT_TRUE(index_->GetFolder(nested)->selectable);
}

TEST_F(IndexTest, FolderWhoseParentAppearsMovesAndKeepsItsInode) {
  const Ino mailbox = index_->EnsureMailbox("x/a", "a", 100);
  const std::vector<NewFolder> before = {{"Work/2022", "", "Work.2022", true}};
  index_->ReplaceFolders(mailbox, before, 100);
  const Ino nested = index_->FindFolder(mailbox, "Work/2022")->ino;
  const std::vector<NewFolder> after = {MakeFolder("Work"), MakeFolder("Work/2022", "Work")};
  const std::vector<Removed> removed = index_->ReplaceFolders(mailbox, after, 200);
  ASSERT_EQ(removed.size(), 1u);
  EXPECT_EQ(removed[0].parent, mailbox);
  EXPECT_EQ(removed[0].name, "Work.2022");
  EXPECT_EQ(index_->Find(index_->FindFolder(mailbox, "Work")->ino, "2022")->ino, nested);
}

TEST_F(IndexTest, FolderThatCanNoLongerBeSelectedLosesItsMessages) {
  const Ino mailbox = index_->EnsureMailbox("x/a", "a", 100);
  const std::vector<NewFolder> before = {MakeFolder("Work"), MakeFolder("Work/2022", "Work")};
  index_->ReplaceFolders(mailbox, before, 100);
  const Ino work = index_->FindFolder(mailbox, "Work")->ino;
  index_->BeginListing(work, 7);
  index_->AddMessages(work, MakeMessages(1, 2), 100);
  index_->FinishListing(work, {7, 3, 2}, true, 100);
  const std::vector<NewFolder> after = {MakeFolder("Work", "", false), MakeFolder("Work/2022", "Work")};
  EXPECT_EQ(index_->ReplaceFolders(mailbox, after, 200).size(), 2u);
  EXPECT_THAT(NamesIn(work), ElementsAre("2022"));
  EXPECT_EQ(index_->GetFolder(work)->listed_at, 0);
  EXPECT_EQ(index_->GetFolder(work)->listed.uid_validity, 0u);
}

TEST_F(IndexTest, ChildBeforeItsParentIsRefusedAndChangesNothing) {
  const Ino mailbox = index_->EnsureMailbox("x/a", "a", 100);
  const std::vector<NewFolder> folders = {MakeFolder("INBOX"), MakeFolder("Work/2022", "Work"), MakeFolder("Work")};
  EXPECT_EQ(ErrorOf([&] { index_->ReplaceFolders(mailbox, folders, 200); }).kind(), base::ErrorKind::kInternal);
  EXPECT_THAT(index_->Folders(mailbox), IsEmpty());
  EXPECT_EQ(index_->GetMailbox(mailbox)->listed_at, 0);
}

TEST_F(IndexTest, MessageShowsWhatWasAdded) {
  const Ino inbox = AddInbox(*index_);
  EXPECT_THAT(index_->BeginListing(inbox, 7), IsEmpty());
  index_->AddMessages(inbox, MakeMessages(5, 5), 500);
  const Node node = *index_->FindUid(inbox, 5);
  EXPECT_EQ(node.name, "2022-10-01_hello.5.eml");
  EXPECT_EQ(node.kind, NodeKind::kMessage);
  EXPECT_EQ(node.parent, inbox);
  EXPECT_EQ(node.mtime, 1'664'600'005);
  EXPECT_EQ(node.size, 1005u);
  EXPECT_FALSE(node.size_exact);
  EXPECT_EQ(node.uid, 5u);
  EXPECT_EQ(index_->Find(inbox, node.name)->ino, node.ino);
  EXPECT_EQ(index_->Get(node.ino)->name, node.name);
  EXPECT_EQ(index_->Details(node.ino)->flags, "\\Seen");
  EXPECT_EQ(index_->Details(node.ino)->message_id, "<5@example.org>");
  const int64_t before = index_->Get(inbox)->mtime;
  EXPECT_LT(before, 500) << "nobody can have read the folder before its first listing is complete";
  index_->FinishListing(inbox, {7, 6, 1}, true, 500);
  index_->AddMessages(inbox, MakeMessages(7, 7), 600);
  EXPECT_EQ(index_->Get(inbox)->mtime, 600);
  index_->RemoveUids(inbox, std::vector<model::Uid>{7}, 600);
  EXPECT_EQ(index_->GetFolder(inbox)->messages, 1u);
  EXPECT_FALSE(index_->Details(inbox).has_value());
  EXPECT_FALSE(index_->FindUid(inbox, 6).has_value());
  EXPECT_FALSE(index_->Find(inbox, "nothing").has_value());
}

TEST_F(IndexTest, HostileStringsComeBackUnchanged) {
  const Ino inbox = AddInbox(*index_);
  index_->BeginListing(inbox, 7);
  NewMessage message = MakeMessage(1);
  message.message_id = std::string("<\0'\"; DROP TABLE nodes; --\xff>", 29);
  message.flags = "";
  message.internal_date = -1;
  message.size_estimate = 0;
  const std::vector<NewMessage> messages = {message};
  index_->AddMessages(inbox, messages, 100);
  const Node node = *index_->FindUid(inbox, 1);
  EXPECT_EQ(index_->Details(node.ino)->message_id, message.message_id);
  EXPECT_EQ(index_->Details(node.ino)->flags, "");
  EXPECT_EQ(node.mtime, -1);
}

TEST_F(IndexTest, ListGivesEachEntryOnceInInodeOrder) {
  const Ino inbox = AddInbox(*index_);
  index_->BeginListing(inbox, 7);
  index_->AddMessages(inbox, MakeMessages(1, 25), 100);
  std::vector<model::Uid> seen;
  Ino after = 0;
  for (;;) {
    const std::vector<Node> batch = index_->List(inbox, after, 10);
    if (batch.empty()) break;
    EXPECT_LE(batch.size(), 10u);
    for (const Node& node : batch) {
      EXPECT_GT(node.ino, after);
      after = node.ino;
      seen.push_back(node.uid);
    }
  }
  EXPECT_EQ(seen, index_->Uids(inbox));
  EXPECT_EQ(seen.size(), 25u);
  EXPECT_THAT(index_->List(inbox, std::numeric_limits<Ino>::max(), 10), IsEmpty());
}

TEST_F(IndexTest, KnownUidIsNotAddedAgain) {
  const Ino inbox = AddInbox(*index_);
  index_->BeginListing(inbox, 7);
  index_->AddMessages(inbox, MakeMessages(1, 2), 100);
  const Ino ino = index_->FindUid(inbox, 1)->ino;
  index_->AddMessages(inbox, MakeMessages(1, 3), 200);
  EXPECT_EQ(index_->FindUid(inbox, 1)->ino, ino);
  EXPECT_EQ(index_->GetFolder(inbox)->messages, 3u);
  EXPECT_EQ(NamesIn(inbox).size(), 3u);
}

TEST_F(IndexTest, FlagChangesTouchFlagsOnly) {
  const Ino inbox = AddInbox(*index_);
  index_->BeginListing(inbox, 7);
  index_->AddMessages(inbox, MakeMessages(1, 2), 100);
  const Node before = *index_->FindUid(inbox, 2);
  const std::vector<model::FlagsUpdate> updates = {{2, "\\Answered \\Seen"}, {99, "\\Seen"}};
  index_->UpdateFlags(inbox, updates);
  const Node after = *index_->FindUid(inbox, 2);
  EXPECT_EQ(index_->Details(after.ino)->flags, "\\Answered \\Seen");
  EXPECT_EQ(after.mtime, before.mtime);
  EXPECT_EQ(after.name, before.name);
  EXPECT_EQ(index_->Get(inbox)->mtime, 100);
}

TEST_F(IndexTest, RemovedUidsAreNamedAndGone) {
  const Ino inbox = AddInbox(*index_);
  index_->BeginListing(inbox, 7);
  index_->AddMessages(inbox, MakeMessages(1, 4), 100);
  const Ino second = index_->FindUid(inbox, 2)->ino;
  const std::vector<model::Uid> uids = {2, 4, 77};
  const std::vector<Removed> removed = index_->RemoveUids(inbox, uids, 300);
  ASSERT_EQ(removed.size(), 2u);
  EXPECT_EQ(removed[0].ino, second);
  EXPECT_EQ(removed[0].parent, inbox);
  EXPECT_EQ(removed[0].name, "2022-10-01_hello.2.eml");
  EXPECT_THAT(index_->Uids(inbox), ElementsAre(1, 3));
  EXPECT_EQ(index_->GetFolder(inbox)->messages, 2u);
  EXPECT_EQ(index_->Get(inbox)->mtime, 300);
  EXPECT_THAT(index_->RemoveUids(inbox, uids, 400), IsEmpty());
  EXPECT_EQ(index_->Get(inbox)->mtime, 300);
}

TEST_F(IndexTest, RemoveMessageTakesOneMessageAndNothingElse) {
  const Ino inbox = AddInbox(*index_);
  index_->BeginListing(inbox, 7);
  index_->AddMessages(inbox, MakeMessages(1, 2), 100);
  const Ino ino = index_->FindUid(inbox, 1)->ino;
  EXPECT_EQ(index_->RemoveMessage(ino, 300)->name, "2022-10-01_hello.1.eml");
  EXPECT_FALSE(index_->RemoveMessage(ino, 300).has_value());
  EXPECT_FALSE(index_->RemoveMessage(inbox, 300).has_value());
  EXPECT_THAT(index_->Uids(inbox), ElementsAre(2));
  EXPECT_EQ(index_->GetFolder(inbox)->messages, 1u);
}

TEST_F(IndexTest, FinishedListingIsRemembered) {
  const Ino inbox = AddInbox(*index_);
  index_->BeginListing(inbox, 7);
  index_->AddMessages(inbox, MakeMessages(1, 2), 100);
  EXPECT_EQ(index_->GetFolder(inbox)->listed_at, 0);
  EXPECT_EQ(index_->GetFolder(inbox)->listed.uid_validity, 7u) << "the UIDs have a meaning already";
  index_->FinishListing(inbox, {7, 3, 2}, true, 500);
  index_->FinishListing(inbox, {7, 4, 3}, false, 600);
  Reopen();
  const Folder folder = *index_->GetFolder(inbox);
  EXPECT_EQ(folder.listed_at, 600);
  EXPECT_EQ(folder.scanned_at, 500);
  EXPECT_EQ(folder.listed.uid_validity, 7u);
  EXPECT_EQ(folder.listed.uid_next, 4u);
  EXPECT_EQ(folder.listed.exists, 3u);
  EXPECT_EQ(ErrorOf([&] { index_->FinishListing(inbox, {8, 4, 3}, false, 600); }).kind(), base::ErrorKind::kInternal);
}

TEST_F(IndexTest, ExactSizeIsForGood) {
  const Ino inbox = AddInbox(*index_);
  index_->BeginListing(inbox, 7);
  index_->AddMessages(inbox, MakeMessages(1, 2), 100);
  const Ino changed = index_->FindUid(inbox, 1)->ino;
  const Ino same = index_->FindUid(inbox, 2)->ino;
  EXPECT_TRUE(index_->SetExactSize(changed, 4321));
  EXPECT_FALSE(index_->SetExactSize(changed, 4321));
  EXPECT_FALSE(index_->SetExactSize(same, 1002)) << "stat shows this already";
  EXPECT_FALSE(index_->SetExactSize(inbox, 1));
  EXPECT_FALSE(index_->SetExactSize(999'999, 1));
  Reopen();
  EXPECT_EQ(index_->Get(changed)->size, 4321u);
  EXPECT_TRUE(index_->Get(changed)->size_exact);
  EXPECT_TRUE(index_->Get(same)->size_exact);
  EXPECT_EQ(index_->Get(inbox)->size, 0u);
}

class NameCollisionTest : public IndexTest {
 protected:
  // Adds messages of one wanted name; returns the names they got, by UID.
  std::vector<std::string> Add(const std::string& name, model::Uid count) {
    const Ino inbox = AddInbox(*index_);
    index_->BeginListing(inbox, 7);
    std::vector<NewMessage> messages = MakeMessages(1, count);
    for (NewMessage& message : messages) message.name = name;
    index_->AddMessages(inbox, messages, 100);
    return NamesIn(inbox);
  }
};

TEST_F(NameCollisionTest, NumberGoesBeforeUidAndExtension) {
  EXPECT_THAT(Add("x.12.eml", 3), ElementsAre("x.12.eml", "x~2.12.eml", "x~3.12.eml"));
}

TEST_F(NameCollisionTest, NumberGoesBeforeTheExtension) {
  EXPECT_THAT(Add("a.b.eml", 2), ElementsAre("a.b.eml", "a.b~2.eml"));
}

TEST_F(NameCollisionTest, NameWithoutExtensionGetsTheNumberAtItsEnd) {
  EXPECT_THAT(Add("plain", 2), ElementsAre("plain", "plain~2"));
}

TEST_F(NameCollisionTest, LongestNamesStayWithin255BytesAndWholeCharacters) {
  std::string name;
  while (name.size() < 246) name += "\xc3\xa4";  // ä
  name += ".77.eml";
  ASSERT_LE(name.size(), 255u);
  const std::vector<std::string> names = Add(name + "", 12);
  ASSERT_EQ(names.size(), 12u);
  EXPECT_EQ(names[0], name);
  for (const std::string& got : names) {
    EXPECT_LE(got.size(), 255u);
    EXPECT_TRUE(got.ends_with(".77.eml")) << got;
    const size_t letters_end = got.find_first_of("~.");
    EXPECT_EQ(letters_end % 2, 0u) << "a character was cut";
  }
}

TEST_F(NameCollisionTest, ThousandsOfEqualNamesAreAllDifferent) {
  const std::vector<std::string> names = Add("same.eml", 1000);
  EXPECT_EQ(names.size(), 1000u);
  EXPECT_EQ(names.back(), "same~1000.eml");
}

TEST_F(NameCollisionTest, FoldersAndMessagesShareOneNamespace) {
  const Ino mailbox = index_->EnsureMailbox("x/a", "a", 100);
  std::vector<NewFolder> folders = {MakeFolder("Work"), {"Work/x", "Work", "x.1.eml", true}};
  index_->ReplaceFolders(mailbox, folders, 100);
  const Ino work = index_->FindFolder(mailbox, "Work")->ino;
  index_->BeginListing(work, 7);
  std::vector<NewMessage> messages = MakeMessages(1, 2);
  messages[0].name = "x.1.eml";
  messages[1].name = "y";
  index_->AddMessages(work, messages, 100);
  folders.push_back({"Work/y", "Work", "y", true});
  index_->ReplaceFolders(mailbox, folders, 100);
  EXPECT_THAT(NamesIn(work), ElementsAre("x.1.eml", "x~2.1.eml", "y", "y~2"));
  EXPECT_EQ(index_->Find(work, "x.1.eml")->kind, NodeKind::kFolder);
}

TEST_F(IndexTest, FilesAreForTheOwnerOnly) {
  AddInbox(*index_);
  for (const char* name : {"index.db", "index.db-wal", "lock"}) {
    struct stat status {};
    ASSERT_EQ(::stat((directory_.path() + "/" + name).c_str(), &status), 0) << name;
    EXPECT_EQ(status.st_mode & 0777, 0600u) << name;
  }
  const std::string nested = directory_.path() + "/new/state";
  const auto other = Index::Open(nested);
  struct stat status {};
  ASSERT_EQ(::stat(nested.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0700u);
}

TEST_F(IndexTest, ManyMessagesInOneFolder) {
  const Ino inbox = AddInbox(*index_);
  index_->BeginListing(inbox, 7);
  constexpr model::Uid kCount = 10'000 * MAILBOXFS_MANY;
  for (model::Uid first = 1; first < kCount; first += 10'000) {
    index_->AddMessages(inbox, MakeMessages(first, first + 9'999), 100);
  }
  index_->FinishListing(inbox, {7, kCount + 1, kCount}, true, 100);
  EXPECT_EQ(index_->CountMessages(), kCount);
  EXPECT_EQ(index_->Uids(inbox).size(), kCount);
  uint64_t listed = 0;
  Ino after = 0;
  for (auto batch = index_->List(inbox, after, 1000); !batch.empty(); batch = index_->List(inbox, after, 1000)) {
    listed += batch.size();
    after = batch.back().ino;
  }
  EXPECT_EQ(listed, kCount);
  EXPECT_EQ(index_->Find(inbox, "2022-10-01_hello.7777.eml")->uid, 7'777u);
}

}  // namespace
}  // namespace mailboxfs::store
