#pragma once

#include "sqlite.h"

// What the tables of an index say of each other and cannot be true. Thread-bound, as the Database. Throws as Database.
namespace mailboxfs::store {

// SQL: row and inode of links that do not agree with the first row of their inode. A name is younger than what it is a
// name of, which also keeps numbers that were never given out from being an inode.
extern const char* const kWrongLinks;

// As far as that is told without looking at each value of each row.
bool ContradictsItself(Database& database);

}  // namespace mailboxfs::store
