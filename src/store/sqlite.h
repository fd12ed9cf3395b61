#pragma once

#include <concepts>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "mailboxfs/base/error.h"

struct sqlite3;
struct sqlite3_stmt;

namespace mailboxfs::store {

class Statement;

// An SQLite connection; closes it. Several to one file in this process, none in another process. Keeps every statement
// it ever prepared. Thread-bound. Throws Error: kDiskFull, kCorrupt (also "not a database"), kCancelled (see
// StopWhen), else kDisk.
class Database {
 public:
  // Opens or creates the file at `path` (0600), or a database in memory if it is ":memory:".
  explicit Database(const std::string& path);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  // Runs one or more statements whose results are not needed.
  void Execute(const char* sql);
  // Borrows the prepared statement for `sql`, to be bound and stepped; made on first use.
  // One borrower at a time.
  Statement Prepare(std::string_view sql);
  // For a statement that is used once: the first column of the first row.
  int64_t QueryInt(std::string_view sql);
  std::string QueryText(std::string_view sql);
  // Rows that the last INSERT, UPDATE or DELETE changed.
  uint64_t Changes() const;
  int64_t LastInsertId() const;
  // While statements run, `stop` is asked now and then; if it says true they fail with kCancelled.
  void StopWhen(std::function<bool()> stop);
  // The log stays as it is when the last connection is closed.
  void KeepLog();

  const std::string& path() const { return path_; }
  // An operation has failed because the file is damaged.
  bool damaged() const { return damaged_; }

 private:
  friend class Statement;
  friend class Transaction;
  struct Closer {
    void operator()(sqlite3* handle) const noexcept;
  };
  struct Finalizer {
    void operator()(sqlite3_stmt* handle) const noexcept;
  };
  struct Prepared {
    std::unique_ptr<sqlite3_stmt, Finalizer> handle;
    bool borrowed = false;
  };

  [[noreturn]] void Fail(int code);
  static int AskStop(void* database);

  std::string path_;
  std::unique_ptr<sqlite3, Closer> handle_;
  std::map<std::string, Prepared, std::less<>> prepared_;
  std::function<bool()> stop_;
  bool damaged_ = false;
};

// A use of a prepared statement: bind the parameters in order, then Step through the rows
// or Run. Reset and given back by the destructor. Thread-bound, as its Database.
//
//   for (auto rows = db.Prepare("SELECT name FROM nodes WHERE parent = ?").Bind(ino); rows.Step();) Use(rows.Text(0));
class Statement {
 public:
  ~Statement();
  Statement(Statement&& other) noexcept;
  Statement& operator=(Statement&&) = delete;

  template <std::integral T>
  Statement&& Bind(T value) {
    return BindInt(static_cast<int64_t>(value));
  }
  // Borrowed: must stay unchanged until the statement has been stepped for the last time.
  Statement&& Bind(std::string_view text);
  Statement&& BindBlob(std::string_view bytes);

  // True: there is a row. False: done.
  bool Step();
  // Steps to the end.
  void Run();

  int64_t Int(int column);
  template <std::integral T>
  T As(int column) {
    return static_cast<T>(Int(column));
  }
  std::string Text(int column);

 private:
  friend class Database;
  Statement(Database& database, Database::Prepared& prepared) : database_(&database), prepared_(&prepared) {}
  Statement&& BindInt(int64_t value);

  Database* database_;
  Database::Prepared* prepared_;
  int bound_ = 0;
};

// A write transaction; rolled back unless committed. Thread-bound.
class Transaction {
 public:
  enum class Kind { kWrite, kSnapshot };  // Of a snapshot all statements see the same state; it waits for nobody.

  explicit Transaction(Database& database, Kind kind = Kind::kWrite);
  ~Transaction();
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  void Commit();

 private:
  Database& database_;
  bool open_ = true;
};

}  // namespace mailboxfs::store
