#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "mailboxfs/base/error.h"

namespace mailboxfs::store {

// One thing that was wrong in the index or in the cache.
struct FsckFinding {
  std::string where;    // mailbox/folder/file, or "index", "cache".
  std::string problem;  // What was found.
  std::string repair;   // What mends it, in the past tense: it was done if `corrected`.
  bool corrected = false;
};

struct FsckOptions {
  std::string state_directory;
  std::string cache_directory;
  bool change = true;  // False: nothing is changed, only said.
  std::function<void(const FsckFinding&)> report;
  // `what` is checked ("index", "bodies"): `done` of `total`. Often.
  std::function<void(const std::string& what, uint64_t done, uint64_t total)> progress;
  // True: Fsck throws kCancelled soon. Asked often; must be cheap.
  std::function<bool()> stop;
};

struct FsckSummary {
  uint64_t mailboxes = 0, folders = 0, messages = 0;
  uint64_t bodies = 0;  // Those that were read; `bytes` in all.
  uint64_t bytes = 0;
  uint64_t unused = 0;  // Bodies of messages that have gone: no fault, removed with `change`.
  uint64_t corrected = 0, uncorrected = 0;
  bool no_index = false;  // There is none to look at.
};

// Looks at all that Index and BodyCache keep in these directories: what SQLite can tell of the
// database, what its rows say of each other, each cached body, the list of the bodies. Repairs what
// can be repaired without the server; messages that are lost that way are listed again, as
// their folder counts as never listed. A database that SQLite itself finds broken is moved aside
// as Index::Open does it, so that all inode numbers change. Directories that do not exist
// have no faults, but bodies without an index are one that only a mount can mend. What is changed in the index is one
// transaction; stopped or failed, the rest stays as it was. Holds both directories' locks meanwhile. Thread-bound.
// Throws Error: kConfig (somebody uses the directories, they are another user's, or a newer version made the index),
// kDisk, kDiskFull, kCancelled.
FsckSummary Fsck(const FsckOptions& options);

}  // namespace mailboxfs::store
