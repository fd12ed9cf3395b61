#pragma once

#include <atomic>
#include <cstdint>
#include <map>

#include "mailboxfs/base/mutex.h"
#include "mailboxfs/store/index.h"
#include "mailboxfs/tree/tree.h"

namespace mailboxfs::tree {

// The exact sizes of messages: on their way into the index, and to the kernel, which keeps what
// stat showed it for a day and cuts the file there. Thread-safe.
class ExactSizes {
 public:
  // Borrowed.
  explicit ExactSizes(store::Index& index) : index_(index) {}

  // A body has shown its size: stores it. If that changes it, the message is untold from before
  // anybody can see the new size. A size that the disk has no room for is known until the process ends.
  void Learn(Ino message, uint64_t size);

  // Not 0: stat may have shown another size before, and the kernel has not been told.
  uint64_t Untold(Ino message);
  // The kernel has been told, after Untold gave `change`: a later change is still to be told.
  void Told(Ino message, uint64_t change);

  // Puts in what the index had no room for.
  void Correct(store::Node* node);

 private:
  // The index has it, or lacks the room.
  void Stored(Ino message, uint64_t size, uint64_t change, bool changed);
  void Keep(Ino message, uint64_t size, const base::Error& error);

  store::Index& index_;
  base::Mutex mutex_;
  uint64_t last_change_ GUARDED_BY(mutex_) = 0;
  std::map<Ino, uint64_t> untold_ GUARDED_BY(mutex_);  // Number of the change.
  std::map<Ino, uint64_t> kept_ GUARDED_BY(mutex_);    // Sizes that the index lacks.
  std::atomic<bool> any_kept_{false};
  // A failure was logged and nothing has been stored since.
  bool outage_ GUARDED_BY(mutex_) = false;
};

}  // namespace mailboxfs::tree
