#pragma once

#include <string_view>

#include "mailboxfs/store/index.h"
#include "sqlite.h"

// Whether the index can be believed that something is not there. Each looks at one snapshot of the index, and is true
// only if what SQLite's search trees say in it cannot be; that something else is damaged, it may miss. Thread-bound, as
// the Database. Throws as Database.
namespace mailboxfs::store {

// After `name` was not found: where it should stand, the entries of the search tree are not what their rows say.
bool ContradictsAbsence(Database& database, Ino parent, std::string_view name);
bool ContradictsAbsence(Database& database, Ino folder, model::UidValidity uid_validity, model::Uid uid);

// After a page of a listing that should have begun with the row `entry`, but did not: it is there all the same.
bool ContradictsPage(Database& database, Ino parent, Ino entry);

// After a listing's last page: the search tree has not as many entries as were counted when they were added.
bool ContradictsEnd(Database& database, Ino parent);

}  // namespace mailboxfs::store
