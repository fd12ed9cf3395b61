#pragma once

#include <string>

#include "mailboxfs/base/fd.h"

namespace mailboxfs::store {

// Creates `path` and its missing parents, 0700. Throws Error: kDisk, kDiskFull; kConfig if it
// exists and others can write to it. Reentrant.
void MakePrivateDirectory(const std::string& path);

// Says that this process, and no other, uses a directory: an flock(2) on a file in it, held
// for life. Remembers across processes whether the last user ended properly. Thread-bound.
class DirectoryLock {
 public:
  // Throws Error: kConfig if another process holds it, kDisk.
  DirectoryLock(const std::string& directory, const std::string& file_name);

  // The last user did not get to call MarkClean (or there is no telling).
  bool last_use_unclean() const { return unclean_; }
  // All files are closed and complete.
  void MarkClean();

 private:
  base::UniqueFd fd_;
  bool unclean_ = true;
};

}  // namespace mailboxfs::store
