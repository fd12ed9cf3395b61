#pragma once

#include <sys/types.h>
#include <unistd.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "mailboxfs/base/error.h"
#include "mailboxfs/base/fd.h"

namespace mailboxfs::store {

// Whose body it is. The inode number alone is not enough: an index that was restored, or that lost
// its last commits to a power failure, can give it to another message; the tag is random.
struct BodyKey {
  uint64_t ino = 0;
  uint64_t tag = 0;
};

// A body that can be read: the file descriptor stays valid whatever happens to the cache
// (eviction unlinks, open descriptors live on). Bytes [0, size) are the body. Immutable;
// thread-safe (use pread or splice with offsets).
class BodyFile {
 public:
  BodyFile(base::UniqueFd fd, uint64_t size) : fd_(std::move(fd)), size_(size) {}
  int fd() const { return fd_.get(); }
  uint64_t size() const { return size_; }

 private:
  base::UniqueFd fd_;
  uint64_t size_;
};

// A body that is being downloaded to a temporary file. Thread-bound, but for fd(), which
// other threads may read from up to what they know to be written. The number that fd() returns
// never changes and stays valid until the writer is destroyed, after Commit as long as the
// BodyFile lives: when the disk is full, what has been written moves to another file under the
// same number, by one dup3(2), so that a reader notices nothing.
class BodyWriter {
 public:
  virtual ~BodyWriter() = default;                  // Not committed: the temporary file is removed.
  virtual void Append(std::string_view bytes) = 0;  // Throws kDisk, kDiskFull.
  virtual uint64_t written() const = 0;
  virtual int fd() const = 0;
  // Starts over at 0. Readers must have been told before.
  virtual void Reset() = 0;
  // Adds the footer (identity, size, checksum), renames the file into the cache, evicts what
  // is too much (never this body). If the file cannot enter the cache (disk full, or larger than
  // the limit) it is served unlinked all the same. Returns the body. Last call but destruction.
  virtual std::shared_ptr<BodyFile> Commit() = 0;
};

struct CacheStatus {
  uint64_t bytes = 0;  // On disk (allocated blocks).
  uint64_t limit = 0;
  uint64_t bodies = 0;
  uint64_t hits = 0, misses = 0, evicted = 0, corrupt = 0;
};

// The bodies that are held: one file each in 2-hex-digit directories (0700/0600), named for
// the inode, with a footer after the body that carries the index's id, the inode, the tag, the
// size and a 128-bit XXH3 checksum. An LRU database (disposable, rebuilt by scanning) counts disk
// blocks; over the limit the least recently used are unlinked down to 90 %. A body is
// checked once per process before it is first served; one that fails, or whose tag is another
// one, counts as absent and is removed. Nothing is ever synced: what a power failure damages fails its check and is
// fetched again. One process uses a directory at a time (flock). BodyWriters must not outlive the BodyCache; BodyFiles
// may. Thread-safe; no lock is held while bodies are read or written. Throws Error: kDisk, kDiskFull; Open: kConfig as
// well.
class BodyCache {
 public:
  struct Options {
    std::string directory;    // Created 0700.
    std::string index_id;     // Bodies of another index are removed at opening.
    uint64_t size_limit = 0;  // Bytes.
    // What writes bodies, as pwrite(2); tests put a full disk here.
    std::function<ssize_t(int fd, const void* bytes, size_t size, off_t offset)> write = ::pwrite;
  };
  static std::unique_ptr<BodyCache> Open(const Options& options);
  virtual ~BodyCache() = default;

  // The body if it is held and sound; counts as a use.
  virtual std::shared_ptr<BodyFile> Find(const BodyKey& key) = 0;
  // Cheap, looks at the footer only: for `user.mailboxfs.cached`.
  virtual bool Contains(const BodyKey& key) = 0;
  // On a full disk the temporary file is an unlinked one in $TMPDIR; that is logged once.
  virtual std::unique_ptr<BodyWriter> Create(const BodyKey& key) = 0;
  // Whatever its tag is.
  virtual void Remove(uint64_t ino) = 0;
  virtual CacheStatus GetStatus() = 0;
};

}  // namespace mailboxfs::store
