#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "mailboxfs/base/clock.h"
#include "mailboxfs/base/error.h"
#include "mailboxfs/store/index.h"

namespace mailboxfs::tree {

using store::Ino;

// What stat shows.
struct Attributes {
  Ino ino = 0;
  bool directory = false;
  uint64_t size = 0;
  bool size_exact = true;
  int64_t mtime = 0;
  uint64_t links = 1;
  // Looked up by another name than its own, which may come to mean another message.
  bool alias = false;
};

struct DirEntry {
  std::string name;
  Attributes attributes;
  Ino position = 0;  // In its directory; not the inode, of which a directory can have two names.
};

// Bytes to be read from a file descriptor, which stays valid while `owner` lives.
struct ReadSpan {
  std::shared_ptr<const void> owner;
  int fd = -1;
  uint64_t offset = 0;
  size_t length = 0;  // 0 at the end of the file.
};

// An open message. Thread-safe. Made by Tree::Open, given back by dropping it.
class OpenMessage {
 public:
  virtual ~OpenMessage() = default;
  virtual uint64_t size() const = 0;  // Exact.
  // The kernel has been told of the size that Opened::size_changed was said of, and the open
  // was answered.
  virtual void SizeTold() = 0;
};

// Somebody who waits for the network. Thread-safe. The callback given with the request is
// called exactly once: with the answer, or with what Cancel says.
class Wait {
 public:
  virtual ~Wait() = default;
  // Ends the wait now with `error` (kInterrupted, kTimeout); the others that wait for the same
  // are not hurt; the last one out cancels the work. No-op if already answered. The callback
  // may run inline.
  virtual void Cancel(const base::Error& error) = 0;
  // The last sign of life of what is waited for: for progress-based deadlines.
  virtual base::MonoTime LastProgress() const = 0;
};

}  // namespace mailboxfs::tree
