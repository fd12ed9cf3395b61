#include "sqlite.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>

#include <cerrno>

#include "mailboxfs/base/fd.h"
#include "mailboxfs/base/log.h"

namespace mailboxfs::store {

using base::Error;
using base::ErrorKind;

namespace {

constexpr int kBusyTimeoutMillis = 10'000;
constexpr int kStepsBetweenQuestions = 10'000;
// Keeps other processes out, and so the index of the WAL in memory: its file would have to be made
// at each opening, which a full disk prevents.
constexpr const char* kVfs = "unix-excl";

ErrorKind KindOf(int code, int system_errno) {
  switch (code & 0xff) {
    case SQLITE_FULL: return ErrorKind::kDiskFull;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    // We ask before we add: an index disagrees with its table.
    case SQLITE_CONSTRAINT:
    // Our statements are right: the tables are not what they were, or hold nonsense.
    case SQLITE_ERROR:
    case SQLITE_MISMATCH:
    case SQLITE_TOOBIG: return ErrorKind::kCorrupt;
    case SQLITE_INTERRUPT: return ErrorKind::kCancelled;
    case SQLITE_IOERR:
      // Syncing and truncating report a full disk as a plain I/O error.
      return system_errno == ENOSPC || system_errno == EDQUOT ? ErrorKind::kDiskFull : ErrorKind::kDisk;
    default: return ErrorKind::kDisk;
  }
}

// SQLite gives its journals the mode of the database file, and makes that one world-readable
// unless it exists.
void CreatePrivateFile(const std::string& path) {
  // Not opened if it exists: closing it would drop the locks of other connections (fcntl(2)).
  const base::UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (fd) return;
  int error = errno;
  struct stat status {};
  if (error == EEXIST && ::lstat(path.c_str(), &status) == 0) error = S_ISLNK(status.st_mode) ? ELOOP : 0;
  if (error != 0) throw base::ErrnoError(ErrorKind::kDisk, "cannot open " + path, error);
}

}  // namespace

void Database::Closer::operator()(sqlite3* handle) const noexcept { sqlite3_close_v2(handle); }
void Database::Finalizer::operator()(sqlite3_stmt* handle) const noexcept { sqlite3_finalize(handle); }

Database::Database(const std::string& path) : path_(path) {
  if (path != ":memory:") CreatePrivateFile(path);
  sqlite3* handle = nullptr;
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
  const int code = sqlite3_open_v2(path.c_str(), &handle, flags, kVfs);
  handle_.reset(handle);
  if (code != SQLITE_OK) Fail(code);
  sqlite3_extended_result_codes(handle, 1);
  sqlite3_busy_timeout(handle, kBusyTimeoutMillis);
}

Database::~Database() = default;

void Database::Fail(int code) {
  const int last_errno = errno;
  int system_errno = handle_ ? sqlite3_system_errno(handle_.get()) : 0;
  // It is not noted when the commit fails that a statement ends with.
  if (system_errno == 0) system_errno = last_errno;
  const ErrorKind kind = KindOf(code, system_errno);
  if (kind == ErrorKind::kCorrupt) damaged_ = true;
  const char* message = handle_ ? sqlite3_errmsg(handle_.get()) : sqlite3_errstr(code);
  throw Error(kind, base::Format("database {}: {} (SQLite result {}){}", path_, message, code,
                                 kind == ErrorKind::kDiskFull ? "; make room on its file system" : ""));
}

void Database::Execute(const char* sql) {
  const int code = sqlite3_exec(handle_.get(), sql, nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) Fail(code);
}

Statement Database::Prepare(std::string_view sql) {
  auto found = prepared_.find(sql);
  if (found == prepared_.end()) {
    sqlite3_stmt* handle = nullptr;
    const int code = sqlite3_prepare_v3(handle_.get(), sql.data(), static_cast<int>(sql.size()),
                                        SQLITE_PREPARE_PERSISTENT, &handle, nullptr);
    if (code != SQLITE_OK) Fail(code);
    found = prepared_.emplace(std::string(sql), Prepared{}).first;
    found->second.handle.reset(handle);
  }
  if (found->second.borrowed) throw Error(ErrorKind::kInternal, base::Format("statement used twice: {}", sql));
  found->second.borrowed = true;
  return Statement(*this, found->second);
}

int64_t Database::QueryInt(std::string_view sql) {
  Statement statement = Prepare(sql);
  return statement.Step() ? statement.Int(0) : 0;
}

std::string Database::QueryText(std::string_view sql) {
  Statement statement = Prepare(sql);
  return statement.Step() ? statement.Text(0) : std::string();
}

uint64_t Database::Changes() const { return static_cast<uint64_t>(sqlite3_changes64(handle_.get())); }
int64_t Database::LastInsertId() const { return sqlite3_last_insert_rowid(handle_.get()); }

void Database::StopWhen(std::function<bool()> stop) {
  stop_ = std::move(stop);
  sqlite3_progress_handler(handle_.get(), kStepsBetweenQuestions, stop_ ? &AskStop : nullptr, this);
}

int Database::AskStop(void* database) { return static_cast<Database*>(database)->stop_() ? 1 : 0; }

void Database::KeepLog() {
  const int code = sqlite3_db_config(handle_.get(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
  if (code != SQLITE_OK) Fail(code);
}

Statement::~Statement() {
  if (prepared_ == nullptr) return;
  sqlite3_reset(prepared_->handle.get());
  sqlite3_clear_bindings(prepared_->handle.get());
  prepared_->borrowed = false;
}

Statement::Statement(Statement&& other) noexcept
    : database_(other.database_), prepared_(other.prepared_), bound_(other.bound_) {
  other.prepared_ = nullptr;
}

Statement&& Statement::BindInt(int64_t value) {
  const int code = sqlite3_bind_int64(prepared_->handle.get(), ++bound_, value);
  if (code != SQLITE_OK) database_->Fail(code);
  return std::move(*this);
}

Statement&& Statement::Bind(std::string_view text) {
  // A null pointer would bind NULL.
  const char* data = text.data() == nullptr ? "" : text.data();
  const int code =
      sqlite3_bind_text64(prepared_->handle.get(), ++bound_, data, text.size(), SQLITE_STATIC, SQLITE_UTF8);
  if (code != SQLITE_OK) database_->Fail(code);
  return std::move(*this);
}

Statement&& Statement::BindBlob(std::string_view bytes) {
  const char* data = bytes.data() == nullptr ? "" : bytes.data();
  const int code = sqlite3_bind_blob64(prepared_->handle.get(), ++bound_, data, bytes.size(), SQLITE_STATIC);
  if (code != SQLITE_OK) database_->Fail(code);
  return std::move(*this);
}

bool Statement::Step() {
  const int code = sqlite3_step(prepared_->handle.get());
  if (code == SQLITE_ROW) return true;
  if (code != SQLITE_DONE) database_->Fail(code);
  return false;
}

void Statement::Run() {
  while (Step()) {
  }
}

int64_t Statement::Int(int column) { return sqlite3_column_int64(prepared_->handle.get(), column); }

std::string Statement::Text(int column) {
  const void* data = sqlite3_column_blob(prepared_->handle.get(), column);
  const int size = sqlite3_column_bytes(prepared_->handle.get(), column);
  if (data == nullptr) return {};
  return std::string(static_cast<const char*>(data), static_cast<size_t>(size));
}

Transaction::Transaction(Database& database, Kind kind) : database_(database) {
  database_.Execute(kind == Kind::kWrite ? "BEGIN IMMEDIATE" : "BEGIN");
}

Transaction::~Transaction() {
  // Some failures have rolled back already.
  if (!open_ || sqlite3_get_autocommit(database_.handle_.get()) != 0) return;
  sqlite3_exec(database_.handle_.get(), "ROLLBACK", nullptr, nullptr, nullptr);
}

void Transaction::Commit() {
  database_.Execute("COMMIT");
  open_ = false;
}

}  // namespace mailboxfs::store
