#include "mailboxfs/store/index.h"

#include <algorithm>
#include <limits>

#include "hasher.h"
#include "index_proof.h"
#include "index_tables.h"
#include "little_endian.h"
#include "mailboxfs/base/log.h"
#include "schema.h"
#include "sqlite_index.h"

namespace mailboxfs::store {

namespace {

constexpr size_t kReaders = 3;
// Of a listing at once.
constexpr size_t kMostListed = 1'000'000'000;
// More than are given out between two checkpoints of the log: those are what a power failure can take back.
constexpr int64_t kLostInos = 1'000'000;

// The UID is shown only while it means something: not that of a message that is set aside.
#define MAILBOXFS_NODE_COLUMNS                                                                                \
  "coalesce(link, ino), parent, kind, name, mtime, size, size_exact, tag, complete, "                         \
  "CASE WHEN uid_validity = (SELECT f.uid_validity FROM folders f WHERE f.ino = parent) THEN uid ELSE 0 END," \
  "ino, CASE WHEN shared_id IS NULL THEN 1 ELSE (SELECT count(*) FROM nodes o"                                \
  " WHERE o.shared_id = nodes.shared_id AND coalesce(o.link, o.ino) = coalesce(nodes.link, nodes.ino)) END"

// Of the rows that a search tree names, as the table has them, not as the tree has: two that can be compared.
#define MAILBOXFS_ROWS_OF(entries) \
  "SELECT " MAILBOXFS_NODE_COLUMNS " FROM (SELECT ino AS found FROM nodes " entries ") LEFT JOIN nodes ON ino = found"

#define MAILBOXFS_FOLDER_COLUMNS                                          \
  "ino, mailbox, id, selectable, uid_validity, uid_next, message_count, " \
  "listed_at, scanned_at, messages"

Node ReadNode(Statement& row) {
  Node node;
  node.ino = row.As<Ino>(0);
  node.parent = row.As<Ino>(1);
  node.kind = static_cast<NodeKind>(row.Int(2));
  node.name = row.Text(3);
  node.mtime = row.Int(4);
  node.size = row.As<uint64_t>(5);
  node.size_exact = row.Int(6) != 0;
  node.tag = row.As<uint64_t>(7);
  node.complete = row.Int(8) != 0;
  node.uid = row.As<model::Uid>(9);
  node.entry = row.As<Ino>(10);
  node.links = row.As<uint64_t>(11);
  return node;
}

// Each is, and none is there twice.
bool AreEntriesOf(const std::vector<Node>& nodes, Ino parent) {
  Ino last = 0;
  for (const Node& node : nodes) {
    if (node.parent != parent || node.entry <= last) return false;
    last = node.entry;
  }
  return true;
}

Folder ReadFolder(Statement& row) {
  Folder folder;
  folder.ino = row.As<Ino>(0);
  folder.mailbox = row.As<Ino>(1);
  folder.id = row.Text(2);
  folder.selectable = row.Int(3) != 0;
  folder.listed.uid_validity = row.As<model::UidValidity>(4);
  folder.listed.uid_next = row.As<model::Uid>(5);
  folder.listed.exists = row.As<uint32_t>(6);
  folder.listed_at = row.Int(7);
  folder.scanned_at = row.Int(8);
  folder.messages = row.As<uint64_t>(9);
  return folder;
}

uint64_t SeedFrom(const std::string& id) {
  Hasher hasher;
  hasher.Update(id);
  return LoadLittleEndian<uint64_t>(hasher.Finish().data());
}

model::UidValidity UidValidityOf(Database& database, Ino folder) {
  Statement row = database.Prepare("SELECT uid_validity FROM folders WHERE ino = ?").Bind(folder);
  return row.Step() ? row.As<model::UidValidity>(0) : 0;
}

template <typename Read>
auto FirstOf(Statement&& statement, Read read) -> std::optional<decltype(read(statement))> {
  if (!statement.Step()) return std::nullopt;
  return read(statement);
}

template <typename Read>
auto AllOf(Statement&& statement, Read read) {
  std::vector<decltype(read(statement))> rows;
  while (statement.Step()) rows.push_back(read(statement));
  return rows;
}

}  // namespace

std::unique_ptr<Index> Index::Open(const std::string& directory) { return std::make_unique<SqliteIndex>(directory); }

SqliteIndex::SqliteIndex(const std::string& directory)
    : lock_((MakePrivateDirectory(directory), DirectoryLock(directory, "lock"))), index_path_(directory + "/index.db") {
  try {
    OpenDatabase({.unclean = lock_.last_use_unclean(), .first = lock_.first_use()});
  } catch (const base::Error& error) {
    if (error.kind() != base::ErrorKind::kCorrupt) throw;
    readers_.reset();
    writer_.reset();
    base::LogError(
        "The index is damaged ({}). It was moved to {} and a new one is made: every folder will be listed again and "
        "every message gets a new inode number. Check the disk.",
        error.what(), MoveIndexAside(index_path_));
    OpenDatabase({});
  }
}

void SqliteIndex::OpenDatabase(const IndexOpening& opening) {
  base::MutexLock lock(write_mutex_);
  OpenedIndex opened = OpenIndexDatabase(index_path_, opening);
  writer_ = std::move(opened.database);
  if (opening.unclean && opened.existed) {
    last_lost_ino_ = writer_->QueryInt("SELECT seq FROM sqlite_sequence WHERE name = 'nodes'") + kLostInos;
    SkipLostInosForGood();
  } else if (!opened.existed && !opening.first) {
    base::LogInfo("a new index {} is made in a directory that was used before: all inode numbers are new", index_path_);
  }
  id_ = writer_->QueryText("SELECT value FROM meta WHERE key = 'id'");
  match_seed_ = SeedFrom(id_);
  std::vector<std::unique_ptr<Database>> readers;
  for (size_t i = 0; i < kReaders; ++i) readers.push_back(OpenIndexReader(index_path_));
  readers_ = std::make_unique<ReaderPool>(std::move(readers));
}

SqliteIndex::~SqliteIndex() {
  // If damage was met the next opening must look closely.
  bool clean = !damage_seen_ && !readers_->damaged() && !writer_->damaged();
  readers_.reset();
  try {
    base::MutexLock lock(write_mutex_);
    SkipLostInos();
  } catch (const base::Error& error) {
    base::LogWarning("{}; the index will be checked when it is opened again", error.what());
    clean = false;
  }
  writer_.reset();
  if (clean) lock_.MarkClean();
}

void SqliteIndex::FailDamaged(std::string_view how) {
  const std::string text =
      base::Format("the index {} is damaged ({}); unmount, and run mailboxfs fsck", index_path_, how);
  if (!damage_seen_.exchange(true)) base::LogError("{}", text);
  throw base::Error(base::ErrorKind::kCorrupt, text);
}

// On the disk before a number is given out: a second power failure would take the skip back, too.
void SqliteIndex::SkipLostInosForGood() {
  try {
    writer_->Execute("PRAGMA synchronous = FULL");
    Transaction transaction(*writer_);
    SkipLostInos();
    transaction.Commit();
    last_lost_ino_ = 0;
  } catch (const base::Error& error) {
    // A full disk keeps nobody from reading what is known.
    if (error.kind() != base::ErrorKind::kDiskFull) throw;
    base::LogDebug("{}", error.what());
  }
  writer_->Execute("PRAGMA synchronous = NORMAL");
}

void SqliteIndex::SkipLostInos() {
  if (last_lost_ino_ == 0) return;
  writer_->Prepare("UPDATE sqlite_sequence SET seq = ?1 WHERE name = 'nodes' AND seq < ?1").Bind(last_lost_ino_).Run();
}

std::optional<Node> SqliteIndex::Get(Ino ino) {
  auto reader = readers_->Take();
  return FirstOf(
      reader->Prepare("SELECT " MAILBOXFS_NODE_COLUMNS " FROM nodes WHERE ino = " MAILBOXFS_FIRST_ROW).Bind(ino),
      ReadNode);
}

std::vector<Node> SqliteIndex::Names(Ino message) {
  auto reader = readers_->Take();
  return AllOf(reader
                   ->Prepare("SELECT " MAILBOXFS_NODE_COLUMNS " FROM nodes WHERE ino IN " MAILBOXFS_ROWS
                             " AND kind = 2 ORDER BY ino")
                   .Bind(message),
               ReadNode);
}

// What was written between the search and its proof makes the two disagree: in one snapshot they must not.
template <typename Search, typename IsWrong>
std::optional<Node> SqliteIndex::FindOrProve(Database& reader, std::string_view how, Search search, IsWrong is_wrong) {
  std::optional<Node> node = search();
  if (!is_wrong(node)) return node;
  Transaction snapshot(reader, Transaction::Kind::kSnapshot);
  node = search();
  if (is_wrong(node)) FailDamaged(how);
  return node;
}

std::optional<Node> SqliteIndex::Find(Ino parent, std::string_view name) {
  auto reader = readers_->Take();
  return FindOrProve(
      *reader, "names are not where they should be",
      [&] {
        return FirstOf(reader->Prepare(MAILBOXFS_ROWS_OF("INDEXED BY nodes_name WHERE parent = ? AND name = ?"))
                           .Bind(parent)
                           .Bind(name),
                       ReadNode);
      },
      [&](const std::optional<Node>& node) {
        return node ? node->parent != parent || node->name != name : ContradictsAbsence(*reader, parent, name);
      });
}

std::optional<Node> SqliteIndex::FindUid(Ino folder, model::Uid uid) {
  auto reader = readers_->Take();
  return FindOrProve(
      *reader, "UIDs are not where they should be",
      [&] {
        return FirstOf(
            reader
                ->Prepare(MAILBOXFS_ROWS_OF("INDEXED BY nodes_uid WHERE parent = ?1 AND uid = ?2"
                                            " AND uid_validity = (SELECT uid_validity FROM folders WHERE ino = ?1)"))
                .Bind(folder)
                .Bind(uid),
            ReadNode);
      },
      [&](const std::optional<Node>& node) {
        if (node) return node->parent != folder || node->uid != uid;
        return ContradictsAbsence(*reader, folder, UidValidityOf(*reader, folder), uid);
      });
}

std::vector<Node> SqliteIndex::List(Ino parent, Ino after, size_t limit) {
  if (after > static_cast<Ino>(std::numeric_limits<int64_t>::max()) || limit == 0) return {};
  auto reader = readers_->Take();
  // With the row that the page before ended with: if the search for it goes astray, others are left out.
  std::vector<Node> nodes = AllOf(
      reader->Prepare(MAILBOXFS_ROWS_OF("INDEXED BY nodes_parent WHERE parent = ? AND ino >= ? ORDER BY ino LIMIT ?"))
          .Bind(parent)
          .Bind(after)
          .Bind(std::min(limit, kMostListed) + 1),
      ReadNode);
  if (!AreEntriesOf(nodes, parent)) FailDamaged("a listing names what is not there");
  if (!nodes.empty() && nodes.front().entry == after) {
    nodes.erase(nodes.begin());
  } else if (after != 0 && ContradictsPage(*reader, parent, after)) {
    FailDamaged("a listing misses what it has shown");
  }
  if (nodes.size() > limit) nodes.pop_back();
  if (nodes.empty() && ContradictsEnd(*reader, parent)) FailDamaged("a listing lacks messages or folders");
  return nodes;
}

std::vector<Node> SqliteIndex::ListByName(Ino parent, std::string_view after, size_t limit) {
  auto reader = readers_->Take();
  return AllOf(
      reader->Prepare(MAILBOXFS_ROWS_OF("INDEXED BY nodes_name WHERE parent = ? AND name > ? ORDER BY name LIMIT ?"))
          .Bind(parent)
          .Bind(after)
          .Bind(std::min(limit, kMostListed)),
      ReadNode);
}

std::optional<MessageDetails> SqliteIndex::Details(Ino message) {
  auto reader = readers_->Take();
  return FirstOf(reader->Prepare("SELECT flags, message_id FROM nodes WHERE ino = " MAILBOXFS_FIRST_ROW " AND kind = 2")
                     .Bind(message),
                 [](Statement& row) {
                   return MessageDetails{row.Text(0), row.Text(1)};
                 });
}

std::optional<Folder> SqliteIndex::GetFolder(Ino folder) {
  auto reader = readers_->Take();
  return FirstOf(reader->Prepare("SELECT " MAILBOXFS_FOLDER_COLUMNS " FROM folders WHERE ino = ?").Bind(folder),
                 ReadFolder);
}

std::optional<Folder> SqliteIndex::FindFolder(Ino mailbox, std::string_view id) {
  auto reader = readers_->Take();
  return FirstOf(reader->Prepare("SELECT " MAILBOXFS_FOLDER_COLUMNS " FROM folders WHERE mailbox = ? AND id = ?")
                     .Bind(mailbox)
                     .Bind(id),
                 ReadFolder);
}

std::vector<Folder> SqliteIndex::Folders(Ino mailbox) {
  auto reader = readers_->Take();
  return AllOf(
      reader->Prepare("SELECT " MAILBOXFS_FOLDER_COLUMNS " FROM folders WHERE mailbox = ? ORDER BY ino").Bind(mailbox),
      ReadFolder);
}

std::optional<Mailbox> SqliteIndex::GetMailbox(Ino mailbox) {
  auto reader = readers_->Take();
  return FirstOf(reader
                     ->Prepare("SELECT m.ino, m.key, n.name, m.listed_at"
                               " FROM mailboxes m JOIN nodes n ON n.ino = m.ino WHERE m.ino = ?")
                     .Bind(mailbox),
                 [](Statement& row) {
                   return Mailbox{row.As<Ino>(0), row.Text(1), row.Text(2), row.Int(3)};
                 });
}

std::vector<model::Uid> SqliteIndex::Uids(Ino folder) {
  auto reader = readers_->Take();
  return AllOf(reader
                   ->Prepare("SELECT uid FROM nodes INDEXED BY nodes_uid WHERE parent = ?1"
                             " AND uid_validity = (SELECT uid_validity FROM folders WHERE ino = ?1) ORDER BY uid")
                   .Bind(folder),
               [](Statement& row) { return row.As<model::Uid>(0); });
}

std::vector<model::Uid> SqliteIndex::IncompleteUids(Ino folder) {
  auto reader = readers_->Take();
  return AllOf(reader
                   ->Prepare("SELECT uid FROM nodes INDEXED BY nodes_incomplete WHERE parent = ?1 AND complete = 0"
                             " AND uid_validity = (SELECT uid_validity FROM folders WHERE ino = ?1) ORDER BY uid")
                   .Bind(folder),
               [](Statement& row) { return row.As<model::Uid>(0); });
}

uint64_t SqliteIndex::CountMessages() {
  auto reader = readers_->Take();
  return static_cast<uint64_t>(reader->QueryInt("SELECT total(messages) FROM folders"));
}

}  // namespace mailboxfs::store
