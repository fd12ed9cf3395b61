#include "cache_ledger.h"

#include <unistd.h>

#include "mailboxfs/base/error.h"
#include "mailboxfs/base/log.h"

namespace mailboxfs::store {
namespace {

constexpr int64_t kLedgerVersion = 1;
constexpr size_t kUsesPerBatch = 1024;

constexpr const char* kLedgerSchema = R"sql(
  CREATE TABLE bodies(
    ino INTEGER PRIMARY KEY,
    bytes INTEGER NOT NULL,
    last_use INTEGER NOT NULL);
  CREATE INDEX bodies_last_use ON bodies(last_use);
  PRAGMA user_version = 1;
)sql";

}  // namespace

CacheLedger::CacheLedger(const std::string& path) : database_(path) {
  // Nothing here is worth a sync.
  database_.Execute(
      "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF;"
      "PRAGMA cache_size = -4096");
}

std::unique_ptr<CacheLedger> CacheLedger::Open(const std::string& path) {
  std::unique_ptr<CacheLedger> ledger(new CacheLedger(path));
  if (ledger->database_.QueryInt("PRAGMA user_version") != kLedgerVersion) {
    throw base::Error(base::ErrorKind::kCorrupt, path + " is missing or of another version");
  }
  ledger->Load();
  return ledger;
}

std::unique_ptr<CacheLedger> CacheLedger::Make(const std::string& path, const std::vector<Entry>& entries) {
  if (path != ":memory:") {
    ::unlink(path.c_str());
    ::unlink((path + "-journal").c_str());
  }
  std::unique_ptr<CacheLedger> ledger(new CacheLedger(path));
  Transaction transaction(ledger->database_);
  ledger->database_.Execute(kLedgerSchema);
  int64_t use = 0;
  for (const Entry& entry : entries) {
    ledger->database_.Prepare("INSERT OR REPLACE INTO bodies(ino, bytes, last_use) VALUES(?, ?, ?)")
        .Bind(entry.ino)
        .Bind(entry.bytes)
        .Bind(++use)
        .Run();
  }
  transaction.Commit();
  ledger->Load();
  return ledger;
}

void CacheLedger::Load() {
  Statement totals = database_.Prepare("SELECT count(*), total(bytes), max(last_use) FROM bodies");
  totals.Step();
  bodies_ = totals.As<uint64_t>(0);
  bytes_ = totals.As<uint64_t>(1);
  last_use_ = totals.Int(2);
}

void CacheLedger::Put(uint64_t ino, uint64_t bytes) {
  Remove(ino);
  database_.Prepare("INSERT INTO bodies(ino, bytes, last_use) VALUES(?, ?, ?)")
      .Bind(ino)
      .Bind(bytes)
      .Bind(++last_use_)
      .Run();
  bytes_ += bytes;
  ++bodies_;
}

void CacheLedger::Touch(uint64_t ino) {
  unwritten_uses_[ino] = ++last_use_;
  if (unwritten_uses_.size() >= kUsesPerBatch) Flush();
}

void CacheLedger::Remove(uint64_t ino) {
  unwritten_uses_.erase(ino);
  auto row = database_.Prepare("DELETE FROM bodies WHERE ino = ? RETURNING bytes").Bind(ino);
  while (row.Step()) {
    bytes_ -= row.As<uint64_t>(0);
    --bodies_;
  }
}

std::vector<CacheLedger::Entry> CacheLedger::Oldest(size_t limit, uint64_t except, uint64_t except_too) {
  Flush();
  std::vector<Entry> entries;
  auto rows = database_.Prepare("SELECT ino, bytes FROM bodies WHERE ino NOT IN (?, ?) ORDER BY last_use LIMIT ?")
                  .Bind(except)
                  .Bind(except_too)
                  .Bind(limit);
  while (rows.Step()) entries.push_back({rows.As<uint64_t>(0), rows.As<uint64_t>(1)});
  return entries;
}

std::vector<CacheLedger::Entry> CacheLedger::All() {
  std::vector<Entry> entries;
  auto rows = database_.Prepare("SELECT ino, bytes FROM bodies");
  while (rows.Step()) entries.push_back({rows.As<uint64_t>(0), rows.As<uint64_t>(1)});
  return entries;
}

void CacheLedger::Flush() {
  if (unwritten_uses_.empty()) return;
  Transaction transaction(database_);
  for (const auto& [ino, use] : unwritten_uses_) {
    database_.Prepare("UPDATE bodies SET last_use = ? WHERE ino = ?").Bind(use).Bind(ino).Run();
  }
  transaction.Commit();
  unwritten_uses_.clear();
}

}  // namespace mailboxfs::store
