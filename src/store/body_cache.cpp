#include "mailboxfs/store/body_cache.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "body_writer.h"
#include "file_body_cache.h"
#include "mailboxfs/base/log.h"

namespace mailboxfs::store {

using base::Error;
using base::ErrorKind;

namespace {

// So many are unlinked before others get the mutex.
constexpr size_t kEvictionBatch = 32;

// How far an eviction goes: room for many bodies, so that it is not needed for each.
uint64_t LowMark(uint64_t limit) { return limit - limit / 10; }

std::string LedgerPath(const BodyCache::Options& options) { return options.directory + "/cache.db"; }

}  // namespace

std::unique_ptr<BodyCache> BodyCache::Open(const Options& options) { return std::make_unique<FileBodyCache>(options); }

FileBodyCache::FileBodyCache(const Options& options)
    : options_(options),
      lock_((MakePrivateDirectory(options.directory), DirectoryLock(options.directory, "cache.lock"))),
      files_(options.directory, options.index_id) {
  try {
    if (!lock_.last_use_unclean()) ledger_ = CacheLedger::Open(LedgerPath(options_));
  } catch (const Error& error) {
    base::LogInfo("{}; counting the cached bodies again", error.what());
  }
  // An emptied cache leaves a ledger of bodies that are no more.
  if (ledger_ == nullptr || files_.emptied()) {
    ledger_.reset();
    const std::vector<CacheLedger::Entry> bodies = files_.Scan();
    try {
      ledger_ = CacheLedger::Make(LedgerPath(options_), bodies);
    } catch (const Error& error) {
      base::LogWarning("{}; cached bodies are counted in memory", error.what());
      ledger_kept_ = false;
      ledger_ = CacheLedger::Make(":memory:", bodies);
    }
  }
  Evict(0);
}

FileBodyCache::~FileBodyCache() {
  bool complete = ledger_kept_;
  try {
    ledger_->Flush();
  } catch (const Error& error) {
    base::LogWarning("{}; the cached bodies will be counted again", error.what());
    complete = false;
  }
  ledger_.reset();
  if (complete) lock_.MarkClean();
}

template <typename Use>
void FileBodyCache::WithLedger(Use use) {
  try {
    use();
  } catch (const Error& error) {
    base::LogError("{}; counting the cached bodies again, in memory", error.what());
    ledger_kept_ = false;
    ledger_ = CacheLedger::Make(":memory:", files_.Scan());
    use();
  }
}

base::UniqueFd FileBodyCache::OpenFile(uint64_t ino) const {
  const std::string path = files_.PathOf(ino);
  base::UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!fd && errno != ENOENT) throw base::ErrnoError(ErrorKind::kDisk, "cannot open cached body " + path, errno);
  return fd;
}

std::shared_ptr<BodyFile> FileBodyCache::Find(const BodyKey& key) {
  bool verified = false;
  {
    // Before the file is opened: whatever takes its place later is written by this process and
    // verified as well. The other way round, an unverified file could pass with its successor's mark.
    base::MutexLock lock(mutex_);
    verified = verified_.Contains(key.ino);
  }
  base::UniqueFd fd = OpenFile(key.ino);
  std::optional<uint64_t> size;
  if (fd) {
    size = SizeOfSound(fd.get(), key, !verified);
    if (!size) Discard(key.ino, fd.get());
  }
  base::MutexLock lock(mutex_);
  if (!size) {
    ++misses_;
    return nullptr;
  }
  ++hits_;
  verified_.Insert(key.ino);
  WithLedger([&]() REQUIRES(mutex_) { ledger_->Touch(key.ino); });
  return std::make_shared<BodyFile>(std::move(fd), *size);
}

std::optional<uint64_t> FileBodyCache::SizeOfSound(int fd, const BodyKey& key, bool check_body) {
  const std::optional<BodyFooter> footer = files_.ReadFooter(fd, key.ino);
  if (footer && footer->key.tag != key.tag) {
    base::LogInfo("cached body {} is of a message that the index no longer knows; removed", files_.PathOf(key.ino));
    return std::nullopt;
  }
  if (footer && (!check_body || IsSound(fd, *footer))) return footer->size;
  base::LogError("cached body {} is damaged or of another message; removed, it will be fetched again",
                 files_.PathOf(key.ino));
  base::MutexLock lock(mutex_);
  ++corrupt_;
  return std::nullopt;
}

bool FileBodyCache::Contains(const BodyKey& key) {
  const base::UniqueFd fd = OpenFile(key.ino);
  if (!fd) return false;
  const std::optional<BodyFooter> footer = files_.ReadFooter(fd.get(), key.ino);
  return footer && footer->key.tag == key.tag;
}

std::unique_ptr<BodyWriter> FileBodyCache::Create(const BodyKey& key) {
  return std::make_unique<FileBodyWriter>(*this, key);
}

void FileBodyCache::Remove(uint64_t ino) {
  base::MutexLock lock(mutex_);
  verified_.Erase(ino);
  const std::string path = files_.PathOf(ino);
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) {
    throw base::ErrnoError(ErrorKind::kDisk, "cannot remove cached body " + path, errno);
  }
  WithLedger([&]() REQUIRES(mutex_) { ledger_->Remove(ino); });
}

CacheStatus FileBodyCache::GetStatus() {
  base::MutexLock lock(mutex_);
  CacheStatus status;
  status.bytes = ledger_->bytes();
  status.limit = options_.size_limit;
  status.bodies = ledger_->bodies();
  status.hits = hits_;
  status.misses = misses_;
  status.evicted = evicted_;
  status.corrupt = corrupt_;
  return status;
}

void FileBodyCache::Discard(uint64_t ino, int fd) {
  const std::string path = files_.PathOf(ino);
  base::MutexLock lock(mutex_);
  struct stat opened {};
  struct stat named {};
  const bool same = ::fstat(fd, &opened) == 0 && ::lstat(path.c_str(), &named) == 0 && opened.st_dev == named.st_dev &&
                    opened.st_ino == named.st_ino;
  // Else somebody has put a new one there, or removed it.
  if (!same) return;
  verified_.Erase(ino);
  if (::unlink(path.c_str()) != 0) throw base::ErrnoError(ErrorKind::kDisk, "cannot remove cached body " + path, errno);
  WithLedger([&]() REQUIRES(mutex_) { ledger_->Remove(ino); });
}

bool FileBodyCache::Enter(const std::string& path, int fd, uint64_t ino) {
  struct stat status {};
  if (::fstat(fd, &status) != 0) throw base::ErrnoError(ErrorKind::kDisk, "cannot use " + path, errno);
  const uint64_t bytes = DiskBytes(status);
  if (bytes > options_.size_limit) return false;
  {
    base::MutexLock lock(mutex_);
    const int error = files_.MoveIntoPlace(path, ino);
    if (error == ENOSPC || error == EDQUOT) NoteDiskFull();
    if (error != 0) {
      base::LogWarning("{}", base::ErrnoError(ErrorKind::kDisk, "cannot keep " + files_.PathOf(ino), error).what());
      return false;
    }
    verified_.Insert(ino);
    last_committed_ = ino;
    WithLedger([&]() REQUIRES(mutex_) { ledger_->Put(ino, bytes); });
  }
  Evict(ino);
  return true;
}

void FileBodyCache::NoteDiskFull() {
  if (disk_full_noted_.exchange(true)) return;
  base::LogWarning(
      "the file system of the cache {} is full; messages are kept in temporary files while they are read. Make room, "
      "or lower the cache's size",
      options_.directory);
}

void FileBodyCache::Evict(uint64_t keep) {
  {
    base::MutexLock lock(mutex_);
    if (ledger_->bytes() <= options_.size_limit) return;
  }
  for (bool more = true; more;) {
    base::MutexLock lock(mutex_);
    more = EvictSome(keep);
  }
}

bool FileBodyCache::EvictSome(uint64_t keep) {
  bool more = true;
  WithLedger([&]() REQUIRES(mutex_) {
    const std::vector<CacheLedger::Entry> victims = ledger_->Oldest(kEvictionBatch, keep, last_committed_);
    more = !victims.empty();
    for (const CacheLedger::Entry& victim : victims) {
      if (ledger_->bytes() <= LowMark(options_.size_limit)) {
        more = false;
        return;
      }
      const std::string path = files_.PathOf(victim.ino);
      if (::unlink(path.c_str()) != 0 && errno != ENOENT) {
        base::LogWarning("{}", base::ErrnoError(ErrorKind::kDisk, "cannot remove cached body " + path, errno).what());
      } else {
        ++evicted_;
      }
      verified_.Erase(victim.ino);
      ledger_->Remove(victim.ino);
    }
  });
  return more;
}

}  // namespace mailboxfs::store
