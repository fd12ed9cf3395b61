// A damaged index, after a proper end and in use: it never shows less than it knew without saying so.
// MAILBOXFS_TEST_FAULTS=10000 tries so many damages, rather than a few hundred.

#include <gmock/gmock.h>

#include <cstdlib>

#include "damaged_file.h"
#include "index_workload.h"

namespace mailboxfs::store {
namespace {

using base::ErrorKind;
using testing::HasSubstr;

uint64_t Cases() {
  const char* wanted = std::getenv("MAILBOXFS_TEST_FAULTS");
  return wanted == nullptr ? 300 : std::strtoull(wanted, nullptr, 10);
}

class IndexDamageTest : public testing::Test {
 protected:
  static constexpr size_t kPerPage = 100;

  IndexDamageTest() {
    const auto index = Index::Open(directory_.path());
    id_ = index->id();
    inbox_ = AddInbox(*index);
    mailbox_ = index->GetFolder(inbox_)->mailbox;
    const std::vector<NewFolder> folders = {MakeFolder("INBOX"), MakeFolder("Sent"), MakeFolder("Sent/Old", "Sent"),
                                            MakeFolder("Empty")};
    index->ReplaceFolders(mailbox_, folders, 100);
    AddMessages(*index, "INBOX", 1000);
    AddMessages(*index, "Sent", 150);
    AddMessages(*index, "Sent/Old", 3);
    AddMessages(*index, "Empty", 0);
    for (const Folder& folder : index->Folders(mailbox_)) {
      known_[folder.id] = Listed(*index, folder.ino);
      last_ = std::max(last_, folder.ino);
      for (const Node& node : known_[folder.id]) last_ = std::max(last_, node.entry);
    }
  }

  void AddMessages(Index& index, const std::string& id, model::Uid count) const {
    const Ino folder = index.FindFolder(mailbox_, id)->ino;
    index.BeginListing(folder, 7);
    index.AddMessages(folder, MakeMessages(1, count), 100);
    index.FinishListing(folder, {7, count + 1, count}, true, 100);
  }

  static std::vector<Node> Listed(Index& index, Ino folder) {
    std::vector<Node> all;
    for (Ino after = 0;;) {
      const std::vector<Node> page = index.List(folder, after, kPerPage);
      if (page.empty()) return all;
      after = page.back().entry;
      all.insert(all.end(), page.begin(), page.end());
    }
  }

  std::string path() const { return directory_.path() + "/index.db"; }
  bool MovedAside() const { return std::filesystem::exists(path() + ".corrupt-1"); }
  // Puts everything back, with these bytes as the database.
  void Restore(const std::string& bytes) const {
    for (const char* name : {"index.db", "index.db-wal", "index.db.corrupt-1", "index.db.corrupt-1-wal"}) {
      std::filesystem::remove(directory_.path() + "/" + name);
    }
    WriteFile(path(), bytes);
    WriteFile(directory_.path() + "/lock", "");
  }

  // Of what is held twice; a wrong size or date nobody can tell.
  static std::string Text(const std::vector<Node>& nodes) {
    std::string text;
    for (const Node& node : nodes) {
      text +=
          base::Format("{} {} {} {} {}\n", node.entry, node.parent, static_cast<int>(node.kind), node.name, node.uid);
    }
    return text;
  }
  // The folder shows what it knew, or says that it does not know.
  void ExpectAllOrNothing(Index& index, const std::string& id) const {
    const auto folder = index.FindFolder(mailbox_, id);
    if (!folder) {
      const auto mailbox = index.GetMailbox(mailbox_);
      EXPECT_TRUE(!mailbox || mailbox->listed_at == 0) << id << " has gone";
      return;
    }
    if (folder->listed_at == 0) return;
    EXPECT_EQ(Text(Listed(index, folder->ino)), Text(known_.at(id))) << id;
    for (const Node& node : known_.at(id)) {
      const auto found = index.Find(folder->ino, node.name);
      EXPECT_TRUE(found && found->entry == node.entry) << node.name;
      const auto numbered = node.uid == 0 ? found : index.FindUid(folder->ino, node.uid);
      EXPECT_TRUE(numbered && numbered->entry == node.entry) << node.uid;
      EXPECT_TRUE(index.Get(node.ino).has_value()) << node.ino;
    }
  }
  static void Unless(ErrorKind kind, const std::function<void()>& action) {
    try {
      action();
    } catch (const base::Error& error) {
      EXPECT_EQ(error.kind(), kind) << error.what();
    }
  }
  // Opens it as a mount does.
  void ExpectNothingLost() const {
    std::unique_ptr<Index> index;
    // The bytes that say whose it is, and of what version.
    Unless(ErrorKind::kConfig, [&] { index = Index::Open(directory_.path()); });
    if (!index) return;
    if (index->id() != id_ && MovedAside()) {
      EXPECT_GT(index->EnsureMailbox("x/new", "new", 100), last_) << "numbers are not given out again";
      return;
    }
    for (const auto& [id, messages] : known_) {
      Unless(ErrorKind::kCorrupt, [&, &folder = id] { ExpectAllOrNothing(*index, folder); });
    }
    EXPECT_NO_THROW(index->EnsureMailbox("contoso/a@example.org", "a@example.org", 100)) << "as each mount does";
  }

  TempDir directory_;
  std::string id_;
  Ino mailbox_ = 0, inbox_ = 0, last_ = 0;
  std::map<std::string, std::vector<Node>> known_;
};

TEST_F(IndexDamageTest, AnythingMayHappenToTheFileAfterAProperEnd) {
  const std::string sound = ReadFile(path());
  uint64_t noticed = 0;
  for (uint64_t seed = 0; seed < Cases() && !HasFailure(); ++seed) {
    std::mt19937_64 random(seed);
    std::string what;
    Restore(Damaged(sound, random, &what));
    SCOPED_TRACE(base::Format("seed {}: {}", seed, what));
    ExpectNothingLost();
    noticed += MovedAside() ? 1 : 0;
  }
  EXPECT_GT(noticed, Cases() / 4);
}

TEST_F(IndexDamageTest, AnyBitOfTheHeaderMayBeWrong) {
  constexpr size_t kHeader = 100;
  const std::string sound = ReadFile(path());
  const size_t bits = Cases() > 1000 ? 8 : 1;
  for (size_t at = 0; at < kHeader && !HasFailure(); ++at) {
    for (size_t bit = 0; bit < bits; ++bit) {
      SCOPED_TRACE(base::Format("bit {} of {}", (at + bit) % 8, at));
      Restore(WithFlippedBit(sound, at, static_cast<unsigned>((at + bit) % 8)));
      ExpectNothingLost();
    }
  }
}

// The one that nobody saw: `ls` had nothing to show.
TEST_F(IndexDamageTest, SearchTreesAreMadeAgainAtOpening) {
  const std::string sound = ReadFile(path());
  for (const char* tree : {"nodes_parent", "nodes_name", "nodes_uid"}) {
    const size_t root = RootOf(path(), tree);
    // The root is an inner node; the first key after its cell's page number and lengths.
    ASSERT_EQ(sound[root], 2) << tree;
    const size_t cell =
        root + static_cast<unsigned char>(sound[root + 12]) * 256 + static_cast<unsigned char>(sound[root + 13]);
    const size_t lengths = static_cast<unsigned char>(sound[cell + 5]);
    Restore(WithFlippedBit(sound, cell + 5 + lengths, 5));
    SCOPED_TRACE(tree);
    EXPECT_THAT(Findings(directory_.path()), HasSubstr("its rows cannot all be found"));
    const auto index = Index::Open(directory_.path());
    EXPECT_FALSE(MovedAside());
    EXPECT_EQ(index->id(), id_);
    EXPECT_EQ(index->GetFolder(inbox_)->listed_at, 0) << "the rows may be what is wrong";
    EXPECT_EQ(Text(Listed(*index, inbox_)), Text(known_.at("INBOX")));
  }
}

TEST_F(IndexDamageTest, FolderWhoseCountIsWrongIsListedAgain) {
  Database(path()).Execute("UPDATE nodes SET parent = (SELECT ino FROM folders WHERE id = 'Empty') WHERE uid = 500");
  const auto index = Index::Open(directory_.path());
  EXPECT_EQ(index->GetFolder(inbox_)->listed_at, 0);
  EXPECT_EQ(index->GetFolder(index->FindFolder(mailbox_, "Empty")->ino)->listed_at, 0);
  EXPECT_NE(index->GetFolder(index->FindFolder(mailbox_, "Sent")->ino)->listed_at, 0);
}

TEST_F(IndexDamageTest, EmptyFileIsMovedAsideAndItsNumbersAreNotGivenOutAgain) {
  for (const char* bytes : {"", "x"}) {
    Restore(bytes);
    const auto index = Index::Open(directory_.path());
    EXPECT_TRUE(MovedAside());
    EXPECT_NE(index->id(), id_);
    EXPECT_GT(AddInbox(*index), last_);
  }
}

TEST_F(IndexDamageTest, NorAreThoseOfAnIndexThatHasGone) {
  std::filesystem::remove(path());
  const auto index = Index::Open(directory_.path());
  EXPECT_FALSE(MovedAside());
  EXPECT_GT(AddInbox(*index), last_);
}

TEST_F(IndexDamageTest, NumbersAfterALostIndexAreSoundForFsck) {
  WriteFile(path(), "");
  AddInbox(*Index::Open(directory_.path()));
  EXPECT_EQ(Findings(directory_.path()), "");
}

TEST_F(IndexDamageTest, OldVersionNumberOrAChangedTableIsDamage) {
  for (const char* damage :
       {"PRAGMA user_version = 2", "PRAGMA user_version = 0",
        "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = replace(sql, 'size_exact INTEGER NOT NULL DEFAULT "
        "0', 'size_exact INTEGER NOT NULL DEFAULT 1')"}) {
    const std::string sound = ReadFile(path());
    Database(path()).Execute(damage);
    EXPECT_THAT(Findings(directory_.path()), HasSubstr("the database is damaged")) << damage;
    EXPECT_NE(Index::Open(directory_.path())->id(), id_) << damage;
    EXPECT_TRUE(MovedAside()) << damage;
    Restore(sound);
  }
}

// -- Damage that comes while it is open, before a page was read.

class DamageInUseTest : public IndexDamageTest {
 protected:
  // For each cell of a tree's root: flips a bit in its key, and does `use`, until the cells end.
  void ForEachKeyOf(const std::string& tree, const std::function<void(Index&)>& use) {
    const std::string sound = ReadFile(path());
    const size_t root = RootOf(path(), tree);
    ASSERT_EQ(sound[root], 2) << "an inner node";
    const size_t cells = Number(sound, root + 3);
    ASSERT_GT(cells, 0u);
    for (size_t cell = 0; cell < std::min<size_t>(cells, 8); ++cell) {
      const size_t start = root + Number(sound, root + 12 + 2 * cell) + 5;
      const size_t end = start + static_cast<unsigned char>(sound[start - 1]);
      for (size_t at = start + static_cast<unsigned char>(sound[start]); at < end; ++at) {
        Restore(sound);
        SCOPED_TRACE(base::Format("cell {}, {} of {}", cell, at - start, end - start));
        const auto index = Index::Open(directory_.path());
        Patch(path(), at, std::string(1, static_cast<char>(static_cast<unsigned char>(sound[at]) ^ (1U << at % 8))));
        use(*index);
      }
    }
  }
  static size_t Number(const std::string& bytes, size_t at) {
    return static_cast<unsigned char>(bytes[at]) * size_t{256} + static_cast<unsigned char>(bytes[at + 1]);
  }
};

TEST_F(DamageInUseTest, ListingIsWholeOrFails) {
  uint64_t failed = 0;
  ForEachKeyOf("nodes_parent", [&](Index& index) {
    try {
      EXPECT_EQ(Text(Listed(index, inbox_)), Text(known_.at("INBOX")));
    } catch (const base::Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kCorrupt) << error.what();
      ++failed;
    }
  });
  EXPECT_GT(failed, 0u);
}

TEST_F(DamageInUseTest, NameIsFoundOrItsAbsenceIsNotSaid) {
  uint64_t failed = 0;
  ForEachKeyOf("nodes_name", [&](Index& index) {
    for (const Node& node : known_.at("INBOX")) {
      try {
        EXPECT_TRUE(index.Find(inbox_, node.name).has_value()) << node.name;
      } catch (const base::Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::kCorrupt) << error.what();
        ++failed;
      }
    }
  });
  EXPECT_GT(failed, 0u);
}

TEST_F(DamageInUseTest, UidIsFoundOrItsAbsenceIsNotSaid) {
  uint64_t failed = 0;
  ForEachKeyOf("nodes_uid", [&](Index& index) {
    for (const Node& node : known_.at("INBOX")) {
      try {
        EXPECT_TRUE(index.FindUid(inbox_, node.uid).has_value()) << node.uid;
      } catch (const base::Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::kCorrupt) << error.what();
        ++failed;
      }
    }
  });
  EXPECT_GT(failed, 0u);
}

TEST_F(DamageInUseTest, EmptiedTreeIsNoEmptyFolderAndTheNextOpeningKnows) {
  const std::string sound = ReadFile(path());
  for (const char* tree : {"nodes_parent", "nodes_name", "nodes_uid"}) {
    Restore(sound);
    const size_t root = RootOf(path(), tree);
    {
      const auto index = Index::Open(directory_.path());
      // A leaf without cells.
      Patch(path(), root, std::string("\x0a\0\0\0\0\x10\0\0", 8));
      const base::Error error = ErrorOf([&] {
        Listed(*index, inbox_);
        index->Find(inbox_, known_.at("INBOX")[500].name);
        index->FindUid(inbox_, 500);
      });
      EXPECT_EQ(error.kind(), ErrorKind::kCorrupt);
      EXPECT_THAT(error.what(), HasSubstr("run mailboxfs fsck")) << tree;
      EXPECT_NO_THROW(index->GetFolder(inbox_));
    }
    EXPECT_GT(std::filesystem::file_size(directory_.path() + "/lock"), 0u) << "the next opening knows";
    ExpectNothingLost();
  }
}

TEST_F(DamageInUseTest, WhatIsAbsentIsAbsent) {
  const auto index = Index::Open(directory_.path());
  const Ino empty = index->FindFolder(mailbox_, "Empty")->ino;
  for (const Ino directory : {kRootIno, mailbox_, inbox_, empty, Ino{999'999}}) {
    for (const char* name : {"", ".git", "2022-10-01_hello.1000.em", "INBOX/", "zz", "\xff"}) {
      EXPECT_FALSE(index->Find(directory, name).has_value()) << directory << " " << name;
    }
    for (const model::Uid uid : {model::Uid{0}, model::Uid{1001}, model::Uid{4'000'000'000}}) {
      EXPECT_FALSE(index->FindUid(directory, uid).has_value());
    }
  }
  EXPECT_TRUE(index->List(empty, 0, 10).empty());
  EXPECT_TRUE(index->List(inbox_, last_, 10).empty());
  EXPECT_TRUE(index->List(Ino{999'999}, 0, 10).empty());
  // One that has gone since the page before, or was never there.
  index->RemoveUids(inbox_, std::vector<model::Uid>{500}, 100);
  EXPECT_EQ(index->List(inbox_, known_.at("INBOX")[499].entry, 10).front().uid, 501u);
}

}  // namespace
}  // namespace mailboxfs::store
