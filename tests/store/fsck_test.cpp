// Damage in the index and in the cache: fsck says it, mends it, and then finds nothing.

#include <gmock/gmock.h>
#include <sqlite3.h>
#include <sys/stat.h>

#include "body_cache_support.h"
#include "index_workload.h"

namespace mailboxfs::store {
namespace {

using base::ErrorKind;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

class FsckTest : public testing::Test {
 protected:
  static constexpr model::Uid kMessages = 50;

  FsckTest() {
    const auto index = Index::Open(state());
    id_ = index->id();
    inbox_ = AddInbox(*index);
    mailbox_ = index->GetFolder(inbox_)->mailbox;
    const std::vector<NewFolder> folders = {MakeFolder("INBOX"), MakeFolder("Sent"), MakeFolder("Sent/Old", "Sent")};
    index->ReplaceFolders(mailbox_, folders, 100);
    old_ = index->FindFolder(mailbox_, "Sent/Old")->ino;
    index->BeginListing(inbox_, 7);
    index->AddMessages(inbox_, MakeMessages(1, kMessages), 100);
    index->FinishListing(inbox_, {7, kMessages + 1, kMessages}, true, 100);
    index->BeginListing(old_, 8);
    index->AddMessages(old_, MakeMessages(1, 3), 100);
    index->FinishListing(old_, {8, 4, 3}, true, 100);
    const auto cache = OpenCache();
    for (model::Uid uid = 1; uid <= 10; ++uid) PutBody(*index, *cache, uid);
    first_ = index->FindUid(inbox_, 1)->ino;
  }

  std::string state() const { return directory_.path() + "/state"; }
  std::string bodies() const { return directory_.path() + "/cache"; }
  std::string BodyPath(Ino ino) const { return base::Format("{}/v1/{:02x}/{:016x}", bodies(), ino % 256, ino); }
  std::unique_ptr<BodyCache> OpenCache() const {
    return BodyCache::Open({.directory = bodies(), .index_id = id_, .size_limit = kLimit});
  }
  void PutBody(Index& index, BodyCache& cache, model::Uid uid) const {
    const Node node = *index.FindUid(inbox_, uid);
    const auto writer = cache.Create({node.ino, node.tag});
    writer->Append(Bytes(1000 + uid, uid));
    index.SetExactSize(node.ino, writer->Commit()->size());
  }

  void Sql(const std::string& text, const std::string& path = "") const {
    sqlite3* handle = nullptr;
    ASSERT_EQ(sqlite3_open((path.empty() ? state() + "/index.db" : path).c_str(), &handle), SQLITE_OK);
    char* problem = nullptr;
    EXPECT_EQ(sqlite3_exec(handle, text.c_str(), nullptr, nullptr, &problem), SQLITE_OK) << text << ": " << problem;
    sqlite3_close(handle);
  }
  std::string Say() const { return Findings(state(), bodies()); }
  // Says the same without and with changing; then there is nothing to say.
  std::string Mend() const {
    std::map<std::string, std::string> before = Files();
    const std::string said = Say();
    EXPECT_TRUE(Files() == before) << "it was only to be said";
    std::string done = Findings(state(), bodies(), true);
    EXPECT_EQ(Say(), "");
    EXPECT_EQ(std::count(said.begin(), said.end(), '\n'), std::count(done.begin(), done.end(), '\n')) << said << done;
    EXPECT_THAT("\n" + done, Not(HasSubstr("\nfound: ")));
    return done;
  }
  std::map<std::string, std::string> Files() const {
    std::map<std::string, std::string> files;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(directory_.path())) {
      if (entry.is_regular_file()) files[entry.path().string()] = ReadFile(entry.path().string());
    }
    return files;
  }

  TempDir directory_;
  std::string id_;
  Ino mailbox_ = 0, inbox_ = 0, old_ = 0, first_ = 0;
};

TEST_F(FsckTest, FindsNothingInWhatIsSound) {
  FsckSummary summary;
  EXPECT_EQ(Findings(state(), bodies(), false, &summary), "");
  EXPECT_EQ(summary.mailboxes, 1u);
  EXPECT_EQ(summary.folders, 3u);
  EXPECT_EQ(summary.messages, kMessages + 3);
  EXPECT_EQ(summary.bodies, 10u);
  EXPECT_EQ(summary.unused, 0u);
  const auto before = Files();
  EXPECT_EQ(Findings(state(), bodies(), true), "");
  EXPECT_EQ(Files().size(), before.size());
  const auto index = Index::Open(state());
  index->AddMessages(inbox_, MakeMessages(100, 100), 100);
  EXPECT_LT(index->FindUid(inbox_, 100)->ino, 2000u) << "the last use counts as properly ended";
}

TEST_F(FsckTest, FindsNothingWhereThereIsNothing) {
  FsckSummary summary;
  EXPECT_EQ(Findings(directory_.path() + "/none", directory_.path() + "/none", true, &summary), "");
  EXPECT_TRUE(summary.no_index);
  EXPECT_FALSE(std::filesystem::exists(directory_.path() + "/none"));
}

TEST_F(FsckTest, WhatCannotBeLookedAtIsNotClean) {
  const std::string loop = directory_.path() + "/loop";
  std::filesystem::create_symlink(loop, loop);
  const base::Error error = ErrorOf([&] { Findings(loop, bodies()); });
  EXPECT_EQ(error.kind(), ErrorKind::kDisk);
  EXPECT_THAT(error.what(), HasSubstr("cannot look at " + loop + "/index.db: "));
  EXPECT_EQ(ErrorOf([&] { Findings(state(), loop); }).kind(), ErrorKind::kDisk);
  EXPECT_EQ(ErrorOf([&] { Findings(directory_.path() + "/none", loop); }).kind(), ErrorKind::kDisk);
  WriteFile(directory_.path() + "/file", "");
  EXPECT_EQ(ErrorOf([&] { Findings(directory_.path() + "/file", bodies()); }).kind(), ErrorKind::kDisk);
}

TEST_F(FsckTest, EmptyDatabaseIsDamaged) {
  WriteFile(state() + "/index.db", "");
  EXPECT_THAT(Say(), HasSubstr("the database is damaged: database " + state() + "/index.db: it is empty"));
  EXPECT_THAT(Findings(state(), bodies(), true), HasSubstr("index.db.corrupt-1 and replaced"));
  EXPECT_EQ(Say(), "");
  EXPECT_GT(AddInbox(*Index::Open(state())), 1'000'000'000u) << "no number twice";
}

TEST_F(FsckTest, BodiesWhoseIndexHasGoneAreTold) {
  std::filesystem::remove(state() + "/index.db");
  for (const bool change : {false, true}) {
    FsckSummary summary;
    EXPECT_THAT(Findings(state(), bodies(), change, &summary),
                StartsWith("found: index: " + state() + "/index.db is missing, but there are cached bodies"));
    EXPECT_TRUE(summary.no_index);
    EXPECT_EQ(summary.uncorrected, 1u);
    EXPECT_FALSE(std::filesystem::exists(state() + "/index.db"));
  }
  // Drops them.
  BodyCache::Open({.directory = bodies(), .index_id = Index::Open(state())->id(), .size_limit = kLimit});
  std::filesystem::remove(state() + "/index.db");
  EXPECT_EQ(Say(), "") << "no body, no fault";
}

TEST_F(FsckTest, IsRefusedWhileTheDirectoriesAreUsed) {
  {
    const auto index = Index::Open(state());
    EXPECT_EQ(ErrorOf([&] { Say(); }).kind(), ErrorKind::kConfig);
  }
  const auto cache = OpenCache();
  EXPECT_THAT(ErrorOf([&] { Say(); }).what(), HasSubstr("another mailboxfs uses " + bodies()));
}

TEST_F(FsckTest, LeavesNoFilesOfRootWithAnotherUser) {
  constexpr uid_t kSomebody = 12'345;
  if (::chown(bodies().c_str(), kSomebody, kSomebody) != 0) GTEST_SKIP() << "only for root";
  EXPECT_THAT(ErrorOf([&] { Findings(state(), bodies(), true); }).what(), HasSubstr("run fsck as that user"));
  EXPECT_EQ(Say(), "");
}

TEST_F(FsckTest, LeavesTheCheckAfterAnUncleanEndToTheNextMount) {
  WriteFile(state() + "/lock", "1");
  EXPECT_EQ(Mend(), "");
  const auto index = Index::Open(state());
  index->AddMessages(inbox_, MakeMessages(100, 100), 100);
  EXPECT_GT(index->FindUid(inbox_, 100)->ino, 1'000'000u) << "numbers that a power failure took back";
}

TEST_F(FsckTest, CanBeStopped) {
  FsckOptions options;
  options.state_directory = state();
  options.cache_directory = bodies();
  options.stop = [] { return true; };
  EXPECT_EQ(ErrorOf([&] { Fsck(options); }).kind(), ErrorKind::kCancelled);
  EXPECT_EQ(Say(), "");
}

// -- The index.

TEST_F(FsckTest, CountsMessages) {
  Sql("UPDATE folders SET messages = 7 WHERE messages = 50");
  EXPECT_THAT(Mend(), StartsWith("corrected: a@example.org/INBOX: its count of messages is 7, but there are 50"));
  EXPECT_EQ(Index::Open(state())->GetFolder(inbox_)->messages, kMessages);
  EXPECT_EQ(Index::Open(state())->GetFolder(inbox_)->listed_at, 0) << "who knows which is right?";
}

TEST_F(FsckTest, FolderWhosePlaceIsLostKeepsItsMessages) {
  for (const Ino parent : {Ino{123'456}, old_}) {
    Sql(base::Format("UPDATE nodes SET parent = {} WHERE ino = {}", parent, old_));
    EXPECT_THAT(Mend(), StartsWith("corrected: contoso/a@example.org/Sent/Old: "));
    const auto index = Index::Open(state());
    EXPECT_EQ(index->FindFolder(mailbox_, "Sent/Old")->ino, old_);
    EXPECT_EQ(index->Get(old_)->parent, mailbox_);
    EXPECT_EQ(index->Uids(old_).size(), 3u);
    EXPECT_EQ(index->GetMailbox(mailbox_)->listed_at, 0) << "nobody may be told that it is not where it was";
    const std::vector<NewFolder> folders = {MakeFolder("INBOX"), MakeFolder("Sent"), MakeFolder("Sent/Old", "Sent")};
    index->ReplaceFolders(mailbox_, folders, 100);
    EXPECT_EQ(index->Get(old_)->parent, index->FindFolder(mailbox_, "Sent")->ino);
  }
}

TEST_F(FsckTest, MessagesOfAFolderThatIsMissingGo) {
  Sql(base::Format("DELETE FROM folders WHERE ino = {}", old_));
  const std::string done = Mend();
  EXPECT_THAT(done, HasSubstr("nobody knows what this directory is"));
  EXPECT_THAT(done, HasSubstr(base::Format("inode {}: 3 messages of a folder that is missing", old_)));
  const auto index = Index::Open(state());
  EXPECT_FALSE(index->Get(old_).has_value());
  EXPECT_EQ(index->GetMailbox(mailbox_)->listed_at, 0);
}

TEST_F(FsckTest, FolderWithoutADirectoryIsListedAgain) {
  Sql(base::Format("DELETE FROM nodes WHERE ino = {}", old_));
  EXPECT_THAT(Mend(), HasSubstr("contoso/a@example.org/Sent/Old: the folder's directory"));
  EXPECT_FALSE(Index::Open(state())->FindFolder(mailbox_, "Sent/Old").has_value());
}

TEST_F(FsckTest, MailboxWithoutADirectoryIsMadeAnew) {
  Sql(base::Format("DELETE FROM nodes WHERE ino = {}", mailbox_));
  EXPECT_THAT(Mend(), HasSubstr("contoso/a@example.org: the mailbox's directory"));
  EXPECT_NO_THROW(AddInbox(*Index::Open(state())));
}

TEST_F(FsckTest, MessageThatCannotBeIsListedAgain) {
  for (const char* damage : {"uid = -5", "uid = NULL", "uid_validity = NULL", "mtime = 'x'", "uid = 4294967296"}) {
    Sql(base::Format("UPDATE nodes SET {} WHERE ino = (SELECT max(ino) FROM nodes WHERE parent = {})", damage, inbox_));
    EXPECT_THAT(Mend(), HasSubstr("no such message can be")) << damage;
    const Folder folder = *Index::Open(state())->GetFolder(inbox_);
    EXPECT_EQ(folder.listed_at, 0) << "nobody may be told that it does not exist";
    EXPECT_EQ(folder.scanned_at, 0);
  }
  EXPECT_EQ(Index::Open(state())->Uids(inbox_).size(), kMessages - 5);
}

TEST_F(FsckTest, NamesAndSizesThatCannotBeAreMended) {
  Sql(base::Format("UPDATE nodes SET name = 'a/b' WHERE ino = {}", first_));
  Sql(base::Format("UPDATE nodes SET name = '' WHERE ino = {}", old_));
  Sql(base::Format("UPDATE nodes SET size = -1 WHERE ino = {}", first_ + 20));
  const std::string done = Mend();
  EXPECT_THAT(done, HasSubstr("its name cannot be a file's -> renamed to its UID"));
  EXPECT_THAT(done, HasSubstr("impossible size -1"));
  const auto index = Index::Open(state());
  EXPECT_EQ(index->Get(first_)->name, "1.eml");
  EXPECT_EQ(index->Get(old_)->name, base::Format("folder-{}", old_));
  EXPECT_FALSE(index->Get(first_ + 20)->size_exact);
}

TEST_F(FsckTest, InodeNumbersAreNotGivenOutAgain) {
  for (const char* damage : {"DELETE FROM sqlite_sequence", "UPDATE sqlite_sequence SET seq = 1001"}) {
    Sql(damage);
    EXPECT_THAT(Mend(), HasSubstr("forgotten which inode numbers were given out")) << damage;
    const auto index = Index::Open(state());
    EXPECT_GT(index->EnsureMailbox(damage, damage, 100), 1'000'000u);
  }
}

TEST_F(FsckTest, MessagesOfAnOldUidValidityAreSetAside) {
  Sql("UPDATE folders SET uid_validity = 9 WHERE uid_validity = 7");
  EXPECT_THAT(Mend(), HasSubstr("50 messages of an old UIDVALIDITY not set aside"));
  Sql("INSERT INTO aside VALUES(1, x'00', 1, 1)");
  EXPECT_THAT(Mend(), HasSubstr("1 message set aside that need not be"));
}

TEST_F(FsckTest, SearchTreesAreMadeAgain) {
  Sql("PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = replace(sql, '(parent)', '(mtime)')"
      " WHERE name = 'nodes_parent'");
  Sql("REINDEX nodes_parent");
  Sql("PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = replace(sql, '(mtime)', '(parent)')"
      " WHERE name = 'nodes_parent'");
  EXPECT_THAT(Findings(state(), bodies()), StartsWith("found: index: its rows cannot all be found"));
  EXPECT_THAT(Mend(), HasSubstr("its search trees were made again"));
  EXPECT_EQ(Index::Open(state())->GetFolder(inbox_)->listed_at, 0) << "or were the rows wrong?";
  EXPECT_EQ(Index::Open(state())->List(inbox_, 0, 1000).size(), kMessages);
}

TEST_F(FsckTest, DamagedDatabaseIsReplaced) {
  std::string bytes = ReadFile(state() + "/index.db");
  for (size_t page = 4096; page + 4096 <= bytes.size(); page += 4096) bytes.replace(page, 512, 512, '\xa5');
  for (const std::string& damaged : {bytes, std::string(8192, 'x')}) {
    WriteFile(state() + "/index.db", damaged);
    const std::string said = Say();
    EXPECT_THAT(said, StartsWith("found: index: the database is damaged: "));
    EXPECT_EQ(ReadFile(state() + "/index.db"), damaged);
    EXPECT_THAT(Findings(state(), bodies(), true), HasSubstr("every message gets a new inode number"));
    EXPECT_EQ(Say(), "");
    EXPECT_NE(Index::Open(state())->id(), id_);
  }
  EXPECT_EQ(ReadFile(state() + "/index.db.corrupt-2"), std::string(8192, 'x'));
}

TEST_F(FsckTest, ContradictionsAreMendedAtOpeningWithoutBeingAsked) {
  for (const std::string& damage :
       {base::Format("UPDATE nodes SET parent = 123456 WHERE ino = {}", old_),
        std::string("UPDATE folders SET messages = messages + 1"),
        base::Format("DELETE FROM nodes WHERE ino = {}", first_),
        base::Format("DELETE FROM folders WHERE ino = {}", old_), std::string("DELETE FROM sqlite_sequence"),
        std::string("INSERT INTO aside VALUES(1, x'00', 1, 1)"),
        std::string("UPDATE folders SET uid_validity = 77 WHERE id = 'INBOX'"),
        std::string("UPDATE folders SET selectable = 0 WHERE id = 'INBOX'"),
        std::string("UPDATE nodes SET kind = 3 WHERE ino = (SELECT max(ino) FROM nodes)"),
        std::string("UPDATE sqlite_sequence SET seq = 1 << 60")}) {
    Sql(damage);
    EXPECT_NE(Say(), "") << damage;
    Index::Open(state());
    EXPECT_EQ(Findings(state()), "") << damage;
  }
}

// Whatever byte of the database changes: it ends with an index that can be read.
TEST_F(FsckTest, AnyByteOfTheDatabaseMayBeWrong) {
  const std::string sound = ReadFile(state() + "/index.db");
  uint64_t told = 0;
  constexpr size_t kPlaces = 60;
  for (size_t place = 0; place < kPlaces && !HasFailure(); ++place) {
    const size_t at = place < 20 ? place * 5 : place * (sound.size() - 1) / kPlaces;
    SCOPED_TRACE(at);
    std::string bytes = sound;
    bytes[at] = static_cast<char>(bytes[at] ^ 0x55);
    WriteFile(state() + "/index.db", bytes);
    try {
      told += Findings(state(), "/nonexistent", true).empty() ? 0 : 1;
      EXPECT_EQ(Findings(state()), "");
      Dump(*Index::Open(state()), true);
    } catch (const base::Error& error) {
      // The bytes that say whose it is, and of what version.
      EXPECT_EQ(error.kind(), ErrorKind::kConfig) << error.what();
    }
    std::filesystem::remove(state() + "/index.db-wal");
  }
  EXPECT_GT(told, 10u);
}

// Each frame has a checksum: from the wrong one on nothing was ever written.
TEST_F(FsckTest, AnyByteOfTheLogMayBeWrong) {
  std::vector<std::string> states;
  std::string database;
  std::string log;
  {
    const auto index = Index::Open(state());
    states.push_back(Dump(*index, true));
    for (model::Uid uid = 100; uid < 110; ++uid) {
      index->AddMessages(inbox_, MakeMessages(uid, uid), 100);
      states.push_back(Dump(*index, true));
    }
    database = ReadFile(state() + "/index.db");
    log = ReadFile(state() + "/index.db-wal");
  }
  for (size_t at = 3; at < log.size(); at += log.size() / 50) {
    SCOPED_TRACE(at);
    WriteFile(state() + "/index.db", database);
    WriteFile(state() + "/index.db-wal", WithFlippedBit(log, at));
    WriteFile(state() + "/lock", "1");
    EXPECT_EQ(Findings(state()), "");
    EXPECT_THAT(states, testing::Contains(Dump(*Index::Open(state()), true)));
    EXPECT_FALSE(std::filesystem::exists(state() + "/index.db.corrupt-1"));
  }
}

// -- The cache.

TEST_F(FsckTest, DamagedBodiesAreRemoved) {
  const std::string path = BodyPath(first_);
  const std::string sound = ReadFile(path);
  for (size_t at = 0; at < sound.size(); at += 37) {
    WriteFile(path, WithFlippedBit(sound, at));
    if (at % 5 == 0) {
      EXPECT_THAT(Mend(), HasSubstr("a@example.org/INBOX/2022-10-01_hello.1.eml: cached body " + path)) << at;
      EXPECT_FALSE(std::filesystem::exists(path)) << at;
      WriteFile(path, sound);
      ASSERT_EQ(::chmod(path.c_str(), 0600), 0);
      // Not in the list.
      EXPECT_THAT(Mend(), HasSubstr("counted again")) << at;
    } else {
      EXPECT_THAT(Say(), HasSubstr(path)) << at;
    }
  }
}

TEST_F(FsckTest, BodiesThatAreCutShortOrLongerAreRemoved) {
  const std::string sound = ReadFile(BodyPath(first_));
  for (const std::string& bytes : {std::string(), sound.substr(1), sound.substr(0, sound.size() - 1), sound + "x",
                                   std::string(50, 'x'), ReadFile(BodyPath(first_ + 1))}) {
    WriteFile(BodyPath(first_), bytes);
    EXPECT_THAT(Mend(), HasSubstr("hello.1.eml: cached body")) << bytes.size();
    WriteFile(BodyPath(first_), sound);
    Findings(state(), bodies(), true);
  }
}

TEST_F(FsckTest, WhatIsNoBodyIsRemoved) {
  WriteFile(bodies() + "/v1/tmp/1-1", "half a download");
  WriteFile(BodyPath(first_) + "x", "strange");
  std::filesystem::create_directory(BodyPath(99'999).substr(0, BodyPath(99'999).rfind('/')));
  std::filesystem::create_directory(BodyPath(99'999));
  const std::string other = BodyPath(first_ + 1);
  std::filesystem::copy(other,
                        BodyPath(first_).substr(0, BodyPath(first_).rfind('/')) + other.substr(other.rfind('/')));
  const std::string done = Mend();
  EXPECT_THAT(done, HasSubstr("/v1/tmp/1-1 is what was left of a download -> removed"));
  EXPECT_EQ(std::count(done.begin(), done.end(), '\n'), 4) << done;
}

TEST_F(FsckTest, BodyOfAnEarlierMessageOfTheSameInodeIsRemoved) {
  Sql(base::Format("UPDATE nodes SET tag = tag + 1 WHERE ino = {}", first_));
  EXPECT_THAT(Mend(), HasSubstr("had this inode number before"));
}

TEST_F(FsckTest, SizeOfABodyCorrectsTheIndex) {
  Sql(base::Format("UPDATE nodes SET size = 5 WHERE ino = {}", first_));
  EXPECT_THAT(Mend(), HasSubstr("its size in the index is 5, but it has 1001 bytes"));
  EXPECT_EQ(Index::Open(state())->Get(first_)->size, 1001u);
}

TEST_F(FsckTest, BodyThatOthersMayReadIsMadePrivate) {
  ASSERT_EQ(::chmod(BodyPath(first_).c_str(), 0644), 0);
  EXPECT_THAT(Mend(), HasSubstr("others may read its cached body"));
}

TEST_F(FsckTest, BodiesOfAnotherIndexAreRemoved) {
  WriteFile(bodies() + "/v1/index-id", "somebody else's");
  EXPECT_THAT(Mend(), HasSubstr("10 cached bodies of another index"));
  EXPECT_FALSE(std::filesystem::exists(BodyPath(first_)));
}

TEST_F(FsckTest, BodiesOfMessagesThatHaveGoneAreNoFault) {
  {
    const auto index = Index::Open(state());
    index->RemoveMessage(first_, 100);
  }
  FsckSummary summary;
  EXPECT_EQ(Findings(state(), bodies(), true, &summary), "");
  EXPECT_EQ(summary.unused, 1u);
  EXPECT_FALSE(std::filesystem::exists(BodyPath(first_)));
  EXPECT_EQ(Say(), "") << "the list knows";
}

TEST_F(FsckTest, ListOfTheBodiesIsMadeAnew) {
  const std::string ledger = bodies() + "/cache.db";
  const std::string sound = ReadFile(ledger);
  const std::vector<std::function<void()>> damages = {
      [&] { std::filesystem::remove(ledger); },
      [&] { WriteFile(ledger, "nonsense"); },
      [&] { WriteFile(ledger, sound.substr(0, 4096) + std::string(sound.size() - 4096, '\xa5')); },
      [&] { Sql("DELETE FROM bodies WHERE ino % 2", ledger); },
      [&] { Sql("INSERT INTO bodies VALUES(99999, 1, 1)", ledger); },
      [&] { Sql("UPDATE bodies SET bytes = 1 << 40", ledger); },
      [&] { Sql("PRAGMA user_version = 7", ledger); },
  };
  for (const auto& damage : damages) {
    damage();
    EXPECT_THAT(Mend(), HasSubstr("the list of the cached bodies"));
    EXPECT_EQ(OpenCache()->GetStatus().bodies, 10u);
  }
}

TEST_F(FsckTest, ListOfTheBodiesIsNotHeldAgainstOneThatWasKilled) {
  WriteFile(bodies() + "/cache.lock", "1");
  WriteFile(bodies() + "/cache.db", "nonsense");
  EXPECT_EQ(Say(), "");
  EXPECT_EQ(Findings(state(), bodies(), true), "");
  EXPECT_EQ(std::filesystem::file_size(bodies() + "/cache.lock"), 0u);
  EXPECT_EQ(OpenCache()->GetStatus().bodies, 10u);
}

}  // namespace
}  // namespace mailboxfs::store
