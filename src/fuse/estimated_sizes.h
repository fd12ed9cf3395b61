#pragma once

#include <array>
#include <cstdint>
#include <unordered_map>

#include "mailboxfs/base/mutex.h"
#include "mailboxfs/tree/tree.h"

namespace mailboxfs::fuse {

// The messages for which the kernel was told a size that is only an estimate, and may therefore
// still hold it when the message is opened. One bit each: inode numbers are dense. Thread-safe.
//
// A wrong bit costs a needless question of the kernel; a missing one would cost somebody the end
// of a copied message. So the bit is set before the kernel is told, and cleared only after the
// kernel was made to forget; answers that were on their way meanwhile the kernel drops itself
// (fuse_reverse_inval_inode raises the inode's attr_version).
class EstimatedSizes {
 public:
  void Add(tree::Ino ino);
  bool Contains(tree::Ino ino) const;
  void Remove(tree::Ino ino);

 private:
  static constexpr uint64_t kPageBits = 4096;
  struct Page {
    std::array<uint64_t, kPageBits / 64> words{};
    uint64_t used = 0;
  };

  mutable base::Mutex mutex_;
  std::unordered_map<uint64_t, Page> pages_ GUARDED_BY(mutex_);
};

}  // namespace mailboxfs::fuse
