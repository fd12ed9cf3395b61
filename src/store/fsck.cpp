#include "mailboxfs/store/fsck.h"

#include <sys/stat.h>
#include <unistd.h>

#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "cache_fsck.h"
#include "directory.h"
#include "index_fsck.h"
#include "mailboxfs/base/encoding.h"
#include "mailboxfs/base/log.h"
#include "schema.h"

namespace mailboxfs::store {

using base::Error;
using base::ErrorKind;

namespace {

// So much of what SQLite finds is told.
constexpr int kVerdicts = 3;

bool IsThere(const std::string& path) {
  struct stat status {};
  return ::lstat(path.c_str(), &status) == 0;
}

// Files that root makes in somebody's directory would keep him out.
void RefuseStrangersDirectory(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0 || status.st_uid == ::geteuid()) return;
  throw Error(ErrorKind::kConfig,
              base::Format("{} belongs to another user (number {}); run fsck as that user", path, status.st_uid));
}

// What SQLite finds, "; " between; empty: nothing.
std::string VerdictOf(Database& database, const std::string& pragma) {
  std::string verdict;
  for (auto row = database.Prepare(base::Format("PRAGMA {}({})", pragma, kVerdicts)); row.Step();) {
    const std::string line = row.Text(0);
    if (line != "ok") verdict += (verdict.empty() ? "" : "; ") + base::Printable(line);
  }
  return verdict;
}

// One run of Fsck.
class Run {
 public:
  explicit Run(const FsckOptions& options)
      : options_(options),
        purpose_(options.change ? LockFor::kUse : LockFor::kLook),
        path_(options.state_directory + "/index.db") {}

  FsckSummary Go() {
    if (!IsThere(path_)) return summary_;
    if (options_.change) {
      RefuseStrangersDirectory(options_.state_directory);
      RefuseStrangersDirectory(options_.cache_directory);
    }
    lock_.emplace(options_.state_directory, "lock", purpose_);
    if (IsThere(options_.cache_directory + "/v1")) {
      cache_lock_.emplace(options_.cache_directory, "cache.lock", purpose_);
    }
    const bool had_log = IsThere(path_ + "-wal");
    if (OpenIndex()) CheckRows();
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
      if (index_ == nullptr) return false;
      Prepare();
      if (options_.progress) options_.progress("index", 0, 0);
      const std::string verdict = VerdictOf(*index_, "integrity_check");
      return verdict.empty() || RepairSearchIndexes(verdict);
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
  bool RepairSearchIndexes(const std::string& verdict) {
    if (const std::string rows = VerdictOf(*index_, "quick_check"); !rows.empty()) {
      throw Error(ErrorKind::kCorrupt, rows);
    }
    const FsckFinding finding = {"index", "its rows cannot all be found: " + verdict,
                                 "its search trees were made again", false};
    if (options_.change) {
      index_->Execute("REINDEX");
      if (const std::string left = VerdictOf(*index_, "integrity_check"); !left.empty()) {
        throw Error(ErrorKind::kCorrupt, left);
      }
    }
    Report(finding, options_.change);
    return options_.change;
  }

  void ReplaceIndex(const std::string& problem) {
    index_.reset();
    std::string repair =
        "moved aside and replaced: every folder is listed again, every message gets a new inode number";
    if (options_.change) {
      repair =
          base::Format("moved to {} and replaced: every folder is listed again, every message gets a new inode number",
                       MoveIndexAside(path_));
      index_ = OpenIndexDatabase(path_, false).database;
      Prepare();
    }
    Report({"index", "the database is damaged: " + problem, repair, false}, options_.change);
  }

  // The rows, and by them the cache. Without `change` what is done to the rows is undone.
  void CheckRows() {
    Transaction transaction(*index_);
    UpgradeIndex(*index_);
    const auto progress = [&](uint64_t done, uint64_t total) {
      if (options_.progress) options_.progress("index", done, total);
    };
    const std::vector<FsckFinding> findings = IndexFsck(*index_, progress).Run(&summary_);
    if (options_.change) transaction.Commit();
    for (const FsckFinding& finding : findings) Report(finding, options_.change);
    if (cache_lock_) CheckCache();
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
