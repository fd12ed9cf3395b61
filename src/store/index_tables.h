#pragma once

#include <string>
#include <string_view>

#include "mailboxfs/store/index.h"
#include "sqlite.h"

// Steps that changes of the index are made of; each runs inside the caller's transaction.
// Thread-bound, as the Database.
namespace mailboxfs::store {

// SQL: of the inode ?1, the row that speaks for it, which is the one that it was first known by; and all of them.
#define MAILBOXFS_FIRST_ROW                                           \
  "coalesce((SELECT ino FROM nodes WHERE ino = ?1 AND link IS NULL)," \
  " (SELECT min(ino) FROM nodes WHERE link = ?1))"
#define MAILBOXFS_ROWS                                     \
  "(SELECT ino FROM nodes WHERE ino = ?1 AND link IS NULL" \
  " UNION ALL SELECT ino FROM nodes WHERE link = ?1)"
// SQL: whether the inode of the row `n` has other rows.
#define MAILBOXFS_LINKED                                                                       \
  "(n.shared_id IS NOT NULL AND EXISTS (SELECT 1 FROM nodes o WHERE o.shared_id = n.shared_id" \
  " AND o.ino <> n.ino AND coalesce(o.link, o.ino) = coalesce(n.link, n.ino)))"

// `name`, or the first numbered form of it that is free in `parent`.
std::string FreeName(Database& database, Ino parent, std::string_view name, NodeKind kind);

// The contents of `directory` have changed.
void Touch(Database& database, Ino directory, int64_t now);

}  // namespace mailboxfs::store
