// SqliteIndex: the messages of a folder.

#include "hasher.h"
#include "index_tables.h"
#include "mailboxfs/base/log.h"
#include "sqlite_index.h"

namespace mailboxfs::store {

using base::Error;
using base::ErrorKind;

namespace {

Digest MatchKey(uint64_t seed, const NewMessage& message, uint64_t shared_id) {
  Hasher hasher(seed);
  hasher.UpdateField(message.message_id);
  hasher.UpdateInt(static_cast<uint64_t>(message.internal_date));
  hasher.UpdateInt(message.size_estimate);
  hasher.UpdateField(message.header);
  // Twins that the server can tell apart are no match for each other.
  if (shared_id != 0) hasher.UpdateInt(shared_id);
  return hasher.Finish();
}

// What a change needs to know of its folder.
struct ListingState {
  model::UidValidity uid_validity = 0;
  bool has_aside = false;
  bool listed = false;  // Completely, ever.
};

// Throws kGone if the folder has been removed.
ListingState GetListingState(Database& database, Ino folder) {
  Statement row = database
                      .Prepare(
                          "SELECT uid_validity, EXISTS(SELECT 1 FROM aside WHERE folder = ?1), listed_at <> 0 FROM "
                          "folders WHERE ino = ?1")
                      .Bind(folder);
  if (!row.Step()) {
    throw Error(ErrorKind::kGone, base::Format("the folder of inode {} has been removed from the folder list", folder));
  }
  return {row.As<model::UidValidity>(0), row.Int(1) != 0, row.Int(2) != 0};
}

// Gives a message that was set aside the UID of an equal new one; false if there is none.
bool MatchAside(Database& database, Ino folder, model::UidValidity uid_validity, const NewMessage& message,
                std::string_view match_key) {
  Ino ino = 0;
  int64_t old_uid = 0;
  {
    Statement row =
        database.Prepare("SELECT ino, uid FROM aside WHERE folder = ? AND match_key = ? ORDER BY uid, ino LIMIT 1")
            .Bind(folder)
            .BindBlob(match_key);
    if (!row.Step()) return false;
    ino = row.As<Ino>(0);
    old_uid = row.Int(1);
  }
  database.Prepare("DELETE FROM aside WHERE folder = ? AND match_key = ? AND uid = ? AND ino = ?")
      .Bind(folder)
      .BindBlob(match_key)
      .Bind(old_uid)
      .Bind(ino)
      .Run();
  database.Prepare("UPDATE nodes SET uid_validity = ?2, uid = ?3, flags = ?4 WHERE ino = ?1")
      .Bind(ino)
      .Bind(uid_validity)
      .Bind(message.uid)
      .Bind(message.flags)
      .Run();
  return true;
}

bool KnowsUid(Database& database, Ino folder, model::UidValidity uid_validity, model::Uid uid) {
  return database.Prepare("SELECT 1 FROM nodes WHERE parent = ? AND uid_validity = ? AND uid = ?")
      .Bind(folder)
      .Bind(uid_validity)
      .Bind(uid)
      .Step();
}

// Who in the mailbox has a shared_id already.
struct Sharers {
  bool in_folder = false;
  Ino first = 0;  // Row; 0: nobody.
};

Sharers FindSharers(Database& database, Ino folder, uint64_t shared_id) {
  Sharers sharers;
  for (auto row = database
                      .Prepare("SELECT n.ino, n.parent = ?2 FROM nodes n CROSS JOIN folders f ON f.ino = n.parent"
                               " WHERE n.shared_id = ?1 AND f.mailbox = (SELECT mailbox FROM folders WHERE ino = ?2)"
                               " ORDER BY n.ino")
                      .Bind(shared_id)
                      .Bind(folder);
       row.Step();) {
    if (sharers.first == 0) sharers.first = row.As<Ino>(0);
    sharers.in_folder = sharers.in_folder || row.Int(1) != 0;
  }
  return sharers;
}

// Makes the row that was inserted last a name of the inode that `row` is a name of, which is returned.
Ino LinkTo(Database& database, Ino row) {
  const Ino inserted = static_cast<Ino>(database.LastInsertId());
  database
      .Prepare(
          "UPDATE nodes SET (link, tag, mtime, size, size_exact) = (SELECT coalesce(o.link, o.ino), o.tag, o.mtime,"
          " o.size, o.size_exact FROM nodes o WHERE o.ino = ?2) WHERE ino = ?1")
      .Bind(inserted)
      .Bind(row)
      .Run();
  Statement link = database.Prepare("SELECT link FROM nodes WHERE ino = ?").Bind(inserted);
  return link.Step() ? link.As<Ino>(0) : 0;
}

// False, and nothing is done, if the folder has the message already.
bool InsertMessage(Database& database, Ino folder, model::UidValidity uid_validity, const NewMessage& message,
                   std::string_view match_key, uint64_t shared_id) {
  const auto insert = [&](std::string_view name) {
    database
        .Prepare(
            "INSERT OR IGNORE INTO nodes(parent, kind, mtime, size, uid_validity, uid, name, flags, message_id,"
            " match_key, complete, shared_id) VALUES(?, 2, ?, ?, ?, ?, ?, ?, ?, ?, ?, nullif(?, 0))")
        .Bind(folder)
        .Bind(message.internal_date)
        .Bind(message.size_estimate)
        .Bind(uid_validity)
        .Bind(message.uid)
        .Bind(name)
        .Bind(message.flags)
        .Bind(message.message_id)
        .BindBlob(match_key)
        .Bind(message.complete ? 1 : 0)
        .Bind(shared_id)
        .Run();
    return database.Changes() == 1;
  };
  // A folder has two unique keys, name and UID; which one is in the way is asked only then.
  if (insert(message.name)) return true;
  if (KnowsUid(database, folder, uid_validity, message.uid)) return false;
  if (insert(FreeName(database, folder, message.name, NodeKind::kMessage))) return true;
  throw Error(ErrorKind::kInternal, base::Format("message {} of folder {} could not be added", message.uid, folder));
}

// If the message is known and incomplete.
void CompleteMessage(Database& database, Ino folder, model::UidValidity uid_validity, const NewMessage& message,
                     std::string_view match_key, uint64_t shared_id, std::vector<Removed>* completed) {
  Removed old;
  {
    Statement row =
        database
            .Prepare("SELECT ino, name FROM nodes WHERE parent = ? AND uid_validity = ? AND uid = ? AND complete = 0")
            .Bind(folder)
            .Bind(uid_validity)
            .Bind(message.uid);
    if (!row.Step()) return;
    old = {row.As<Ino>(0), folder, row.Text(1), false};
  }
  const std::string name =
      message.name == old.name ? old.name : FreeName(database, folder, message.name, NodeKind::kMessage);
  database
      .Prepare(
          "UPDATE nodes SET name = ?2, mtime = ?3, size = CASE WHEN size_exact THEN size ELSE ?4 END, flags = ?5,"
          " message_id = ?6, match_key = ?7, complete = 1, shared_id = nullif(?8, 0) WHERE ino = ?1")
      .Bind(old.ino)
      .Bind(name)
      .Bind(message.internal_date)
      .Bind(message.size_estimate)
      .Bind(message.flags)
      .Bind(message.message_id)
      .BindBlob(match_key)
      .Bind(shared_id)
      .Run();
  completed->push_back(std::move(old));
}

void ChangeMessageCount(Database& database, Ino folder, int64_t by) {
  database.Prepare("UPDATE folders SET messages = messages + ?2 WHERE ino = ?1").Bind(folder).Bind(by).Run();
}

std::vector<Removed> RemoveAside(Database& database, Ino folder) {
  std::vector<Removed> removed;
  for (auto rows = database
                       .Prepare("SELECT coalesce(n.link, n.ino), n.name, " MAILBOXFS_LINKED
                                " FROM aside a JOIN nodes n ON n.ino = a.ino WHERE a.folder = ?")
                       .Bind(folder);
       rows.Step();) {
    removed.push_back({rows.As<Ino>(0), folder, rows.Text(1), rows.Int(2) != 0});
  }
  database.Prepare("DELETE FROM nodes WHERE ino IN (SELECT ino FROM aside WHERE folder = ?)").Bind(folder).Run();
  database.Prepare("DELETE FROM aside WHERE folder = ?").Bind(folder).Run();
  return removed;
}

}  // namespace

std::vector<model::Uid> SqliteIndex::BeginListing(Ino folder, model::UidValidity uid_validity) {
  {
    base::MutexLock lock(write_mutex_);
    Transaction transaction(*writer_);
    if (GetListingState(*writer_, folder).uid_validity != uid_validity) {
      writer_->Prepare("UPDATE folders SET uid_validity = ?2, uid_next = 0, message_count = 0 WHERE ino = ?1")
          .Bind(folder)
          .Bind(uid_validity)
          .Run();
      writer_->Prepare("DELETE FROM aside WHERE folder = ?").Bind(folder).Run();
      // Sorted, so that a million rows are appended rather than scattered.
      writer_
          ->Prepare(
              "INSERT INTO aside(folder, match_key, uid, ino)"
              " SELECT parent, match_key, uid, ino FROM nodes INDEXED BY nodes_uid"
              " WHERE parent = ?1 AND uid_validity IS NOT NULL AND uid_validity <> ?2 ORDER BY 2, 3, 4")
          .Bind(folder)
          .Bind(uid_validity)
          .Run();
      transaction.Commit();
    }
  }
  return Uids(folder);
}

AddedChanges SqliteIndex::AddMessages(Ino folder, std::span<const NewMessage> messages, int64_t now) {
  base::MutexLock lock(write_mutex_);
  Transaction transaction(*writer_);
  const ListingState state = GetListingState(*writer_, folder);
  SkipLostInos();
  int64_t inserted = 0;
  AddedChanges changes;
  for (const NewMessage& message : messages) {
    if (!message.complete) {
      // No key: all of them look alike.
      if (InsertMessage(*writer_, folder, state.uid_validity, message, "", 0)) ++inserted;
      continue;
    }
    const Digest match_key = MatchKey(match_seed_, message, message.shared_id);
    if (state.has_aside && !KnowsUid(*writer_, folder, state.uid_validity, message.uid)) {
      if (MatchAside(*writer_, folder, state.uid_validity, message, View(match_key))) continue;
      // Or one from before the server's number for it was asked for.
      const Digest old_key = MatchKey(match_seed_, message, 0);
      if (message.shared_id != 0 && MatchAside(*writer_, folder, state.uid_validity, message, View(old_key))) continue;
    }
    const Sharers sharers = message.shared_id != 0 ? FindSharers(*writer_, folder, message.shared_id) : Sharers();
    const uint64_t shared_id = sharers.in_folder ? 0 : message.shared_id;
    if (InsertMessage(*writer_, folder, state.uid_validity, message, View(match_key), shared_id)) {
      ++inserted;
      if (shared_id != 0 && sharers.first != 0) changes.linked.push_back(LinkTo(*writer_, sharers.first));
    } else {
      CompleteMessage(*writer_, folder, state.uid_validity, message, View(match_key), shared_id, &changes.completed);
    }
  }
  if (inserted != 0) ChangeMessageCount(*writer_, folder, inserted);
  // Nobody can have read the folder before its first listing is complete: for programs that
  // compare the time before and after reading it (tar), that listing changes nothing.
  if (state.listed && (inserted != 0 || !changes.completed.empty())) Touch(*writer_, folder, now);
  transaction.Commit();
  return changes;
}

void SqliteIndex::UpdateFlags(Ino folder, std::span<const model::FlagsUpdate> updates) {
  base::MutexLock lock(write_mutex_);
  Transaction transaction(*writer_);
  const model::UidValidity uid_validity = GetListingState(*writer_, folder).uid_validity;
  for (const model::FlagsUpdate& update : updates) {
    writer_->Prepare("UPDATE nodes SET flags = ?4 WHERE parent = ?1 AND uid_validity = ?2 AND uid = ?3 AND flags <> ?4")
        .Bind(folder)
        .Bind(uid_validity)
        .Bind(update.uid)
        .Bind(update.flags)
        .Run();
  }
  transaction.Commit();
}

std::vector<Removed> SqliteIndex::RemoveUids(Ino folder, std::span<const model::Uid> uids, int64_t now) {
  base::MutexLock lock(write_mutex_);
  Transaction transaction(*writer_);
  const model::UidValidity uid_validity = GetListingState(*writer_, folder).uid_validity;
  std::vector<Removed> removed;
  for (const model::Uid uid : uids) {
    Statement row = writer_
                        ->Prepare("SELECT coalesce(n.link, n.ino), n.name, " MAILBOXFS_LINKED
                                  " FROM nodes n WHERE n.parent = ? AND n.uid_validity = ? AND n.uid = ?")
                        .Bind(folder)
                        .Bind(uid_validity)
                        .Bind(uid);
    if (!row.Step()) continue;
    removed.push_back({row.As<Ino>(0), folder, row.Text(1), row.Int(2) != 0});
    writer_->Prepare("DELETE FROM nodes WHERE parent = ? AND uid_validity = ? AND uid = ?")
        .Bind(folder)
        .Bind(uid_validity)
        .Bind(uid)
        .Run();
  }
  if (!removed.empty()) {
    ChangeMessageCount(*writer_, folder, -static_cast<int64_t>(removed.size()));
    Touch(*writer_, folder, now);
  }
  transaction.Commit();
  return removed;
}

std::vector<Removed> SqliteIndex::FinishListing(Ino folder, const model::FolderState& state, bool scanned,
                                                int64_t now) {
  base::MutexLock lock(write_mutex_);
  Transaction transaction(*writer_);
  const ListingState listing = GetListingState(*writer_, folder);
  if (listing.uid_validity != state.uid_validity) {
    throw Error(ErrorKind::kInternal, base::Format("the listing of folder {} was begun for UIDVALIDITY {}, not {}",
                                                   folder, listing.uid_validity, state.uid_validity));
  }
  std::vector<Removed> removed;
  if (listing.has_aside) removed = RemoveAside(*writer_, folder);
  if (!removed.empty()) {
    ChangeMessageCount(*writer_, folder, -static_cast<int64_t>(removed.size()));
    Touch(*writer_, folder, now);
  }
  writer_
      ->Prepare(
          "UPDATE folders SET uid_next = ?2, message_count = ?3, listed_at = ?4,"
          " scanned_at = CASE WHEN ?5 THEN ?4 ELSE scanned_at END WHERE ino = ?1")
      .Bind(folder)
      .Bind(state.uid_next)
      .Bind(state.exists)
      .Bind(now)
      .Bind(scanned ? 1 : 0)
      .Run();
  transaction.Commit();
  return removed;
}

std::optional<Removed> SqliteIndex::RemoveMessage(Ino entry, int64_t now) {
  base::MutexLock lock(write_mutex_);
  Transaction transaction(*writer_);
  std::optional<Removed> removed;
  std::string match_key;
  int64_t uid = 0;
  for (auto row = writer_
                      ->Prepare("SELECT coalesce(n.link, n.ino), n.parent, n.name, " MAILBOXFS_LINKED
                                ", n.match_key, n.uid FROM nodes n WHERE n.ino = ? AND n.kind = 2")
                      .Bind(entry);
       row.Step();) {
    removed = Removed{row.As<Ino>(0), row.As<Ino>(1), row.Text(2), row.Int(3) != 0};
    match_key = row.Text(4);
    uid = row.Int(5);
  }
  if (!removed) return std::nullopt;
  writer_->Prepare("DELETE FROM nodes WHERE ino = ?").Bind(entry).Run();
  writer_->Prepare("DELETE FROM aside WHERE folder = ? AND match_key = ? AND uid = ? AND ino = ?")
      .Bind(removed->parent)
      .BindBlob(match_key)
      .Bind(uid)
      .Bind(entry)
      .Run();
  ChangeMessageCount(*writer_, removed->parent, -1);
  Touch(*writer_, removed->parent, now);
  transaction.Commit();
  return removed;
}

bool SqliteIndex::SetExactSize(Ino message, uint64_t size) {
  base::MutexLock lock(write_mutex_);
  // Opening a message whose size is known already must not write.
  bool changed = false;
  {
    Statement row =
        writer_->Prepare("SELECT size, size_exact FROM nodes WHERE ino = " MAILBOXFS_FIRST_ROW " AND kind = 2")
            .Bind(message);
    if (!row.Step()) return false;
    changed = row.As<uint64_t>(0) != size;
    if (!changed && row.Int(1) != 0) return false;
  }
  writer_->Prepare("UPDATE nodes SET size = ?2, size_exact = 1 WHERE ino IN " MAILBOXFS_ROWS)
      .Bind(message)
      .Bind(size)
      .Run();
  return changed;
}

void SqliteIndex::DoubtSize(Ino message) {
  base::MutexLock lock(write_mutex_);
  writer_->Prepare("UPDATE nodes SET size_exact = 0 WHERE ino IN " MAILBOXFS_ROWS " AND kind = 2").Bind(message).Run();
}

}  // namespace mailboxfs::store
