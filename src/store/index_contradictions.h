#pragma once

#include "sqlite.h"

// What the tables of an index say of each other and cannot be true. Thread-bound, as the Database. Throws as Database.
namespace mailboxfs::store {

// SQL: row and inode of links that do not agree with the first row of their inode. A name is younger than what it is a
// name of, which also keeps numbers that were never given out from being an inode.
inline constexpr const char* kWrongLinks =
    "SELECT l.ino, l.link FROM nodes l LEFT JOIN nodes r ON r.ino = coalesce("
    "  (SELECT o.ino FROM nodes o WHERE o.ino = l.link AND o.link IS NULL),"
    "  (SELECT min(o.ino) FROM nodes o WHERE o.link = l.link))"
    " LEFT JOIN folders a ON a.ino = l.parent LEFT JOIN folders b ON b.ino = r.parent"
    " WHERE l.link IS NOT NULL AND ifnull(typeof(l.link) = 'integer' AND typeof(l.shared_id) = 'integer'"
    "  AND l.link > 1000 AND l.link < l.ino AND l.kind = 2 AND r.kind = 2 AND r.shared_id = l.shared_id"
    "  AND r.tag = l.tag AND r.mtime = l.mtime AND r.size = l.size AND r.size_exact = l.size_exact"
    "  AND a.mailbox = b.mailbox, 0) = 0";

// As far as that is told without looking at each value of each row.
bool ContradictsItself(Database& database);

}  // namespace mailboxfs::store
