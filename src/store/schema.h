#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "sqlite.h"

namespace mailboxfs::store {

// No row's number is higher: nobody could have given it out.
constexpr int64_t kMaxIno = int64_t{1} << 53;

// What is known of the directory before its index is opened.
struct IndexOpening {
  bool unclean = false;  // Its last use did not end properly.
  bool first = false;    // There never was an index in it: no inode number can have been given out.
};

struct OpenedIndex {
  std::unique_ptr<Database> database;
  bool existed = false;
};

// Opens the index database at `path` for writing, makes it if there is none, and looks into every page of one that
// there is: what can be mended without a loss is. Throws Error: kCorrupt if it has to be moved aside; kConfig if a
// newer version or somebody else made the file; kDisk, kDiskFull.
OpenedIndex OpenIndexDatabase(const std::string& path, const IndexOpening& opening);

// For fsck: opens the database that there is, as it is. Throws Error: kCorrupt if it is no database or empty, kConfig
// as above, kDisk.
std::unique_ptr<Database> OpenIndexToCheck(const std::string& path);

// Brings what OpenIndexToCheck has opened, or an empty database, to today's version, inside the caller's transaction.
// Throws as Database.
void UpgradeIndex(Database& database);

// Moves a damaged database and its log out of the way; returns where to. Throws kDisk.
std::string MoveIndexAside(const std::string& path);

// One more connection to the same file, that cannot write.
std::unique_ptr<Database> OpenIndexReader(const std::string& path);

}  // namespace mailboxfs::store
