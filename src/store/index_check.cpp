#include "index_check.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "mailboxfs/base/encoding.h"
#include "mailboxfs/base/fd.h"
#include "mailboxfs/base/log.h"
#include "schema.h"

namespace mailboxfs::store {

using base::Error;
using base::ErrorKind;

namespace {

// So much of what SQLite finds is told.
constexpr int kVerdicts = 3;
constexpr size_t kReadAtOnce = size_t{1} << 20;
// What the system may not be able to keep in memory is not read twice.
constexpr size_t kMostReadAhead = size_t{1} << 30;

// But for what ANALYZE leaves, and without white space, which is all that a later SQLite might write differently.
std::string SchemaOf(Database& database) {
  std::string schema;
  for (auto row =
           database.Prepare("SELECT type || ' ' || name || ' ' || tbl_name || ' ' || ifnull(sql, '')"
                            " FROM sqlite_schema WHERE name NOT LIKE 'sqlite\\_stat%' ESCAPE '\\' ORDER BY type, name");
       row.Step();) {
    schema += row.Text(0) + ";";
  }
  std::erase_if(schema, [](char c) { return c == ' ' || c == '\n'; });
  return schema;
}

}  // namespace

std::string VerdictOf(Database& database, std::string_view check) {
  std::string verdict;
  for (auto row = database.Prepare(base::Format("PRAGMA {}({})", check, kVerdicts)); row.Step();) {
    const std::string line = row.Text(0);
    if (line != "ok") verdict += (verdict.empty() ? "" : "; ") + base::Printable(line);
  }
  return verdict;
}

void RequireSoundRows(Database& database, const std::string& verdict) {
  if (VerdictOf(database, "quick_check").empty()) return;
  throw Error(ErrorKind::kCorrupt, base::Format("database {}: {}", database.path(), verdict));
}

void MakeSearchTreesAgain(Database& database) {
  Transaction transaction(database);
  database.Execute("REINDEX");
  if (const std::string left = VerdictOf(database, "integrity_check"); !left.empty()) {
    throw Error(ErrorKind::kCorrupt, base::Format("database {}: {}", database.path(), left));
  }
  database.Execute(
      "UPDATE mailboxes SET listed_at = 0;"
      "UPDATE folders SET uid_next = 0, message_count = 0, listed_at = 0, scanned_at = 0;");
  transaction.Commit();
}

void CheckWhole(Database& database) {
  const std::string verdict = VerdictOf(database, "integrity_check");
  if (verdict.empty()) return;
  RequireSoundRows(database, verdict);
  MakeSearchTreesAgain(database);
  base::LogError(
      "the index {} is damaged ({}): its search trees were made again, and every folder will be listed again. Check "
      "the "
      "disk.",
      database.path(), verdict);
}

void RequireOwnSchema(Database& database) {
  Database own(":memory:");
  UpgradeIndex(own);
  if (SchemaOf(database) == SchemaOf(own)) return;
  throw Error(ErrorKind::kCorrupt,
              base::Format("database {}: its tables are not those that mailboxfs makes", database.path()));
}

void ReadAhead(const std::string& path) {
  const base::UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!fd) return;
  std::vector<char> buffer(kReadAtOnce);
  size_t done = 0;
  for (ssize_t length = 1; length > 0 && done < kMostReadAhead;
       done += static_cast<size_t>(std::max<ssize_t>(length, 0))) {
    length = ::read(fd.get(), buffer.data(), buffer.size());
  }
}

}  // namespace mailboxfs::store
