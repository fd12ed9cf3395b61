#include "index_fsck.h"

#include <algorithm>
#include <limits>

#include "index_contradictions.h"
#include "index_tables.h"
#include "mailboxfs/base/encoding.h"
#include "mailboxfs/base/log.h"
#include "schema.h"

namespace mailboxfs::store {

namespace {

constexpr int64_t kMaxMessageSize = int64_t{1} << 40;
constexpr int64_t kMaxUid = std::numeric_limits<uint32_t>::max();
// As after a power failure: nobody knows how many numbers were given out.
constexpr int64_t kSkippedInos = 1'000'000;
constexpr size_t kMaxFileName = 255;
constexpr size_t kMaxDepth = 1000;
constexpr uint64_t kRowsPerReport = 1000;

std::string InodeName(Ino ino) { return base::Format("inode {}", ino); }

bool IsFileName(std::string_view name) {
  return !name.empty() && name.size() <= kMaxFileName && name != "." && name != ".." &&
         name.find('/') == std::string_view::npos && name.find('\0') == std::string_view::npos;
}

}  // namespace

// One row of `nodes`.
struct IndexFsck::NodeRow {
  Ino ino = 0;
  Ino parent = 0;
  int64_t kind = 0;
  std::string name;
  int64_t size = 0;
  int64_t size_exact = 0;
  int64_t complete = 0;
  int64_t uid_validity = 0;
  int64_t uid = 0;
  bool types_fit = false;
};

std::string IndexPathOf(Database& database, Ino ino) {
  std::string path;
  for (size_t depth = 0; ino != kRootIno && depth < kMaxDepth; ++depth) {
    Statement row = database.Prepare("SELECT parent, name FROM nodes WHERE ino = ?").Bind(ino);
    if (!row.Step()) return path.empty() ? InodeName(ino) : InodeName(ino) + "/" + path;
    path = base::Printable(row.Text(1)) + (path.empty() ? "" : "/" + path);
    ino = row.As<Ino>(0);
  }
  return path;
}

void MendIndexRows(Database& database) {
  if (!ContradictsItself(database)) return;
  try {
    Transaction transaction(database);
    FsckSummary summary;
    const std::vector<FsckFinding> findings = IndexFsck(database, {}).Run(&summary);
    transaction.Commit();
    for (const FsckFinding& finding : findings) {
      base::LogWarning("index: {}: {}; {}", finding.where, finding.problem, finding.repair);
    }
  } catch (const base::Error& error) {
    // A full disk keeps nobody from reading what is known.
    if (error.kind() != base::ErrorKind::kDiskFull) throw;
    base::LogWarning("the index contradicts itself, and cannot be mended: {}", error.what());
  }
}

std::vector<FsckFinding> IndexFsck::Run(FsckSummary* summary) {
  CheckId();
  CheckMailboxes();
  CheckFolders();
  CheckPlaces();
  CheckNodes();
  RemoveUnsound();
  CheckLinks();
  CheckCounts();
  CheckAside();
  CheckSequence();
  ListAgain();
  summary->mailboxes += mailboxes_.size();
  summary->folders += folders_.size();
  for (const auto& [ino, folder] : folders_) summary->messages += folder.counted;
  return std::move(findings_);
}

void IndexFsck::Add(std::string where, std::string problem, std::string repair) {
  findings_.push_back({std::move(where), std::move(problem), std::move(repair), false});
}

void IndexFsck::CheckId() {
  if (db_.Prepare("SELECT 1 FROM meta WHERE key = 'id' AND typeof(value) = 'text' AND length(value) = 32").Step())
    return;
  Add("index", "it has lost its id, which ties the cached bodies to it", "it got a new one; cached bodies are dropped");
  db_.Execute("INSERT OR REPLACE INTO meta(key, value) VALUES('id', lower(hex(randomblob(16))))");
}

void IndexFsck::CheckMailboxes() {
  struct Row {
    Ino ino;
    std::string key;
    bool in_place;
    bool has_node;
    std::string name;
  };
  std::vector<Row> rows;
  for (auto row = db_.Prepare("SELECT m.ino, m.key, n.parent = 1, n.kind IS 0, n.name FROM mailboxes m"
                              " LEFT JOIN nodes n ON n.ino = m.ino ORDER BY m.ino");
       row.Step();) {
    rows.push_back({row.As<Ino>(0), row.Text(1), row.Int(2) != 0, row.Int(3) != 0, row.Text(4)});
  }
  for (const Row& row : rows) {
    if (!row.has_node || row.ino <= kReservedInos) {
      Add(base::Printable(row.key), base::Format("the mailbox's directory ({}) is missing", InodeName(row.ino)),
          "forgotten; the next mount makes it anew, with new inode numbers");
      db_.Prepare("DELETE FROM mailboxes WHERE ino = ?").Bind(row.ino).Run();
      continue;
    }
    mailboxes_[row.ino] = row.key;
    if (row.in_place) continue;
    Add(base::Printable(row.key), "the mailbox's directory is not at the top", "moved there");
    const std::string name = FreeName(db_, kRootIno, row.name, NodeKind::kMailbox);
    db_.Prepare("UPDATE nodes SET parent = ?2, name = ?3 WHERE ino = ?1").Bind(row.ino).Bind(kRootIno).Bind(name).Run();
  }
}

void IndexFsck::CheckFolders() {
  std::map<Ino, std::pair<FolderRow, std::string>> rows;
  for (auto row =
           db_.Prepare("SELECT f.ino, f.mailbox, n.parent, f.id, f.selectable, f.uid_validity, f.messages, n.kind"
                       " FROM folders f LEFT JOIN nodes n ON n.ino = f.ino");
       row.Step();) {
    rows[row.As<Ino>(0)] = {
        {row.As<Ino>(1), row.As<Ino>(2), row.Text(3), row.Int(4) != 0, row.Int(5), row.As<uint64_t>(6), 0},
        row.Text(7)};
  }
  for (const auto& [ino, row] : rows) CheckFolderRow(ino, row.first, row.second);
}

void IndexFsck::CheckFolderRow(Ino ino, const FolderRow& folder, const std::string& kind) {
  const auto mailbox = mailboxes_.find(folder.mailbox);
  const bool known = mailbox != mailboxes_.end();
  if (known && kind == "1" && ino > kReservedInos) {
    folders_[ino] = folder;
    if (folder.uid_validity >= 0 && folder.uid_validity <= kMaxUid) return;
    Add(IndexPathOf(db_, ino), base::Format("impossible UIDVALIDITY {}", folder.uid_validity),
        "its messages are matched again when it is listed");
    db_.Prepare("UPDATE folders SET uid_validity = 0 WHERE ino = ?").Bind(ino).Run();
    folders_[ino].uid_validity = 0;
    to_list_.insert(ino);
    return;
  }
  Add(base::Format("{}/{}", known ? base::Printable(mailbox->second) : InodeName(folder.mailbox),
                   base::Printable(folder.id)),
      known ? base::Format("the folder's directory ({}) is missing", InodeName(ino))
            : "the folder's mailbox is missing",
      "forgotten; it is listed again, with new inode numbers");
  db_.Prepare("DELETE FROM folders WHERE ino = ?").Bind(ino).Run();
  if (known) to_list_.insert(folder.mailbox);
}

// Each folder must lead to its mailbox.
void IndexFsck::CheckPlaces() {
  for (const auto& [ino, folder] : folders_) {
    const auto parent = folders_.find(folder.parent);
    const bool below = parent != folders_.end() && parent->second.mailbox == folder.mailbox;
    if (folder.parent != folder.mailbox && !below) Reattach(ino, "its parent directory is missing");
  }
  for (const auto& [ino, folder] : folders_) {
    if (!LeadsToMailbox(ino)) Reattach(ino, "it is below itself");
  }
}

bool IndexFsck::LeadsToMailbox(Ino ino) const {
  // No chain without a loop is longer.
  for (size_t steps = 0; steps <= folders_.size(); ++steps) {
    const auto folder = folders_.find(ino);
    if (folder == folders_.end()) return true;
    ino = folder->second.parent;
  }
  return false;
}

void IndexFsck::Reattach(Ino ino, const std::string& problem) {
  FolderRow& folder = folders_.at(ino);
  Add(base::Printable(mailboxes_.at(folder.mailbox) + "/" + folder.id), problem,
      "put at the mailbox's top, until the folders are listed again");
  std::string name;
  if (Statement row = db_.Prepare("SELECT name FROM nodes WHERE ino = ?").Bind(ino); row.Step()) name = row.Text(0);
  name = FreeName(db_, folder.mailbox, name, NodeKind::kFolder);
  db_.Prepare("UPDATE nodes SET parent = ?2, name = ?3 WHERE ino = ?1").Bind(ino).Bind(folder.mailbox).Bind(name).Run();
  folder.parent = folder.mailbox;
  to_list_.insert(folder.mailbox);
}

void IndexFsck::CheckNodes() {
  const auto total = static_cast<uint64_t>(db_.QueryInt("SELECT count(*) FROM nodes"));
  uint64_t done = 0;
  for (auto row = db_.Prepare("SELECT ino, parent, kind, name, size, size_exact, complete, ifnull(uid_validity, -1),"
                              " ifnull(uid, -1),"
                              " typeof(parent) = 'integer' AND typeof(kind) = 'integer' AND typeof(name) = 'text'"
                              " AND typeof(mtime) = 'integer' AND typeof(size) = 'integer'"
                              " AND typeof(tag) = 'integer' FROM nodes ORDER BY ino");
       row.Step(); ++done) {
    if (progress_ && done % kRowsPerReport == 0) progress_(done, total);
    const NodeRow node = {row.As<Ino>(0), row.As<Ino>(1), row.Int(2), row.Text(3), row.Int(4),
                          row.Int(5),     row.Int(6),     row.Int(7), row.Int(8),  row.Int(9) != 0};
    if (node.kind == static_cast<int>(NodeKind::kMessage)) {
      CheckMessage(node);
    } else {
      CheckDirectory(node);
    }
  }
}

void IndexFsck::CheckDirectory(const NodeRow& node) {
  const bool known =
      node.kind == static_cast<int>(NodeKind::kMailbox) ? mailboxes_.contains(node.ino) : folders_.contains(node.ino);
  if (!known) {
    Add(InodeName(node.ino) + " \"" + base::Printable(node.name) + "\"", "nobody knows what this directory is",
        "removed; what it was is listed again");
    unsound_.push_back(node.ino);
    for (const auto& [mailbox, key] : mailboxes_) to_list_.insert(mailbox);
  } else if (!IsFileName(node.name)) {
    Add(IndexPathOf(db_, node.ino), "its name cannot be a file's", "renamed");
    names_.emplace_back(node.ino, base::Format("folder-{}", node.ino));
  }
}

void IndexFsck::CheckMessage(const NodeRow& node) {
  const auto folder = folders_.find(node.parent);
  if (folder == folders_.end()) {
    ++orphans_[node.parent];
    unsound_.push_back(node.ino);
    return;
  }
  const bool has_identity = node.ino > kReservedInos && node.types_fit && node.uid > 0 && node.uid <= kMaxUid &&
                            node.uid_validity >= 0 && node.uid_validity <= kMaxUid;
  if (!has_identity || !folder->second.selectable) {
    Add(IndexPathOf(db_, node.ino), has_identity ? "a message in a folder that has none" : "no such message can be",
        "removed; the folder is listed again");
    unsound_.push_back(node.ino);
    to_list_.insert(node.parent);
    return;
  }
  ++folder->second.counted;
  CheckValues(node);
}

void IndexFsck::CheckValues(const NodeRow& node) {
  if (!IsFileName(node.name)) {
    Add(IndexPathOf(db_, node.ino), "its name cannot be a file's", "renamed to its UID");
    names_.emplace_back(node.ino, base::Format("{}.eml", node.uid));
  }
  const bool size_fits = node.size >= 0 && node.size <= kMaxMessageSize;
  if (size_fits && (node.size_exact == 0 || node.size_exact == 1) && (node.complete == 0 || node.complete == 1)) return;
  Add(IndexPathOf(db_, node.ino), base::Format("impossible size {}, or marks", node.size),
      "the size counts as an estimate until the message is opened");
  // In the order of the inodes, so it does not meet the row again.
  db_.Prepare("UPDATE nodes SET size = ?2, size_exact = 0, complete = (complete <> 0) WHERE ino = ?1")
      .Bind(node.ino)
      .Bind(size_fits ? node.size : 0)
      .Run();
}

void IndexFsck::RemoveUnsound() {
  for (const auto& [parent, count] : orphans_) {
    Add(InodeName(parent), base::Format("{} of a folder that is missing", base::CountOf(count, "message")),
        "removed; what is at the server is listed again");
  }
  for (const Ino ino : unsound_) db_.Prepare("DELETE FROM nodes WHERE ino = ?").Bind(ino).Run();
  for (const auto& [ino, name] : names_) {
    Statement row = db_.Prepare("SELECT parent, kind FROM nodes WHERE ino = ?").Bind(ino);
    if (!row.Step()) continue;
    const std::string free_name = FreeName(db_, row.As<Ino>(0), name, static_cast<NodeKind>(row.Int(1)));
    db_.Prepare("UPDATE nodes SET name = ?2 WHERE ino = ?1").Bind(ino).Bind(free_name).Run();
  }
}

// Which of an inode's rows is right nobody knows; apart, each is what the server says of it.
void IndexFsck::CheckLinks() {
  std::vector<std::pair<Ino, Ino>> wrong;
  for (auto row = db_.Prepare(kWrongLinks); row.Step();) wrong.emplace_back(row.As<Ino>(0), row.As<Ino>(1));
  for (const auto& [row, inode] : wrong) {
    Add(IndexPathOf(db_, row), base::Format("it cannot be a name of {}", InodeName(inode)),
        "a file of its own; its size counts as an estimate until it is opened");
    db_.Prepare("UPDATE nodes SET link = NULL, shared_id = NULL, size_exact = 0, tag = random() WHERE ino = ?")
        .Bind(row)
        .Run();
  }
}

// Who knows which messages are lost, or not where they belong?
void IndexFsck::CheckCounts() {
  for (const auto& [ino, folder] : folders_) {
    if (folder.counted == folder.messages) continue;
    // Removed rows have been told of.
    if (to_list_.insert(ino).second) {
      Add(IndexPathOf(db_, ino),
          base::Format("its count of messages is {}, but there are {}", folder.messages, folder.counted),
          "counted; the folder is listed again");
    }
    db_.Prepare("UPDATE folders SET messages = ?2 WHERE ino = ?1").Bind(ino).Bind(folder.counted).Run();
  }
}

// A message whose UIDVALIDITY is not its folder's waits in `aside`, and nothing else is there.
void IndexFsck::CheckAside() {
  db_.Prepare(
         "DELETE FROM aside WHERE NOT EXISTS (SELECT 1 FROM nodes n JOIN folders f ON f.ino = n.parent"
         " WHERE n.ino = aside.ino AND n.kind = 2 AND n.parent = aside.folder AND n.uid = aside.uid"
         " AND n.match_key = aside.match_key AND n.uid_validity <> f.uid_validity)")
      .Run();
  if (const uint64_t removed = db_.Changes(); removed != 0) {
    Add("index", base::Format("{} set aside that need not be", base::CountOf(removed, "message")), "no longer");
  }
  db_.Prepare(
         "INSERT OR IGNORE INTO aside(folder, match_key, uid, ino)"
         " SELECT n.parent, ifnull(n.match_key, ''), n.uid, n.ino FROM nodes n JOIN folders f ON f.ino = n.parent"
         " WHERE n.kind = 2 AND n.uid_validity <> f.uid_validity")
      .Run();
  if (const uint64_t added = db_.Changes(); added != 0) {
    Add("index", base::Format("{} of an old UIDVALIDITY not set aside", base::CountOf(added, "message")),
        "set aside, to be matched when the folder is listed");
    for (auto row = db_.Prepare("SELECT DISTINCT folder FROM aside"); row.Step();) to_list_.insert(row.As<Ino>(0));
  }
}

void IndexFsck::CheckSequence() {
  const int64_t rows = db_.QueryInt("SELECT count(*) FROM sqlite_sequence WHERE name = 'nodes'");
  const int64_t given = db_.QueryInt("SELECT max(seq) FROM sqlite_sequence WHERE name = 'nodes'");
  const int64_t highest = db_.QueryInt("SELECT max(ino) FROM nodes");
  if (rows == 1 && given >= highest && given >= static_cast<int64_t>(kReservedInos) && given <= kMaxIno) return;
  const int64_t next = std::max<int64_t>(highest, kReservedInos) + kSkippedInos;
  Add("index",
      base::Format("it has forgotten which inode numbers were given out (up to {}, it says {})", highest, given),
      base::Format("it goes on at {}", next));
  db_.Execute("DELETE FROM sqlite_sequence WHERE name = 'nodes'");
  db_.Prepare("INSERT INTO sqlite_sequence(name, seq) VALUES('nodes', ?)").Bind(next).Run();
}

// Until then nobody can be told that something does not exist.
void IndexFsck::ListAgain() {
  for (const Ino ino : to_list_) {
    db_.Prepare("UPDATE mailboxes SET listed_at = 0 WHERE ino = ?").Bind(ino).Run();
    db_.Prepare("UPDATE folders SET uid_next = 0, message_count = 0, listed_at = 0, scanned_at = 0 WHERE ino = ?")
        .Bind(ino)
        .Run();
  }
}

}  // namespace mailboxfs::store
