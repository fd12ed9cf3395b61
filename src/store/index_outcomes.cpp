// SqliteIndex: the messages that cannot be fetched; notes.

#include "index_tables.h"
#include "sqlite_index.h"

namespace mailboxfs::store {
namespace {

// Columns: kind, tries, failed_at, retry_at, error.
Outcome ReadOutcome(Statement& row, int column) {
  Outcome outcome;
  outcome.kind = static_cast<Outcome::Kind>(row.Int(column));
  outcome.tries = row.As<unsigned>(column + 1);
  outcome.failed_at = row.Int(column + 2);
  outcome.retry_at = row.Int(column + 3);
  outcome.error = row.Text(column + 4);
  return outcome;
}

}  // namespace

std::optional<Outcome> SqliteIndex::GetOutcome(Ino message) {
  auto reader = readers_->Take();
  Statement row =
      reader->Prepare("SELECT kind, tries, failed_at, retry_at, error FROM outcomes WHERE ino = ?").Bind(message);
  if (!row.Step()) return std::nullopt;
  return ReadOutcome(row, 0);
}

std::vector<FailedMessage> SqliteIndex::FailedMessages(Ino mailbox, size_t limit, uint64_t* count) {
  // From the few outcomes to their folders, not from the many messages. As Index::Get, it names one of several names.
  constexpr const char* kAll =
      "SELECT o.ino, n.parent, CASE WHEN n.uid_validity = f.uid_validity THEN n.uid ELSE 0 END,"
      " o.kind, o.tries, o.failed_at, o.retry_at, o.error, count(*) OVER ()"
      " FROM outcomes o CROSS JOIN nodes n ON n.ino = coalesce("
      "  (SELECT own.ino FROM nodes own WHERE own.ino = o.ino AND own.link IS NULL),"
      "  (SELECT min(other.ino) FROM nodes other WHERE other.link = o.ino))"
      " JOIN folders f ON f.ino = n.parent"
      " WHERE f.mailbox = ? ORDER BY n.parent, n.uid LIMIT ?";
  auto reader = readers_->Take();
  std::vector<FailedMessage> failed;
  *count = 0;
  for (auto row = reader->Prepare(kAll).Bind(mailbox).Bind(limit); row.Step();) {
    failed.push_back({row.As<Ino>(0), row.As<Ino>(1), row.As<model::Uid>(2), ReadOutcome(row, 3)});
    *count = row.As<uint64_t>(8);
  }
  return failed;
}

void SqliteIndex::SetOutcome(Ino message, const Outcome& outcome) {
  base::MutexLock lock(write_mutex_);
  writer_
      ->Prepare(
          "INSERT OR REPLACE INTO outcomes(ino, kind, tries, failed_at, retry_at, error)"
          " SELECT ?1, ?2, ?3, ?4, ?5, ?6 FROM nodes WHERE ino = " MAILBOXFS_FIRST_ROW " AND kind = 2")
      .Bind(message)
      .Bind(static_cast<int>(outcome.kind))
      .Bind(outcome.tries)
      .Bind(outcome.failed_at)
      .Bind(outcome.retry_at)
      .Bind(outcome.error)
      .Run();
}

void SqliteIndex::ClearOutcome(Ino message) {
  base::MutexLock lock(write_mutex_);
  writer_->Prepare("DELETE FROM outcomes WHERE ino = ?").Bind(message).Run();
}

std::string SqliteIndex::GetNote(const std::string& key) {
  const std::string full = "note/" + key;
  auto reader = readers_->Take();
  Statement row = reader->Prepare("SELECT value FROM meta WHERE key = ?").Bind(full);
  return row.Step() ? row.Text(0) : "";
}

void SqliteIndex::SetNote(const std::string& key, const std::string& text) {
  const std::string full = "note/" + key;
  base::MutexLock lock(write_mutex_);
  writer_->Prepare("INSERT OR REPLACE INTO meta(key, value) VALUES(?, ?)").Bind(full).Bind(text).Run();
}

}  // namespace mailboxfs::store
