#pragma once

#include <cstdint>
#include <string>

namespace mailboxfs::tree {

// Tells the kernel what changed. Implemented by the FUSE layer; queues and returns at once,
// so it may be called from any thread, with no lock of the tree held all the same. Thread-safe.
class KernelNotifier {
 public:
  virtual ~KernelNotifier() = default;
  // The name has gone, and the inode with it.
  virtual void Deleted(uint64_t parent, uint64_t ino, const std::string& name) = 0;
  // The name has gone; the inode, which has others, has fewer now.
  virtual void Unlinked(uint64_t parent, uint64_t ino, const std::string& name) = 0;
  // Attributes of the inode changed.
  virtual void AttributesChanged(uint64_t ino) = 0;
};

}  // namespace mailboxfs::tree
