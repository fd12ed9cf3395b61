#pragma once

#include <string>
#include <string_view>

#include "sqlite.h"

// Whether SQLite can find in an index database what is in it. Thread-bound, as the Database.
namespace mailboxfs::store {

// What SQLite's check of the whole file finds ("integrity_check"; "quick_check" does not compare the search trees with
// the rows), "; " between; empty: nothing.
std::string VerdictOf(Database& database, std::string_view check);

// Throws kCorrupt if the search trees are not all that is damaged: `verdict` is integrity_check's.
void RequireSoundRows(Database& database, const std::string& verdict);

// Makes the search trees again from the rows. Which of the two was wrong nobody knows, so everything counts as never
// listed: until the server was asked nobody is told that something does not exist. Throws kCorrupt if that does not
// help.
void MakeSearchTreesAgain(Database& database);

// Looks at the whole file, and makes the search trees again if that is all that it needs. Throws kCorrupt.
void CheckWhole(Database& database);

// Throws kCorrupt if the tables and search trees are not defined as this version defines them: a changed default or
// column would be taken as it is.
void RequireOwnSchema(Database& database);

// So that the check does not wait for each page of a file that is not in memory. Not while this process has it open.
void ReadAhead(const std::string& path);

}  // namespace mailboxfs::store
