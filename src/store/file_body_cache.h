#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "body_files.h"
#include "cache_ledger.h"
#include "directory.h"
#include "ino_set.h"
#include "mailboxfs/base/mutex.h"
#include "mailboxfs/store/body_cache.h"

namespace mailboxfs::store {

// The BodyCache: BodyFiles under the rule of a CacheLedger. The mutex guards the ledger and
// that it agrees with the files' names: under it names are changed, but no body is read or written.
class FileBodyCache : public BodyCache {
 public:
  explicit FileBodyCache(const Options& options);
  ~FileBodyCache() override;
  FileBodyCache(const FileBodyCache&) = delete;
  FileBodyCache& operator=(const FileBodyCache&) = delete;

  std::shared_ptr<BodyFile> Find(const BodyKey& key) override EXCLUDES(mutex_);
  bool Contains(const BodyKey& key) override;
  std::unique_ptr<BodyWriter> Create(const BodyKey& key) override;
  void Remove(uint64_t ino) override EXCLUDES(mutex_);
  CacheStatus GetStatus() override EXCLUDES(mutex_);

 private:
  friend class FileBodyWriter;

  // For FileBodyWriter. Whether the complete temporary file `path` has entered the cache.
  bool Enter(const std::string& path, int fd, uint64_t ino) EXCLUDES(mutex_);
  void NoteDiskFull();

  // Runs `use`, again with a new ledger if the ledger fails.
  template <typename Use>
  void WithLedger(Use use) REQUIRES(mutex_);
  // Opens the file of an inode; no descriptor if there is none.
  base::UniqueFd OpenFile(uint64_t ino) const;
  // nullopt, and logged: the open file is not an unharmed body of `key`. With `check_body` all of it
  // is read.
  std::optional<uint64_t> SizeOfSound(int fd, const BodyKey& key, bool check_body) EXCLUDES(mutex_);
  // Removes the file that was opened as `fd`.
  void Discard(uint64_t ino, int fd) EXCLUDES(mutex_);
  void Evict(uint64_t keep) EXCLUDES(mutex_);
  // Removes a few; whether there is more to do.
  bool EvictSome(uint64_t keep) REQUIRES(mutex_);

  const Options options_;
  DirectoryLock lock_;
  BodyFiles files_;
  std::atomic<bool> disk_full_noted_ = false;

  base::Mutex mutex_;
  std::unique_ptr<CacheLedger> ledger_ GUARDED_BY(mutex_);
  bool ledger_kept_ GUARDED_BY(mutex_) = true;  // It is in its file, not in memory.
  InoSet verified_ GUARDED_BY(mutex_);
  uint64_t last_committed_ GUARDED_BY(mutex_) = 0;
  uint64_t hits_ GUARDED_BY(mutex_) = 0;
  uint64_t misses_ GUARDED_BY(mutex_) = 0;
  uint64_t evicted_ GUARDED_BY(mutex_) = 0;
  uint64_t corrupt_ GUARDED_BY(mutex_) = 0;
};

}  // namespace mailboxfs::store
