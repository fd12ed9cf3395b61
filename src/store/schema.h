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

// One more connection to the same file, that cannot write.
std::unique_ptr<Database> OpenIndexReader(const std::string& path);

}  // namespace mailboxfs::store
