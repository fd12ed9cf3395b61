#include "schema.h"

#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>

#include "index_check.h"
#include "index_fsck.h"
#include "mailboxfs/base/encoding.h"
#include "mailboxfs/base/error.h"
#include "mailboxfs/base/fd.h"
#include "mailboxfs/base/log.h"
#include "mailboxfs/store/index.h"

namespace mailboxfs::store {

using base::Error;
using base::ErrorKind;

namespace {

constexpr int64_t kApplicationId = 0x6d626678;  // "mbfx"
constexpr size_t kIdBytes = 16;
constexpr double kMegabyte = 1e6;
constexpr double kTakesAMoment = 500;  // Megabytes; two million messages or so.
// More than any index gives out from kReservedInos on.
constexpr int64_t kLeastRandomIno = int64_t{1} << 40;

// WAL: readers and the writer do not wait for each other, and what is committed survives the
// death of the process. synchronous=NORMAL: a power failure can lose the last commits, never
// the consistency.
constexpr const char* kConnectionPragmas = R"sql(
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = NORMAL;
  PRAGMA cache_size = -8192;
  PRAGMA journal_size_limit = 16777216;
)sql";

// kind: 0 mailbox, 1 folder, 2 message (NodeKind).
// uid_validity, uid: of messages. A message whose uid_validity is not its folder's is set
//   aside: it has a row in `aside` too and waits to be matched.
// match_key: hash of what a message is known by besides its UID: Message-ID, INTERNALDATE, the
//   size as the server first estimated it, and the header. Empty if it is incomplete.
// tag: tells the row from another one that has, or had, its number in a copy of this database.
// complete: 0 if the server told nothing of the message but its UID.
constexpr const char* kVersion1 = R"sql(
  CREATE TABLE meta(key TEXT PRIMARY KEY, value) WITHOUT ROWID;
  CREATE TABLE nodes(
    ino INTEGER PRIMARY KEY AUTOINCREMENT,
    parent INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    mtime INTEGER NOT NULL,
    size INTEGER NOT NULL DEFAULT 0,
    size_exact INTEGER NOT NULL DEFAULT 0,
    uid_validity INTEGER,
    uid INTEGER,
    name TEXT NOT NULL,
    flags TEXT,
    message_id TEXT,
    match_key BLOB,
    tag INTEGER NOT NULL DEFAULT (random()),
    complete INTEGER NOT NULL DEFAULT 1);
  CREATE UNIQUE INDEX nodes_name ON nodes(parent, name);
  CREATE INDEX nodes_parent ON nodes(parent);
  CREATE UNIQUE INDEX nodes_uid ON nodes(parent, uid_validity, uid) WHERE uid_validity IS NOT NULL;
  CREATE INDEX nodes_incomplete ON nodes(parent, uid_validity, uid) WHERE complete = 0;
  CREATE TABLE mailboxes(
    ino INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    listed_at INTEGER NOT NULL DEFAULT 0);
  CREATE TABLE folders(
    ino INTEGER PRIMARY KEY,
    mailbox INTEGER NOT NULL,
    id TEXT NOT NULL,
    selectable INTEGER NOT NULL,
    uid_validity INTEGER NOT NULL DEFAULT 0,
    uid_next INTEGER NOT NULL DEFAULT 0,
    message_count INTEGER NOT NULL DEFAULT 0,
    listed_at INTEGER NOT NULL DEFAULT 0,
    scanned_at INTEGER NOT NULL DEFAULT 0,
    messages INTEGER NOT NULL DEFAULT 0,
    UNIQUE(mailbox, id));
  CREATE TABLE aside(
    folder INTEGER NOT NULL,
    match_key BLOB NOT NULL,
    uid INTEGER NOT NULL,
    ino INTEGER NOT NULL,
    PRIMARY KEY(folder, match_key, uid, ino)) WITHOUT ROWID;
)sql";

// outcomes: of messages whose bodies cannot be had (Outcome).
constexpr const char* kVersion2 = R"sql(
  CREATE TABLE outcomes(
    ino INTEGER PRIMARY KEY,
    kind INTEGER NOT NULL,
    tries INTEGER NOT NULL,
    failed_at INTEGER NOT NULL,
    retry_at INTEGER NOT NULL,
    error TEXT NOT NULL);
  CREATE TRIGGER nodes_outcome AFTER DELETE ON nodes BEGIN
    DELETE FROM outcomes WHERE ino = old.ino;
  END;
)sql";

// link: the row is a further name of this inode, which then has the same tag, mtime, size and size_exact in all its
//   rows, and need not be in the row that had the number first. NULL: the row's own number is its inode.
// shared_id: what the server knows a message by in all its folders; NULL if it does not tell it, and of a second
//   message in the folder that has it. All rows of an inode that has, or had, several have the same.
constexpr const char* kVersion3 = R"sql(
  ALTER TABLE nodes ADD COLUMN link INTEGER;
  ALTER TABLE nodes ADD COLUMN shared_id INTEGER;
  CREATE INDEX nodes_link ON nodes(link) WHERE link IS NOT NULL;
  CREATE INDEX nodes_shared ON nodes(shared_id, parent, link) WHERE shared_id IS NOT NULL;
  DROP TRIGGER nodes_outcome;
  CREATE TRIGGER nodes_outcome AFTER DELETE ON nodes BEGIN
    DELETE FROM outcomes WHERE ino = coalesce(old.link, old.ino)
      AND NOT EXISTS (SELECT 1 FROM nodes WHERE link = coalesce(old.link, old.ino))
      AND NOT EXISTS (SELECT 1 FROM nodes WHERE ino = old.link AND link IS NULL);
  END;
)sql";

// Each leads from the version before it to its own.
constexpr std::array<const char*, 3> kVersions = {kVersion1, kVersion2, kVersion3};
constexpr int64_t kSchemaVersion = kVersions.size();

std::string RandomId() {
  std::array<char, kIdBytes> bytes{};
  if (::getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) {
    throw base::ErrnoError(ErrorKind::kInternal, "no random bytes from the system", errno);
  }
  return base::HexEncode({bytes.data(), bytes.size()});
}

void Upgrade(Database& database, int64_t from) {
  for (int64_t version = from; version < kSchemaVersion; ++version) {
    database.Execute(kVersions.at(static_cast<size_t>(version)));
  }
  database.Execute(base::Format("PRAGMA user_version = {}", kSchemaVersion).c_str());
}

// After an index that is lost nobody knows which numbers were given out: a place where it is as good as certain that
// none was, whatever the clock says.
int64_t FirstIno(const IndexOpening& opening) {
  if (opening.first) return kReservedInos;
  uint64_t random = 0;
  if (::getrandom(&random, sizeof random, 0) != static_cast<ssize_t>(sizeof random)) {
    throw base::ErrnoError(ErrorKind::kInternal, "no random bytes from the system", errno);
  }
  return kLeastRandomIno + static_cast<int64_t>(random % (kMaxIno / 2 - kLeastRandomIno));
}

void CreateSchema(Database& database, const IndexOpening& opening) {
  Transaction transaction(database);
  Upgrade(database, 0);
  database.Prepare("INSERT INTO sqlite_sequence(name, seq) VALUES('nodes', ?)").Bind(FirstIno(opening)).Run();
  const std::string id = RandomId();
  database.Prepare("INSERT INTO meta(key, value) VALUES('id', ?)").Bind(id).Run();
  database.Execute(base::Format("PRAGMA application_id = {}", kApplicationId).c_str());
  transaction.Commit();
}

void SayThatItTakesAMoment(const std::string& path, bool unclean) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return;
  const double size = static_cast<double>(status.st_size) / kMegabyte;
  if (unclean) {
    base::LogInfo("the last use of {} did not end properly; checking all of its {:.1f} MB, which can take a moment",
                  path, size);
  } else if (size > kTakesAMoment) {
    base::LogInfo("checking all of the {:.1f} MB of {}, which can take a moment", size, path);
  }
}

void RefuseForeign(Database& database) {
  const int64_t version = database.QueryInt("PRAGMA user_version");
  const int64_t application = database.QueryInt("PRAGMA application_id");
  const std::string& path = database.path();
  if (database.QueryInt("SELECT count(*) FROM sqlite_schema") == 0) {
    // It gets its name only when it is complete.
    throw Error(ErrorKind::kCorrupt, base::Format("database {}: it is empty", path));
  }
  if (application != kApplicationId) {
    throw Error(ErrorKind::kConfig, base::Format("{} is a database of another program; use another directory", path));
  }
  if (version < 1) throw Error(ErrorKind::kCorrupt, base::Format("database {}: no version {}", path, version));
  if (version > kSchemaVersion) {
    throw Error(
        ErrorKind::kConfig,
        base::Format("{} was written by a newer mailboxfs (index version {}, this one knows up to {}); use that "
                     "mailboxfs, or another state directory",
                     path, version, kSchemaVersion));
  }
}

bool Exists(const std::string& path) {
  struct stat status {};
  return ::lstat(path.c_str(), &status) == 0;
}

void Remove(const std::string& path) {
  if (::unlink(path.c_str()) == 0 || errno == ENOENT) return;
  throw base::ErrnoError(ErrorKind::kDisk, "cannot remove " + path, errno);
}

// It gets its name when it is complete and on the disk, so that one without anything in it is always damage.
void MakeIndex(const std::string& path, const IndexOpening& opening) {
  const std::string unfinished = path + ".new";
  // Also the logs of a database that was deleted: the new one must not find them.
  for (const std::string& database : {unfinished, path}) {
    for (const char* suffix : {"", "-wal", "-journal"}) Remove(database + suffix);
  }
  {
    Database database(unfinished);
    CreateSchema(database, opening);
    // Already here: the journal that this needs could come back after a power failure.
    database.Execute("PRAGMA journal_mode = WAL");
  }
  if (std::rename(unfinished.c_str(), path.c_str()) != 0) {
    throw base::ErrnoError(ErrorKind::kDisk, "cannot make " + path, errno);
  }
  const base::UniqueFd directory(::open(path.substr(0, path.rfind('/')).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory || ::fsync(directory.get()) != 0) base::LogWarning("cannot sync the directory of {}", path);
}

}  // namespace

std::string MoveIndexAside(const std::string& path) {
  unsigned number = 1;
  while (Exists(base::Format("{}.corrupt-{}", path, number))) ++number;
  const std::string target = base::Format("{}.corrupt-{}", path, number);
  // The log belongs to the file; it may hold what a repair needs, and a new database must not find it. It goes first:
  // if all ends in between, the file is still damaged, and follows it the next time.
  for (const char* suffix : {"-wal", ""}) {
    const std::string from = path + suffix;
    if (*suffix != '\0' && !Exists(from)) continue;
    if (std::rename(from.c_str(), (target + suffix).c_str()) != 0) {
      throw base::ErrnoError(ErrorKind::kDisk, base::Format("cannot move the damaged {} aside", from), errno);
    }
  }
  return target;
}

void UpgradeIndex(Database& database) {
  const int64_t version = database.QueryInt("PRAGMA user_version");
  if (version < kSchemaVersion) Upgrade(database, version);
}

std::unique_ptr<Database> OpenIndexToCheck(const std::string& path) {
  auto database = std::make_unique<Database>(path);
  RefuseForeign(*database);
  return database;
}

OpenedIndex OpenIndexDatabase(const std::string& path, const IndexOpening& opening) {
  const bool existed = Exists(path);
  if (existed) {
    SayThatItTakesAMoment(path, opening.unclean);
    ReadAhead(path);
  } else {
    MakeIndex(path, opening);
  }
  auto database = OpenIndexToCheck(path);
  database->Execute(kConnectionPragmas);
  if (!existed) return {std::move(database), false};
  CheckWhole(*database);
  if (const int64_t version = database->QueryInt("PRAGMA user_version"); version < kSchemaVersion) {
    Transaction transaction(*database);
    UpgradeIndex(*database);
    transaction.Commit();
    base::LogInfo("the index {} was brought from version {} to {}", path, version, kSchemaVersion);
  }
  RequireOwnSchema(*database);
  MendIndexRows(*database);
  return {std::move(database), true};
}

std::unique_ptr<Database> OpenIndexReader(const std::string& path) {
  auto database = std::make_unique<Database>(path);
  database->Execute(kConnectionPragmas);
  database->Execute("PRAGMA query_only = ON");
  return database;
}

}  // namespace mailboxfs::store
