// Messages that stand in several folders: one inode with several names.

#include <gmock/gmock.h>

#include "body_cache_support.h"
#include "index_workload.h"
#include "sqlite.h"

namespace mailboxfs::store {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class IndexLinksTest : public testing::Test {
 protected:
  static constexpr uint64_t kShared = uint64_t{1} << 63U | 7U;  // All 64 bits count.

  IndexLinksTest() {
    mailbox_ = MakeMailbox("a@example.org");
    inbox_ = FolderOf(mailbox_, "INBOX");
    starred_ = FolderOf(mailbox_, "Starred");
    work_ = FolderOf(mailbox_, "Work");
  }
  Ino MakeMailbox(const std::string& name) {
    const Ino mailbox = index_->EnsureMailbox("gmail/" + name, name, 100);
    SetFolders(mailbox, {"INBOX", "Starred", "Work"});
    return mailbox;
  }
  std::vector<Removed> SetFolders(Ino mailbox, const std::vector<std::string>& names) {
    std::vector<NewFolder> folders;
    for (const std::string& name : names) folders.push_back(MakeFolder(name));
    return index_->ReplaceFolders(mailbox, folders, 100);
  }
  Ino FolderOf(Ino mailbox, const std::string& name) { return index_->FindFolder(mailbox, name)->ino; }
  static NewMessage Shared(model::Uid uid, uint64_t shared_id = kShared) {
    NewMessage message = WithUid(MakeMessage(77), uid);
    message.shared_id = shared_id;
    return message;
  }
  AddedChanges Add(Ino folder, const std::vector<NewMessage>& messages, model::UidValidity validity = 7) {
    index_->BeginListing(folder, validity);
    return index_->AddMessages(folder, messages, 200);
  }
  Node Message(Ino folder, model::Uid uid) { return index_->FindUid(folder, uid).value(); }
  // One message in INBOX (1), Starred (2) and Work (3).
  Ino AddEverywhere() {
    Add(inbox_, {Shared(1)});
    Add(starred_, {Shared(2)});
    Add(work_, {Shared(3)});
    return Message(inbox_, 1).ino;
  }
  std::vector<model::Uid> UidsOfNames(Ino ino) {
    std::vector<model::Uid> uids;
    for (const Node& name : index_->Names(ino)) uids.push_back(name.uid);
    return uids;
  }
  void Reopen() {
    index_.reset();
    index_ = Index::Open(directory_.path());
  }
  void SqlAndLeaveClosed(const std::string& text) {
    index_.reset();
    Database database(directory_.path() + "/index.db");
    database.Execute(text.c_str());
  }
  void Sql(const std::string& text) {
    SqlAndLeaveClosed(text);
    index_ = Index::Open(directory_.path());
  }
  // Back to what an older version has made; closed.
  void MakeVersion2() {
    index_.reset();
    Database database(directory_.path() + "/index.db");
    database.Execute(
        "DROP INDEX nodes_link; DROP INDEX nodes_shared; DROP TRIGGER nodes_outcome;"
        "ALTER TABLE nodes DROP COLUMN shared_id; ALTER TABLE nodes DROP COLUMN link;"
        "CREATE TRIGGER nodes_outcome AFTER DELETE ON nodes BEGIN DELETE FROM outcomes WHERE ino = old.ino; END;"
        "PRAGMA user_version = 2");
  }

  TempDir directory_;
  std::unique_ptr<Index> index_ = Index::Open(directory_.path());
  Ino mailbox_ = 0, inbox_ = 0, starred_ = 0, work_ = 0;
};

TEST_F(IndexLinksTest, OneMessageUnderThreeLabelsIsOneInode) {
  const AddedChanges first = Add(inbox_, {Shared(1)});
  EXPECT_THAT(first.linked, IsEmpty());
  const Node alone = Message(inbox_, 1);
  EXPECT_EQ(alone.links, 1u);
  index_->SetExactSize(alone.ino, 4321);
  NewMessage again = Shared(2);
  again.size_estimate = 5;
  again.internal_date = 6;
  EXPECT_THAT(Add(starred_, {again}).linked, ElementsAre(alone.ino)) << "its number of names has changed";
  EXPECT_THAT(Add(work_, {Shared(3)}).linked, ElementsAre(alone.ino));
  for (const bool reopened : {false, true}) {
    if (reopened) Reopen();
    for (const Node& name : {Message(inbox_, 1), Message(starred_, 2), Message(work_, 3), *index_->Get(alone.ino)}) {
      EXPECT_EQ(name.ino, alone.ino);
      EXPECT_EQ(name.tag, alone.tag);
      EXPECT_EQ(name.mtime, alone.mtime);
      EXPECT_EQ(name.size, 4321u);
      EXPECT_TRUE(name.size_exact);
      EXPECT_EQ(name.links, 3u);
    }
    EXPECT_EQ(index_->Get(alone.ino)->parent, inbox_);
    EXPECT_THAT(UidsOfNames(alone.ino), ElementsAre(1, 2, 3));
  }
  EXPECT_EQ(index_->CountMessages(), 3u) << "of names";
  EXPECT_EQ(index_->Find(starred_, "new-name.2.eml")->ino, alone.ino);
  // The number of the second name's row is nobody's inode.
  EXPECT_FALSE(index_->Get(Message(starred_, 2).entry));
  EXPECT_THAT(index_->Names(Message(starred_, 2).entry), IsEmpty());
}

TEST_F(IndexLinksTest, MessagesThatTheServerDoesNotTellToBeOneAreTwo) {
  Add(inbox_, {Shared(1, 0), Shared(2, 5)});
  Add(starred_, {Shared(1, 0), Shared(2, 6)});
  EXPECT_NE(Message(inbox_, 1).ino, Message(starred_, 1).ino);
  EXPECT_NE(Message(inbox_, 2).ino, Message(starred_, 2).ino);
  EXPECT_EQ(Message(inbox_, 1).links, 1u);
  EXPECT_EQ(Message(inbox_, 2).links, 1u);
}

TEST_F(IndexLinksTest, AnotherMailboxsMessageIsAnotherOne) {
  Add(inbox_, {Shared(1)});
  const Ino other = FolderOf(MakeMailbox("b@example.org"), "Starred");
  EXPECT_THAT(Add(other, {Shared(1)}).linked, IsEmpty());
  EXPECT_NE(Message(other, 1).ino, Message(inbox_, 1).ino);
  EXPECT_EQ(Message(inbox_, 1).links, 1u);
}

TEST_F(IndexLinksTest, ASecondOneInTheSameFolderIsAnInodeOfItsOwn) {
  Add(inbox_, {Shared(1), Shared(2)});
  EXPECT_NE(Message(inbox_, 1).ino, Message(inbox_, 2).ino);
  Add(starred_, {Shared(3), Shared(4)});
  EXPECT_EQ(Message(starred_, 3).ino, Message(inbox_, 1).ino);
  EXPECT_EQ(Message(starred_, 4).ino, Message(starred_, 4).entry);
  EXPECT_EQ(Message(inbox_, 1).links, 2u);
  EXPECT_EQ(Message(inbox_, 2).links, 1u);
}

TEST_F(IndexLinksTest, AnInodeOutlivesTheNameThatItWasFirstKnownBy) {
  const Ino ino = AddEverywhere();
  const uint64_t tag = Message(inbox_, 1).tag;
  const std::vector<Removed> removed = index_->RemoveUids(inbox_, std::vector<model::Uid>{1}, 300);
  ASSERT_EQ(removed.size(), 1u);
  EXPECT_EQ(removed[0].ino, ino);
  EXPECT_EQ(removed[0].parent, inbox_);
  EXPECT_TRUE(removed[0].linked);
  Reopen();
  ASSERT_TRUE(index_->Get(ino));
  EXPECT_EQ(index_->Get(ino)->parent, starred_);
  EXPECT_EQ(index_->Get(ino)->tag, tag);
  EXPECT_EQ(index_->Get(ino)->links, 2u);
  EXPECT_EQ(index_->Details(ino)->message_id, "<77@example.org>");
  EXPECT_TRUE(index_->SetExactSize(ino, 99));
  EXPECT_EQ(Message(work_, 3).size, 99u);
  // A label that comes back, or a new one, is a name of the same inode.
  EXPECT_THAT(Add(inbox_, {Shared(9)}).linked, ElementsAre(ino));
  EXPECT_EQ(Message(inbox_, 9).size, 99u);
  EXPECT_THAT(UidsOfNames(ino), ElementsAre(2, 3, 9));
  // The last one's end is the inode's.
  EXPECT_TRUE(index_->RemoveMessage(Message(inbox_, 9).entry, 300)->linked);
  EXPECT_TRUE(index_->RemoveMessage(Message(starred_, 2).entry, 300)->linked);
  const std::optional<Removed> last = index_->RemoveMessage(Message(work_, 3).entry, 300);
  EXPECT_EQ(last->ino, ino);
  EXPECT_FALSE(last->linked);
  EXPECT_FALSE(index_->Get(ino));
}

TEST_F(IndexLinksTest, RemoveMessageTakesTheEntryThatIsMeant) {
  const Ino ino = AddEverywhere();
  const std::optional<Removed> removed = index_->RemoveMessage(Message(starred_, 2).entry, 300);
  ASSERT_TRUE(removed);
  EXPECT_EQ(removed->ino, ino);
  EXPECT_EQ(removed->parent, starred_);
  EXPECT_EQ(removed->name, "new-name.2.eml");
  EXPECT_THAT(UidsOfNames(ino), ElementsAre(1, 3));
  EXPECT_EQ(index_->GetFolder(starred_)->messages, 0u);
  EXPECT_EQ(index_->GetFolder(inbox_)->messages, 1u);
}

TEST_F(IndexLinksTest, AFolderThatGoesTakesItsNamesOnly) {
  const Ino ino = AddEverywhere();
  Add(work_, {Shared(4, 0)});
  std::vector<Removed> removed = SetFolders(mailbox_, {"INBOX", "Starred"});
  ASSERT_EQ(removed.size(), 2u) << "the name that is linked, and the folder";
  EXPECT_EQ(removed[0].ino, ino);
  EXPECT_EQ(removed[0].name, "new-name.3.eml");
  EXPECT_TRUE(removed[0].linked);
  EXPECT_FALSE(removed[1].linked);
  EXPECT_EQ(Message(inbox_, 1).links, 2u);
  // One that cannot be selected any more is the same.
  const std::vector<NewFolder> folders = {MakeFolder("INBOX", "", false), MakeFolder("Starred")};
  removed = index_->ReplaceFolders(mailbox_, folders, 100);
  ASSERT_EQ(removed.size(), 1u);
  EXPECT_EQ(removed[0].ino, ino);
  EXPECT_TRUE(removed[0].linked);
  EXPECT_EQ(index_->Get(ino)->parent, starred_);
}

TEST_F(IndexLinksTest, ADirectoryIsPagedByItsEntries) {
  // The inodes of the second folder are in another order than its entries, and below them.
  std::vector<NewMessage> messages;
  for (model::Uid uid = 1; uid <= 20; ++uid) messages.push_back(Shared(uid, uid));
  Add(inbox_, messages);
  std::reverse(messages.begin(), messages.end());
  for (NewMessage& message : messages) message = WithUid(message, 100 - message.uid);
  messages.insert(messages.begin() + 7, Shared(50, 0));
  Add(starred_, messages);
  std::vector<model::Uid> listed;
  for (Ino after = 0;;) {
    const std::vector<Node> page = index_->List(starred_, after, 3);
    for (const Node& node : page) listed.push_back(node.uid);
    if (page.empty()) break;
    after = page.back().entry;
  }
  std::vector<model::Uid> expected;
  for (const NewMessage& message : messages) expected.push_back(message.uid);
  EXPECT_EQ(listed, expected);
}

TEST_F(IndexLinksTest, SizesAreThoseOfAllNames) {
  const Ino ino = AddEverywhere();
  EXPECT_TRUE(index_->SetExactSize(ino, 4321));
  EXPECT_FALSE(index_->SetExactSize(ino, 4321));
  for (const Node& name : index_->Names(ino)) EXPECT_TRUE(name.size == 4321 && name.size_exact);
  index_->DoubtSize(ino);
  for (const Node& name : index_->Names(ino)) EXPECT_FALSE(name.size_exact);
}

TEST_F(IndexLinksTest, OutcomesBelongToTheInode) {
  const Ino ino = AddEverywhere();
  index_->SetOutcome(ino, {Outcome::Kind::kStub, 3, 1000, 2000, "a placeholder"});
  const auto failed = [&] {
    uint64_t count = 0;
    std::vector<FailedMessage> all = index_->FailedMessages(mailbox_, 10, &count);
    EXPECT_EQ(all.size(), count);
    return all;
  };
  ASSERT_EQ(failed().size(), 1u) << "not one for each name";
  EXPECT_EQ(failed()[0].uid, 1u);
  index_->RemoveUids(inbox_, std::vector<model::Uid>{1}, 300);
  EXPECT_TRUE(index_->GetOutcome(ino));
  ASSERT_EQ(failed().size(), 1u);
  EXPECT_EQ(failed()[0].ino, ino);
  EXPECT_EQ(failed()[0].folder, starred_);
  index_->RemoveUids(starred_, std::vector<model::Uid>{2}, 300);
  EXPECT_TRUE(index_->GetOutcome(ino));
  index_->SetOutcome(ino, {Outcome::Kind::kStub, 4, 1000, 2000, "a placeholder"});
  EXPECT_EQ(index_->GetOutcome(ino)->tries, 4u);
  index_->RemoveUids(work_, std::vector<model::Uid>{3}, 300);
  EXPECT_FALSE(index_->GetOutcome(ino));
}

TEST_F(IndexLinksTest, AChangeOfUidValidityKeepsTheLinks) {
  const Ino ino = AddEverywhere();
  EXPECT_THAT(Add(starred_, {Shared(52)}, 8).linked, IsEmpty());
  EXPECT_THAT(index_->FinishListing(starred_, {8, 53, 1}, true, 300), IsEmpty());
  EXPECT_EQ(Message(starred_, 52).ino, ino);
  EXPECT_EQ(Message(starred_, 52).links, 3u);
  Add(inbox_, {Shared(51)}, 8);
  index_->FinishListing(inbox_, {8, 52, 1}, true, 300);
  EXPECT_EQ(Message(inbox_, 51).entry, ino);
  EXPECT_EQ(Message(inbox_, 51).links, 3u);
  // What has not been matched leaves the others.
  Add(inbox_, {}, 9);
  EXPECT_EQ(index_->Get(ino)->uid, 0u);
  const std::vector<Removed> removed = index_->FinishListing(inbox_, {9, 1, 0}, true, 300);
  ASSERT_EQ(removed.size(), 1u);
  EXPECT_TRUE(removed[0].linked);
  EXPECT_EQ(Message(work_, 3).links, 2u);
}

// They look the same, but the server knows which is which.
TEST_F(IndexLinksTest, TwinsAreNotTakenForEachOther) {
  Add(inbox_, {Shared(1, 11), Shared(2, 12)});
  Add(starred_, {Shared(1, 11), Shared(2, 12)});
  const Ino first = Message(inbox_, 1).ino;
  const Ino second = Message(inbox_, 2).ino;
  Add(starred_, {Shared(51, 12), Shared(52, 11)}, 8);
  index_->FinishListing(starred_, {8, 53, 2}, true, 300);
  EXPECT_EQ(Message(starred_, 51).ino, second);
  EXPECT_EQ(Message(starred_, 52).ino, first);
}

TEST_F(IndexLinksTest, OneThatWasIncompleteIsLinkedToFromThenOn) {
  NewMessage stub = Shared(1);
  stub.complete = false;
  Add(inbox_, {stub});
  Add(starred_, {Shared(2)});
  EXPECT_NE(Message(inbox_, 1).ino, Message(starred_, 2).ino) << "nothing was known of it";
  const Ino ino = Message(inbox_, 1).ino;
  EXPECT_EQ(Add(inbox_, {Shared(1)}).completed.size(), 1u);
  EXPECT_EQ(Message(inbox_, 1).ino, ino);
  EXPECT_EQ(Message(inbox_, 1).links, 1u);
  EXPECT_THAT(Add(work_, {Shared(3)}).linked, ElementsAre(ino));
}

TEST_F(IndexLinksTest, AnIndexOfVersion2IsBroughtForward) {
  Add(inbox_, {Shared(1, 0), Shared(2, 0)});
  const std::string before = Dump(*index_, true);
  MakeVersion2();
  Reopen();
  EXPECT_EQ(Dump(*index_, true), before);
  EXPECT_EQ(Message(inbox_, 1).links, 1u);
  // What was listed before stays by itself, also when its folder is renumbered.
  const Ino ino = Message(inbox_, 1).ino;
  EXPECT_THAT(Add(starred_, {Shared(3)}).linked, IsEmpty());
  Add(inbox_, {Shared(51)}, 8);
  EXPECT_EQ(Message(inbox_, 51).ino, ino);
  EXPECT_THAT(Add(work_, {Shared(4)}).linked, ElementsAre(Message(starred_, 3).ino));
}

TEST_F(IndexLinksTest, AnIndexOfVersion2IsCheckedAfterAnUncleanEnd) {
  Add(inbox_, {Shared(1, 0)});
  const Node before = Message(inbox_, 1);
  MakeVersion2();
  WriteFile(directory_.path() + "/lock", "1");
  index_ = Index::Open(directory_.path());
  EXPECT_EQ(Message(inbox_, 1).tag, before.tag);
}

// A server can say of all messages that they are the same one.
TEST_F(IndexLinksTest, TenThousandOfOneNumberTakeNoLongerThanOthers) {
  std::vector<NewMessage> messages;
  for (model::Uid uid = 1; uid <= 10'000; ++uid) messages.push_back(Shared(uid));
  Add(inbox_, messages);
  Add(starred_, messages);
  EXPECT_EQ(Message(inbox_, 1).links, 2u);
  EXPECT_EQ(index_->CountMessages(), 20'000u);
}

class FsckLinksTest : public IndexLinksTest {
 protected:
  FsckLinksTest() : ino_(AddEverywhere()) {
    index_->FinishListing(inbox_, {7, 2, 1}, true, 100);
    index_->FinishListing(starred_, {7, 3, 1}, true, 100);
    index_->FinishListing(work_, {7, 4, 1}, true, 100);
    entry_ = Message(starred_, 2).entry;
  }
  std::string Mend(const std::string& damage) {
    SqlAndLeaveClosed(damage);
    const std::string said = Findings(directory_.path());
    std::string done = Findings(directory_.path(), "/nonexistent", true);
    EXPECT_EQ(std::count(said.begin(), said.end(), '\n'), std::count(done.begin(), done.end(), '\n'));
    EXPECT_EQ(Findings(directory_.path()), "");
    index_ = Index::Open(directory_.path());
    return done;
  }

  const Ino ino_;
  Ino entry_ = 0;
};

TEST_F(FsckLinksTest, SoundLinksAreNoFault) {
  EXPECT_EQ(Mend(""), "");
  index_->RemoveUids(inbox_, std::vector<model::Uid>{1}, 300);
  EXPECT_EQ(Mend(""), "") << "an inode that lives in links";
  EXPECT_EQ(index_->Get(ino_)->links, 2u);
}

TEST_F(FsckLinksTest, LinksThatCannotBeBecomeFilesOfTheirOwn) {
  for (const char* damage :
       {"tag = tag + 1", "mtime = 5", "size = 5", "size_exact = 1", "shared_id = 5", "shared_id = NULL", "link = ino",
        "link = ino + 1000000", "link = 'x'", "link = 3", "link = parent"}) {
    const std::string done = Mend(base::Format("UPDATE nodes SET {} WHERE ino = {}", damage, entry_));
    EXPECT_THAT(done, testing::HasSubstr("a@example.org/Starred/new-name.2.eml: it cannot be a name of")) << damage;
    EXPECT_EQ(Message(starred_, 2).ino, entry_) << damage;
    EXPECT_EQ(Message(starred_, 2).links, 1u) << damage;
    EXPECT_NE(Message(starred_, 2).tag, index_->Get(ino_)->tag) << damage;
    EXPECT_FALSE(Message(starred_, 2).size_exact) << damage;
    EXPECT_EQ(index_->Get(ino_)->links, 2u) << damage;
    // As it was, for the next one.
    Sql(
        base::Format("UPDATE nodes SET (link, tag, mtime, size, size_exact, shared_id) = (SELECT ino, tag, mtime, size,"
                     " size_exact, shared_id FROM nodes WHERE ino = {}) WHERE ino = {}",
                     ino_, entry_));
    EXPECT_EQ(Mend(""), "") << damage;
  }
}

TEST_F(FsckLinksTest, ALinkIntoAnotherMailboxIsNone) {
  const Ino other = FolderOf(MakeMailbox("b@example.org"), "Work");
  Add(other, {Shared(1, 9)});
  const Ino alien = Message(other, 1).ino;
  Mend(
      base::Format("UPDATE nodes SET (link, tag, mtime, size, size_exact, shared_id) = (SELECT {0}, tag, mtime, size,"
                   " size_exact, shared_id FROM nodes WHERE ino = {0}) WHERE ino = {1}",
                   ino_, alien));
  EXPECT_EQ(Message(other, 1).ino, alien);
  EXPECT_EQ(index_->Get(ino_)->links, 3u);
}

TEST_F(FsckLinksTest, ABodyBelongsToAllNames) {
  const std::string bodies = directory_.path() + "/cache";
  const auto put = [&] {
    const auto cache = BodyCache::Open({.directory = bodies, .index_id = index_->id(), .size_limit = kLimit});
    const auto writer = cache->Create({ino_, index_->Get(ino_)->tag});
    writer->Append("four");
    index_->SetExactSize(ino_, writer->Commit()->size());
  };
  put();
  index_->RemoveUids(inbox_, std::vector<model::Uid>{1}, 300);
  Sql(base::Format("UPDATE nodes SET size = 5 WHERE link = {}", ino_));
  index_.reset();
  FsckSummary summary;
  EXPECT_THAT(
      Findings(directory_.path(), bodies, true, &summary),
      testing::HasSubstr("a@example.org/Starred/new-name.2.eml: its size in the index is 5, but it has 4 bytes"));
  EXPECT_EQ(summary.bodies, 1u);
  EXPECT_EQ(summary.unused, 0u);
  EXPECT_EQ(Findings(directory_.path(), bodies), "");
  Reopen();
  for (const Node& name : index_->Names(ino_)) EXPECT_EQ(name.size, 4u);
}

TEST_F(FsckLinksTest, AreMendedAtOpening) {
  Sql(base::Format("UPDATE nodes SET size = 5 WHERE ino = {}", entry_));
  EXPECT_EQ(Message(starred_, 2).ino, entry_);
  EXPECT_EQ(index_->Get(ino_)->links, 2u);
}

TEST_F(FsckLinksTest, AnIndexOfVersion2IsLookedAtAsWell) {
  index_->RemoveUids(starred_, std::vector<model::Uid>{2}, 300);
  index_->RemoveUids(work_, std::vector<model::Uid>{3}, 300);
  MakeVersion2();
  const std::string before = ReadFile(directory_.path() + "/index.db");
  EXPECT_EQ(Findings(directory_.path()), "");
  EXPECT_TRUE(ReadFile(directory_.path() + "/index.db") == before);
  EXPECT_EQ(Findings(directory_.path(), "/nonexistent", true), "");
  index_ = Index::Open(directory_.path());
  EXPECT_EQ(Message(inbox_, 1).ino, ino_);
}

}  // namespace
}  // namespace mailboxfs::store
