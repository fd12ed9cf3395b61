#pragma once

#include <memory>
#include <string>

#include "sqlite.h"

namespace mailboxfs::store {

struct OpenedIndex {
  std::unique_ptr<Database> database;
  bool checked = false;  // It was there already, and looked into closely.
};

// Opens the index database at `path` for writing, making or replacing it if need be: one that
// is damaged (`check`: look into every page for that) is moved aside to PATH.corrupt-<n>.
// Throws Error: kConfig if a newer version or somebody else made the file; kDisk, kDiskFull.
OpenedIndex OpenIndexDatabase(const std::string& path, bool check);

// For fsck: opens the database that there is, as it is; null if there is nothing in it yet. Throws Error: kCorrupt if
// it is no database, kConfig as above, kDisk.
std::unique_ptr<Database> OpenIndexToCheck(const std::string& path);

// Brings what OpenIndexToCheck has opened to today's version, inside the caller's transaction. Throws as Database.
void UpgradeIndex(Database& database);

// Moves a damaged database and its log out of the way; returns where to. Throws kDisk.
std::string MoveIndexAside(const std::string& path);

// One more connection to the same file, that cannot write.
std::unique_ptr<Database> OpenIndexReader(const std::string& path);

}  // namespace mailboxfs::store
