// SqliteIndex: mailboxes and the folder list.

#include <algorithm>
#include <map>
#include <set>

#include "index_tables.h"
#include "mailboxfs/base/encoding.h"
#include "mailboxfs/base/log.h"
#include "sqlite_index.h"

namespace mailboxfs::store {

using base::Error;
using base::ErrorKind;

namespace {

Ino InsertDirectory(Database& database, Ino parent, NodeKind kind, std::string_view name, int64_t now) {
  const std::string free_name = FreeName(database, parent, name, kind);
  database.Prepare("INSERT INTO nodes(parent, kind, mtime, name) VALUES(?, ?, ?, ?)")
      .Bind(parent)
      .Bind(static_cast<int>(kind))
      .Bind(now)
      .Bind(free_name)
      .Run();
  return static_cast<Ino>(database.LastInsertId());
}

// All messages of a folder that stays.
void RemoveMessagesOf(Database& database, Ino folder, std::vector<Removed>* removed) {
  for (auto rows = database
                       .Prepare("SELECT coalesce(n.link, n.ino), n.name, " MAILBOXFS_LINKED
                                " FROM nodes n WHERE n.parent = ? AND n.kind = 2")
                       .Bind(folder);
       rows.Step();) {
    removed->push_back({rows.As<Ino>(0), folder, rows.Text(1), rows.Int(2) != 0});
  }
  database.Prepare("DELETE FROM nodes WHERE parent = ? AND kind = 2").Bind(folder).Run();
  database.Prepare("DELETE FROM aside WHERE folder = ?").Bind(folder).Run();
  database
      .Prepare(
          "UPDATE folders SET uid_validity = 0, uid_next = 0, message_count = 0, listed_at = 0, scanned_at = 0,"
          " messages = 0 WHERE ino = ?")
      .Bind(folder)
      .Run();
}

// One call of ReplaceFolders, inside its transaction.
class FolderReplacement {
 public:
  FolderReplacement(Database& database, Ino mailbox, int64_t now) : db_(database), mailbox_(mailbox), now_(now) {
    for (auto rows = db_.Prepare("SELECT f.id, f.ino, n.parent, f.selectable, n.name FROM folders f"
                                 " JOIN nodes n ON n.ino = f.ino WHERE f.mailbox = ?")
                         .Bind(mailbox);
         rows.Step();) {
      known_[rows.Text(0)] = {rows.As<Ino>(1), rows.As<Ino>(2), rows.Int(3) != 0, rows.Text(4)};
    }
    Statement row = db_.Prepare("SELECT listed_at <> 0 FROM mailboxes WHERE ino = ?").Bind(mailbox);
    listed_before_ = row.Step() && row.Int(0) != 0;
  }

  // First, so that the names become free.
  void RemoveAllBut(std::span<const NewFolder> folders) {
    std::set<std::string_view> listed;
    for (const NewFolder& folder : folders) listed.insert(folder.id);
    for (const NewFolder& folder : folders) {
      if (folder.unlisted) InsertAncestors(folder.id, &listed);
    }
    for (const auto& [id, folder] : known_) {
      if (!listed.contains(id)) RemoveFolder(folder);
    }
  }

  void Put(const NewFolder& folder) {
    if (placed_.contains(folder.id)) return;
    if (folder.unlisted) {
      if (const auto stays = known_.find(folder.id); stays != known_.end()) placed_[folder.id] = stays->second.ino;
      return;
    }
    const Ino parent = ParentOf(folder);
    const auto known = known_.find(folder.id);
    if (known == known_.end()) {
      const Ino ino = InsertDirectory(db_, parent, NodeKind::kFolder, folder.name, now_);
      db_.Prepare("INSERT INTO folders(ino, mailbox, id, selectable) VALUES(?, ?, ?, ?)")
          .Bind(ino)
          .Bind(mailbox_)
          .Bind(folder.id)
          .Bind(folder.selectable ? 1 : 0)
          .Run();
      changed_.insert(parent);
      placed_[folder.id] = ino;
      return;
    }
    if (known->second.parent != parent) Move(known->second, folder, parent);
    if (known->second.selectable != folder.selectable) SetSelectable(known->second, folder.selectable);
    placed_[folder.id] = known->second.ino;
  }

  std::vector<Removed> Finish() {
    // As for messages: the first listing of what nobody can have read before changes nothing.
    if (listed_before_) {
      for (const Ino directory : changed_) Touch(db_, directory, now_);
    }
    db_.Prepare("UPDATE mailboxes SET listed_at = ?2 WHERE ino = ?1").Bind(mailbox_).Bind(now_).Run();
    return std::move(removed_);
  }

 private:
  struct Known {
    Ino ino = 0;
    Ino parent = 0;
    bool selectable = true;
    std::string name;
  };

  void InsertAncestors(std::string_view id, std::set<std::string_view>* listed) const {
    for (auto folder = known_.find(id); folder != known_.end();) {
      listed->insert(folder->first);
      const Ino parent = folder->second.parent;
      folder = std::find_if(known_.begin(), known_.end(), [&](const auto& one) { return one.second.ino == parent; });
    }
  }

  Ino ParentOf(const NewFolder& folder) const {
    if (folder.parent_id.empty()) return mailbox_;
    const auto parent = placed_.find(folder.parent_id);
    if (parent == placed_.end()) {
      throw Error(ErrorKind::kInternal, base::Format("folder {} was given before its parent {}",
                                                     base::Printable(folder.id), base::Printable(folder.parent_id)));
    }
    return parent->second;
  }

  void RemoveFolder(const Known& folder) {
    for (auto rows = db_.Prepare("SELECT coalesce(n.link, n.ino), n.name FROM nodes n"
                                 " WHERE n.parent = ? AND " MAILBOXFS_LINKED)
                         .Bind(folder.ino);
         rows.Step();) {
      removed_.push_back({rows.As<Ino>(0), folder.ino, rows.Text(1), true});
    }
    db_.Prepare("DELETE FROM nodes WHERE parent = ? AND kind = 2").Bind(folder.ino).Run();
    db_.Prepare("DELETE FROM aside WHERE folder = ?").Bind(folder.ino).Run();
    db_.Prepare("DELETE FROM folders WHERE ino = ?").Bind(folder.ino).Run();
    db_.Prepare("DELETE FROM nodes WHERE ino = ?").Bind(folder.ino).Run();
    removed_.push_back({folder.ino, folder.parent, folder.name, false});
    changed_.insert(folder.parent);
  }

  void Move(const Known& known, const NewFolder& folder, Ino parent) {
    const std::string name = FreeName(db_, parent, folder.name, NodeKind::kFolder);
    db_.Prepare("UPDATE nodes SET parent = ?2, name = ?3 WHERE ino = ?1").Bind(known.ino).Bind(parent).Bind(name).Run();
    removed_.push_back({known.ino, known.parent, known.name, false});
    changed_.insert(known.parent);
    changed_.insert(parent);
  }

  void SetSelectable(const Known& known, bool selectable) {
    db_.Prepare("UPDATE folders SET selectable = ?2 WHERE ino = ?1").Bind(known.ino).Bind(selectable ? 1 : 0).Run();
    if (selectable) return;
    const size_t before = removed_.size();
    RemoveMessagesOf(db_, known.ino, &removed_);
    if (removed_.size() != before) changed_.insert(known.ino);
  }

  Database& db_;
  const Ino mailbox_;
  const int64_t now_;
  std::map<std::string, Known, std::less<>> known_;
  std::map<std::string, Ino, std::less<>> placed_;
  std::set<Ino> changed_;
  bool listed_before_ = false;
  std::vector<Removed> removed_;
};

}  // namespace

Ino SqliteIndex::EnsureMailbox(std::string_view key, std::string_view name, int64_t now) {
  base::MutexLock lock(write_mutex_);
  Transaction transaction(*writer_);
  Ino ino = 0;
  {
    Statement known = writer_->Prepare("SELECT ino FROM mailboxes WHERE key = ?").Bind(key);
    if (known.Step()) ino = known.As<Ino>(0);
  }
  Ino holder = 0;
  {
    Statement named = writer_->Prepare("SELECT ino FROM nodes WHERE parent = ? AND name = ?").Bind(kRootIno).Bind(name);
    if (named.Step()) holder = named.As<Ino>(0);
  }
  if (ino != 0 && holder == ino) return ino;
  if (holder != 0) {
    // That mailbox is no longer configured, or is about to get another name.
    const std::string other_name = FreeName(*writer_, kRootIno, name, NodeKind::kMailbox);
    writer_->Prepare("UPDATE nodes SET name = ?2 WHERE ino = ?1").Bind(holder).Bind(other_name).Run();
  }
  if (ino != 0) {
    writer_->Prepare("UPDATE nodes SET name = ?2 WHERE ino = ?1").Bind(ino).Bind(name).Run();
  } else {
    SkipLostInos();
    ino = InsertDirectory(*writer_, kRootIno, NodeKind::kMailbox, name, now);
    writer_->Prepare("INSERT INTO mailboxes(ino, key) VALUES(?, ?)").Bind(ino).Bind(key).Run();
  }
  transaction.Commit();
  return ino;
}

std::vector<Removed> SqliteIndex::ReplaceFolders(Ino mailbox, std::span<const NewFolder> folders, int64_t now) {
  base::MutexLock lock(write_mutex_);
  Transaction transaction(*writer_);
  if (!writer_->Prepare("SELECT 1 FROM mailboxes WHERE ino = ?").Bind(mailbox).Step()) {
    throw Error(ErrorKind::kInternal, base::Format("inode {} is not a mailbox", mailbox));
  }
  SkipLostInos();
  FolderReplacement replacement(*writer_, mailbox, now);
  replacement.RemoveAllBut(folders);
  for (const NewFolder& folder : folders) replacement.Put(folder);
  std::vector<Removed> removed = replacement.Finish();
  transaction.Commit();
  return removed;
}

}  // namespace mailboxfs::store
