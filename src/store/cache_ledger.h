#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "sqlite.h"

namespace mailboxfs::store {

// Which bodies are held, how many bytes of disk each takes, and in which order they were last
// used: an SQLite database that can be lost, since a scan of the files makes it again. Uses
// are collected in memory and written in batches. Thread-bound. Throws as Database.
class CacheLedger {
 public:
  struct Entry {
    uint64_t ino = 0;
    uint64_t bytes = 0;
  };

  // Opens the database at `path` as it is; kCorrupt if it is not a ledger of this version.
  static std::unique_ptr<CacheLedger> Open(const std::string& path);
  // Makes a new one at `path` (":memory:": in memory) from entries, least recently used first.
  static std::unique_ptr<CacheLedger> Make(const std::string& path, const std::vector<Entry>& entries);

  // Adds or replaces; counts as a use.
  void Put(uint64_t ino, uint64_t bytes);
  void Touch(uint64_t ino);
  void Remove(uint64_t ino);
  // The least recently used, at most `limit`, without the two given.
  std::vector<Entry> Oldest(size_t limit, uint64_t except, uint64_t except_too);
  std::vector<Entry> All();
  // What SQLite says of the database: "ok", or what is wrong.
  std::string Verdict() { return database_.QueryText("PRAGMA integrity_check(1)"); }
  // Writes the uses down.
  void Flush();

  uint64_t bytes() const { return bytes_; }
  uint64_t bodies() const { return bodies_; }

 private:
  explicit CacheLedger(const std::string& path);
  void Load();

  Database database_;
  uint64_t bytes_ = 0;
  uint64_t bodies_ = 0;
  int64_t last_use_ = 0;
  std::unordered_map<uint64_t, int64_t> unwritten_uses_;
};

}  // namespace mailboxfs::store
