#pragma once

#include <sys/types.h>

#include <string>

#include "mailboxfs/base/fd.h"

namespace mailboxfs::store {

// Creates `path` and its missing parents, 0700. Throws Error: kDisk, kDiskFull; kConfig if it
// exists and others can write to it. Reentrant.
void MakePrivateDirectory(const std::string& path);

// kLook: to change nothing, in the directory and in the lock's file.
enum class LockFor { kUse, kLook };

// Says that this process, and no other, uses a directory: an flock(2) on a file in it, held
// for life. Remembers across processes whether the last user ended properly. Thread-bound.
class DirectoryLock {
 public:
  // Throws Error: kConfig if another process holds it, kDisk. To look where there is no such file, nothing is locked.
  DirectoryLock(const std::string& directory, const std::string& file_name, LockFor purpose = LockFor::kUse);

  // The last user did not get to call MarkClean (or there is no telling).
  bool last_use_unclean() const { return unclean_; }
  // Nobody has used the directory before.
  bool first_use() const { return first_; }
  // All files are closed and complete. Not after looking only.
  void MarkClean();

 private:
  void Lock(const std::string& directory, const std::string& path) const;
  off_t SizeOf(const std::string& path) const;

  base::UniqueFd fd_;
  bool unclean_ = true;
  bool first_ = false;
};

}  // namespace mailboxfs::store
