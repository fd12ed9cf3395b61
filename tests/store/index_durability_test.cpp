// The index against crashes, damage, and other programs.

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/stat.h>

#include "damaged_file.h"
#include "mailboxfs/store/body_cache.h"
#include "mailboxfs/store/index.h"
#include "test_support.h"

namespace mailboxfs::store {
namespace {

using base::ErrorKind;
using testing::ElementsAre;
using testing::HasSubstr;

// Offsets in an SQLite file's header (its file format, section 1.3), big-endian.
constexpr size_t kUserVersionAt = 60;
constexpr size_t kApplicationIdAt = 68;

class IndexDurabilityTest : public testing::Test {
 protected:
  std::string database() const { return directory_.path() + "/index.db"; }
  bool Exists(const std::string& name) const { return std::filesystem::exists(directory_.path() + "/" + name); }
  // An index with a few hundred messages, closed.
  void MakeIndex() {
    const auto index = Index::Open(directory_.path());
    id_ = index->id();
    inbox_ = AddInbox(*index);
    index->BeginListing(inbox_, 7);
    index->AddMessages(inbox_, MakeMessages(1, 500), 100);
  }
  void PatchHeader(size_t offset, char value) {
    std::string bytes = ReadFile(database());
    bytes.at(offset) = value;
    WriteFile(database(), bytes);
  }
  // Overwrites the middle of each page but the first.
  void DamagePages() {
    std::string bytes = ReadFile(database());
    for (size_t page = 4096; page + 4096 <= bytes.size(); page += 4096) bytes.replace(page, 512, 512, '\xa5');
    WriteFile(database(), bytes);
  }
  void PretendUncleanEnd() { WriteFile(directory_.path() + "/lock", "1"); }

  TempDir directory_;
  std::string id_;
  Ino inbox_ = 0;
};

TEST_F(IndexDurabilityTest, KilledProcessLosesNothingThatWasDone) {
  RunAndKill([&](const std::function<void()>& die) {
    const auto index = Index::Open(directory_.path());
    const Ino inbox = AddInbox(*index);
    index->BeginListing(inbox, 7);
    index->AddMessages(inbox, MakeMessages(1, 100), 100);
    index->FinishListing(inbox, {7, 101, 100}, true, 100);
    index->SetExactSize(index->FindUid(inbox, 50)->ino, 123'456);
    WriteFile(directory_.path() + "/expected",
              base::Format("{} {} {}", index->id(), inbox, index->FindUid(inbox, 50)->ino));
    die();
  });
  const auto index = Index::Open(directory_.path());
  const Ino inbox = AddInbox(*index);
  const Node node = *index->FindUid(inbox, 50);
  EXPECT_EQ(base::Format("{} {} {}", index->id(), inbox, node.ino), ReadFile(directory_.path() + "/expected"));
  EXPECT_EQ(node.size, 123'456u);
  EXPECT_TRUE(node.size_exact);
  EXPECT_EQ(index->Uids(inbox).size(), 100u);
  EXPECT_EQ(index->GetFolder(inbox)->listed_at, 100);
}

TEST_F(IndexDurabilityTest, KilledInTheMiddleOfARelistingContinues) {
  MakeIndex();
  RunAndKill([&](const std::function<void()>& die) {
    const auto index = Index::Open(directory_.path());
    index->BeginListing(inbox_, 8);
    const std::vector<NewMessage> first = {WithUid(MakeMessage(10), 1)};
    index->AddMessages(inbox_, first, 100);
    die();
  });
  const auto index = Index::Open(directory_.path());
  const Ino twenty = index->Find(inbox_, "2022-10-01_hello.20.eml")->ino;
  EXPECT_THAT(index->BeginListing(inbox_, 8), ElementsAre(1));
  const std::vector<NewMessage> second = {WithUid(MakeMessage(20), 2)};
  index->AddMessages(inbox_, second, 100);
  EXPECT_EQ(index->FindUid(inbox_, 2)->ino, twenty);
  EXPECT_EQ(index->FinishListing(inbox_, {8, 3, 2}, true, 100).size(), 498u);
}

TEST_F(IndexDurabilityTest, FailedChangeLeavesNothingBehind) {
  const auto index = Index::Open(directory_.path());
  const Ino mailbox = index->EnsureMailbox("x/a", "a", 100);
  const std::vector<NewFolder> folders = {MakeFolder("INBOX"), MakeFolder("a/b", "a")};
  ErrorOf([&] { index->ReplaceFolders(mailbox, folders, 100); });
  EXPECT_FALSE(index->FindFolder(mailbox, "INBOX").has_value());
  EXPECT_NO_THROW(index->ReplaceFolders(mailbox, std::span(folders).first(1), 100));
  EXPECT_TRUE(index->FindFolder(mailbox, "INBOX").has_value());
}

TEST_F(IndexDurabilityTest, SecondOpeningIsRefusedUntilTheFirstEnds) {
  auto index = Index::Open(directory_.path());
  const base::Error error = ErrorOf([&] { Index::Open(directory_.path()); });
  EXPECT_EQ(error.kind(), ErrorKind::kConfig);
  EXPECT_THAT(error.what(), HasSubstr("another mailboxfs uses " + directory_.path() + "; unmount it first"));
  EXPECT_THAT(error.what(), HasSubstr(base::Format("(pid {})", ::getpid())));
  index.reset();
  EXPECT_NO_THROW(Index::Open(directory_.path()));
}

TEST_F(IndexDurabilityTest, NewerVersionIsRefusedAndNotTouched) {
  MakeIndex();
  PatchHeader(kUserVersionAt + 3, 99);
  const std::string before = ReadFile(database());
  const base::Error error = ErrorOf([&] { Index::Open(directory_.path()); });
  EXPECT_EQ(error.kind(), ErrorKind::kConfig);
  EXPECT_THAT(error.what(), HasSubstr("newer mailboxfs"));
  EXPECT_EQ(ReadFile(database()), before);
}

TEST_F(IndexDurabilityTest, DatabaseOfAnotherProgramIsRefusedAndNotTouched) {
  MakeIndex();
  PatchHeader(kApplicationIdAt, 1);
  const base::Error error = ErrorOf([&] { Index::Open(directory_.path()); });
  EXPECT_EQ(error.kind(), ErrorKind::kConfig);
  EXPECT_THAT(error.what(), HasSubstr("another program"));
  EXPECT_FALSE(Exists("index.db.corrupt-1"));
}

TEST_F(IndexDurabilityTest, FileThatIsNoDatabaseIsMovedAsideAndReplaced) {
  MakeIndex();
  WriteFile(database(), std::string(8192, 'x'));
  {
    const auto index = Index::Open(directory_.path());
    EXPECT_NE(index->id(), id_);
    EXPECT_EQ(index->CountMessages(), 0u);
    AddInbox(*index);
  }
  EXPECT_EQ(ReadFile(directory_.path() + "/index.db.corrupt-1"), std::string(8192, 'x'));
  WriteFile(database(), std::string(8192, 'y'));
  Index::Open(directory_.path());
  EXPECT_EQ(ReadFile(directory_.path() + "/index.db.corrupt-2"), std::string(8192, 'y'));
}

TEST_F(IndexDurabilityTest, DamageIsFoundAtOpeningAfterAnUncleanEnd) {
  MakeIndex();
  DamagePages();
  PretendUncleanEnd();
  const auto index = Index::Open(directory_.path());
  EXPECT_NE(index->id(), id_);
  EXPECT_TRUE(Exists("index.db.corrupt-1"));
}

TEST_F(IndexDurabilityTest, DamageMetInUseIsDealtWithAtTheNextOpening) {
  MakeIndex();
  {
    const auto index = Index::Open(directory_.path());
    // In place; the pages of the schema and of `meta` survive.
    const size_t size = std::filesystem::file_size(database());
    for (size_t page = 16 * kPageSize; page < size; page += kPageSize) {
      Patch(database(), page, std::string(512, '\xa5'));
    }
    EXPECT_EQ(ErrorOf([&] { index->List(inbox_, 0, 1000); }).kind(), ErrorKind::kCorrupt);
  }
  const auto index = Index::Open(directory_.path());
  EXPECT_NE(index->id(), id_);
  EXPECT_TRUE(Exists("index.db.corrupt-1"));
}

TEST_F(IndexDurabilityTest, SoundDatabaseSurvivesTheCheck) {
  MakeIndex();
  PretendUncleanEnd();
  const auto index = Index::Open(directory_.path());
  EXPECT_EQ(index->id(), id_);
  EXPECT_EQ(index->CountMessages(), 500u);
}

// -- Inode numbers that have been given out and that the database does not know.

TEST_F(IndexDurabilityTest, RestoredIndexDoesNotFindTheBodyOfAMessageItHasNeverSeen) {
  MakeIndex();
  const TempDir bodies;
  const auto cache = BodyCache::Open({.directory = bodies.path(), .index_id = id_, .size_limit = 1'000'000});
  std::string backup;
  std::string backup_of_log;
  Node lost;
  {
    const auto index = Index::Open(directory_.path());
    index->AddMessages(inbox_, MakeMessages(501, 502), 100);
    backup = ReadFile(database());
    backup_of_log = ReadFile(database() + "-wal");
    ASSERT_FALSE(backup_of_log.empty());
    index->AddMessages(inbox_, MakeMessages(503, 503), 100);
    lost = *index->FindUid(inbox_, 503);
    const auto writer = cache->Create({lost.ino, lost.tag});
    writer->Append("of message 503");
    writer->Commit();
  }
  WriteFile(database(), backup);
  WriteFile(database() + "-wal", backup_of_log);
  const auto index = Index::Open(directory_.path());
  ASSERT_EQ(index->id(), id_);
  index->AddMessages(inbox_, MakeMessages(600, 600), 100);
  const Node other = *index->FindUid(inbox_, 600);
  ASSERT_EQ(other.ino, lost.ino);
  EXPECT_FALSE(cache->Contains({other.ino, other.tag}));
  EXPECT_EQ(cache->Find({other.ino, other.tag}), nullptr);
  EXPECT_EQ(cache->GetStatus().corrupt, 0u);
}

TEST_F(IndexDurabilityTest, InodesLostInAPowerFailureAreNotGivenOutAgain) {
  for (const bool closed_between : {false, true}) {
    MakeIndex();
    RunAndKill([&](const std::function<void()>& die) {
      const auto index = Index::Open(directory_.path());
      index->AddMessages(inbox_, MakeMessages(501, 600), 100);
      WriteFile(directory_.path() + "/last", base::Format("{}", index->FindUid(inbox_, 600)->ino));
      die();
    });
    std::filesystem::remove(database() + "-wal");  // What has not been synced.
    if (closed_between) Index::Open(directory_.path());
    const Ino last = std::stoull(ReadFile(directory_.path() + "/last"));
    const auto index = Index::Open(directory_.path());
    ASSERT_FALSE(index->FindUid(inbox_, 600).has_value());
    EXPECT_GT(index->EnsureMailbox("x/b", "b", 100), last);
    index->AddMessages(inbox_, MakeMessages(700, 700), 100);
    EXPECT_GT(index->FindUid(inbox_, 700)->ino, last);
    std::filesystem::remove_all(directory_.path());
  }
}

// The gap itself is on the disk before a number is given out.
TEST_F(IndexDurabilityTest, ASecondPowerFailureDoesNotTakeTheGapBack) {
  MakeIndex();
  PretendUncleanEnd();
  Ino lost = 0;
  std::string synced;
  std::string synced_log;
  {
    const auto index = Index::Open(directory_.path());
    synced = ReadFile(database());
    synced_log = ReadFile(database() + "-wal");
    index->AddMessages(inbox_, MakeMessages(501, 510), 100);
    lost = index->FindUid(inbox_, 510)->ino;
  }
  WriteFile(database(), synced);
  WriteFile(database() + "-wal", synced_log);
  PretendUncleanEnd();
  const auto index = Index::Open(directory_.path());
  index->AddMessages(inbox_, MakeMessages(600, 600), 100);
  EXPECT_GT(index->FindUid(inbox_, 600)->ino, lost);
}

TEST_F(IndexDurabilityTest, EveryKindOfRowSkipsLostInodes) {
  constexpr Ino kGap = 1'000'000;
  MakeIndex();
  PretendUncleanEnd();
  {
    const auto index = Index::Open(directory_.path());
    index->AddMessages(inbox_, MakeMessages(501, 502), 100);
    EXPECT_GT(index->FindUid(inbox_, 501)->ino, kGap);
    EXPECT_EQ(index->FindUid(inbox_, 502)->ino, index->FindUid(inbox_, 501)->ino + 1) << "one gap";
  }
  PretendUncleanEnd();
  Ino mailbox = 0;
  {
    const auto index = Index::Open(directory_.path());
    mailbox = index->EnsureMailbox("x/b", "b", 100);
    EXPECT_GT(mailbox, 2 * kGap);
  }
  PretendUncleanEnd();
  const auto index = Index::Open(directory_.path());
  const std::vector<NewFolder> folders = {MakeFolder("INBOX")};
  index->ReplaceFolders(mailbox, folders, 100);
  EXPECT_GT(index->FindFolder(mailbox, "INBOX")->ino, 3 * kGap);
}

TEST_F(IndexDurabilityTest, NoInodesAreSkippedAfterAProperEnd) {
  MakeIndex();
  EXPECT_LT(inbox_, kReservedInos + 5) << "nor in a new index";
  const auto index = Index::Open(directory_.path());
  const Ino last = index->FindUid(inbox_, 500)->ino;
  index->AddMessages(inbox_, MakeMessages(501, 501), 100);
  EXPECT_EQ(index->FindUid(inbox_, 501)->ino, last + 1);
}

TEST_F(IndexDurabilityTest, OtherProgramsAreKeptOutWhileItIsOpen) {
  // Whoever made a shared index for the log would not know what ours in memory says.
  MakeIndex();
  const auto index = Index::Open(directory_.path());
  index->List(inbox_, 0, 10);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const base::UniqueFd fd(::open(database().c_str(), O_RDONLY | O_CLOEXEC));
    struct flock lock {};
    lock.l_type = F_RDLCK;
    lock.l_start = 0x40000002;  // SQLite's file format: the shared lock.
    lock.l_len = 510;
    ::_exit(::fcntl(fd.get(), F_GETLK, &lock) == 0 && lock.l_type == F_WRLCK ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

TEST_F(IndexDurabilityTest, LogOfADeletedDatabaseDoesNotEnterTheNewOne) {
  RunAndKill([&](const std::function<void()>& die) {
    const auto index = Index::Open(directory_.path());
    AddInbox(*index);
    die();
  });
  ASSERT_TRUE(Exists("index.db-wal"));
  std::filesystem::remove(database());
  const auto index = Index::Open(directory_.path());
  EXPECT_TRUE(index->List(kRootIno, 0, 10).empty());
  EXPECT_FALSE(Exists("index.db.corrupt-1"));
}

TEST_F(IndexDurabilityTest, SymbolicLinkIsRefused) {
  const TempDir elsewhere;
  std::filesystem::create_symlink(elsewhere.path() + "/index.db", database());
  EXPECT_EQ(ErrorOf([&] { Index::Open(directory_.path()); }).kind(), ErrorKind::kDisk);
  EXPECT_TRUE(std::filesystem::is_empty(elsewhere.path()));
}

TEST_F(IndexDurabilityTest, DirectoryThatOthersCanWriteToIsRefused) {
  ASSERT_EQ(::chmod(directory_.path().c_str(), 0777), 0);
  const base::Error error = ErrorOf([&] { Index::Open(directory_.path()); });
  EXPECT_EQ(error.kind(), ErrorKind::kConfig);
  EXPECT_THAT(error.what(), HasSubstr("chmod 700"));
}

TEST_F(IndexDurabilityTest, FileInThePlaceOfTheDirectoryIsRefused) {
  const std::string path = directory_.path() + "/file";
  WriteFile(path, "x");
  EXPECT_EQ(ErrorOf([&] { Index::Open(path); }).kind(), ErrorKind::kConfig);
  EXPECT_EQ(ErrorOf([&] { Index::Open(path + "/below"); }).kind(), ErrorKind::kDisk);
}

}  // namespace
}  // namespace mailboxfs::store
