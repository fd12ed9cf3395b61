#include "mailboxfs/store/fsck.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "body_files.h"
#include "cache_fsck.h"
#include "directory.h"
#include "index_check.h"
#include "index_fsck.h"
#include "mailboxfs/base/log.h"
#include "schema.h"

namespace mailboxfs::store {

using base::Error;
using base::ErrorKind;

namespace {

// Throws kDisk if that cannot be told: then there is something that nobody has looked at.
bool IsThere(const std::string& path) {
  struct stat status {};
  if (::lstat(path.c_str(), &status) == 0) return true;
  if (errno == ENOENT) return false;
  throw base::ErrnoError(ErrorKind::kDisk, "cannot look at " + path, errno);
}

bool HoldsBodies(const std::string& cache_directory) {
  const std::string bodies = cache_directory + "/v1";
  if (!IsThere(bodies)) return false;
  std::error_code error;
  for (std::filesystem::recursive_directory_iterator entry(bodies, error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string directory = entry->path().parent_path().filename().string();
    if (BodyFiles::ParseDirectoryName(directory) && entry->is_regular_file(error)) return true;
  }
  if (error) throw base::ErrnoError(ErrorKind::kDisk, "cannot look into " + bodies, error.value());
  return false;
}

// Files that root makes in somebody's directory would keep him out.
void RefuseStrangersDirectory(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0 || status.st_uid == ::geteuid()) return;
  throw Error(ErrorKind::kConfig,
              base::Format("{} belongs to another user (number {}); run fsck as that user", path, status.st_uid));
}

// One run of Fsck.
class Run {
 public:
  explicit Run(const FsckOptions& options)
      : options_(options),
        purpose_(options.change ? LockFor::kUse : LockFor::kLook),
        path_(options.state_directory + "/index.db") {}

  FsckSummary Go() {
    if (!IsThere(path_)) {
      summary_.no_index = true;
      if (HoldsBodies(options_.cache_directory)) ReportLostIndex();
      return summary_;
    }
    if (options_.change) {
      RefuseStrangersDirectory(options_.state_directory);
      RefuseStrangersDirectory(options_.cache_directory);
    }
    lock_.emplace(options_.state_directory, "lock", purpose_);
    if (IsThere(options_.cache_directory + "/v1")) {
      cache_lock_.emplace(options_.cache_directory, "cache.lock", purpose_);
    }
    const bool had_log = IsThere(path_ + "-wal");
    if (OpenIndex() && CheckRows() && cache_lock_) CheckCache();
    index_.reset();
    if (options_.change) {
      // Otherwise the next opening has still to leave out the inode numbers that may be lost.
      if (!lock_->last_use_unclean()) lock_->MarkClean();
    } else if (!had_log) {
      RemoveEmptyLog();
    }
    return summary_;
  }

 private:
  void Report(FsckFinding finding, bool corrected) {
    finding.corrected = corrected;
    ++(corrected ? summary_.corrected : summary_.uncorrected);
    if (options_.report) options_.report(finding);
  }

  // Whether its rows can be looked at.
  bool OpenIndex() {
    try {
      index_ = OpenIndexToCheck(path_);
      Prepare();
      if (options_.progress) options_.progress("index", 0, 0);
      const std::string verdict = VerdictOf(*index_, "integrity_check");
      if (!verdict.empty() && !RepairSearchTrees(verdict)) return false;
      Transaction transaction(*index_);
      UpgradeIndex(*index_);
      RequireOwnSchema(*index_);
      if (options_.change) transaction.Commit();
      return true;
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::kCorrupt) throw;
      ReplaceIndex(error.what());
      return options_.change;
    }
  }

  void Prepare() {
    if (!options_.change) {
      index_->KeepLog();
      // What is undone at the end must not have been written meanwhile.
      index_->Execute("PRAGMA cache_spill = OFF");
    }
    if (options_.stop) index_->StopWhen(options_.stop);
  }

  // What SQLite can make again from the rows. Throws kCorrupt if that is not all.
  bool RepairSearchTrees(const std::string& verdict) {
    RequireSoundRows(*index_, verdict);
    if (options_.change) MakeSearchTreesAgain(*index_);
    Report({"index", "its rows cannot all be found: " + verdict,
            "its search trees were made again; every folder is listed again", false},
           options_.change);
    return options_.change;
  }

  // Made again by the next mount only: perhaps it was looked for in the wrong place.
  void ReportLostIndex() {
    Report({"index", path_ + " is missing, but there are cached bodies that belong to one",
            "put it back from a backup, or else the next mount makes a new one: every folder is listed again, every "
            "message gets a new inode number, the cached bodies are dropped",
            false},
           false);
  }

  void ReplaceIndex(const std::string& problem) {
    index_.reset();
    std::string repair =
        "moved aside and replaced: every folder is listed again, every message gets a new inode number";
    if (options_.change) {
      repair =
          base::Format("moved to {} and replaced: every folder is listed again, every message gets a new inode number",
                       MoveIndexAside(path_));
      index_ = OpenIndexDatabase(path_, {}).database;
      Prepare();
    }
    Report({"index", "the database is damaged: " + problem, repair, false}, options_.change);
  }

  // Whether the cache can be looked at by them. Without `change` what is done to them is undone.
  bool CheckRows() {
    const auto progress = [&](uint64_t done, uint64_t total) {
      if (options_.progress) options_.progress("index", done, total);
    };
    std::vector<FsckFinding> findings;
    try {
      Transaction transaction(*index_);
      UpgradeIndex(*index_);
      findings = IndexFsck(*index_, progress).Run(&summary_);
      if (options_.change) transaction.Commit();
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::kCorrupt) throw;
      ReplaceIndex(error.what());
      return options_.change;
    }
    for (const FsckFinding& finding : findings) Report(finding, options_.change);
    return true;
  }

  void CheckCache() {
    const std::string id = index_->QueryText("SELECT value FROM meta WHERE key = 'id'");
    CacheFsck(options_, id, *index_).Run(!cache_lock_->last_use_unclean(), &summary_);
    if (options_.change) cache_lock_->MarkClean();
  }

  // Opening the database has made it.
  void RemoveEmptyLog() const {
    const std::string log = path_ + "-wal";
    struct stat status {};
    if (::stat(log.c_str(), &status) == 0 && status.st_size == 0) ::unlink(log.c_str());
  }

  const FsckOptions& options_;
  const LockFor purpose_;
  const std::string path_;
  std::optional<DirectoryLock> lock_;
  std::optional<DirectoryLock> cache_lock_;
  std::unique_ptr<Database> index_;
  FsckSummary summary_;
};

}  // namespace

FsckSummary Fsck(const FsckOptions& options) { return Run(options).Go(); }

}  // namespace mailboxfs::store
