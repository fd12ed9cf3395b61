#include "cache_fsck.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <vector>

#include "body_files.h"
#include "cache_ledger.h"
#include "index_fsck.h"
#include "index_tables.h"
#include "mailboxfs/base/encoding.h"
#include "mailboxfs/base/log.h"

namespace mailboxfs::store {

using base::Error;
using base::ErrorKind;

namespace {

constexpr const char* kFetchedAgain = "removed; it is fetched again when it is read";
// File systems count a file's blocks late, and some reserve more for it at first.
constexpr uint64_t kBlocksSlack = uint64_t{1} << 20;

std::vector<std::filesystem::path> EntriesOf(const std::string& directory) {
  std::vector<std::filesystem::path> entries;
  std::error_code error;
  for (std::filesystem::directory_iterator entry(directory, error), end; !error && entry != end;
       entry.increment(error)) {
    entries.push_back(entry->path());
  }
  if (error && error != std::errc::no_such_file_or_directory) {
    throw base::ErrnoError(ErrorKind::kDisk, "cannot list " + directory, error.value());
  }
  return entries;
}

}  // namespace

CacheFsck::CacheFsck(const FsckOptions& options, const std::string& index_id, Database& index)
    : options_(options),
      root_(options.cache_directory + "/v1"),
      ledger_(options.cache_directory + "/cache.db"),
      index_id_(index_id),
      index_digest_(IndexDigest(index_id)),
      index_(index) {}

void CacheFsck::Run(bool closed, FsckSummary* summary) {
  summary_ = summary;
  CheckTemporaryFiles();
  if (CheckIndexId()) {
    FindBodies();
    if (closed) CheckLedger();
    uint64_t done = 0;
    for (const auto& [ino, body] : bodies_) {
      if (options_.stop && options_.stop()) throw Error(ErrorKind::kCancelled, "stopped");
      if (options_.progress) options_.progress("bodies", done++, bodies_.size());
      CheckBody(ino, body);
    }
  }
  if (options_.change) UpdateLedger();
}

void CacheFsck::Add(const std::string& where, const std::string& problem, const std::string& repair, bool corrected) {
  ++(corrected ? summary_->corrected : summary_->uncorrected);
  if (options_.report) options_.report({where, problem, repair, corrected});
}

void CacheFsck::Remove(const std::string& where, const std::string& problem, const std::string& repair,
                       const std::string& path) {
  bool corrected = false;
  std::string done = repair;
  if (options_.change) {
    corrected = std::remove(path.c_str()) == 0;
    if (!corrected) done = base::ErrnoError(ErrorKind::kDisk, "cannot remove " + path, errno).what();
  }
  Add(where, problem, done, corrected);
}

// False: all bodies are of another index, which are removed when the cache is opened, or now.
bool CacheFsck::CheckIndexId() {
  if (BodyFiles::IndexIdIn(root_) == index_id_) return true;
  FindBodies();
  bool corrected = options_.change;
  if (options_.change) {
    const BodyFiles emptied(options_.cache_directory, index_id_);
    corrected = BodyFiles::IndexIdIn(root_) == index_id_;
  }
  if (bodies_.empty() && corrected == options_.change) return false;
  Add("cache", base::Format("{} of another index", base::CountOf(bodies_.size(), "cached body")), kFetchedAgain,
      corrected);
  return false;
}

void CacheFsck::CheckTemporaryFiles() {
  for (const std::filesystem::path& path : EntriesOf(root_ + "/tmp")) {
    Remove("cache", path.string() + " is what was left of a download", "removed", path.string());
  }
}

void CacheFsck::FindBodies() {
  for (const std::filesystem::path& directory : EntriesOf(root_)) {
    const std::optional<uint64_t> number = BodyFiles::ParseDirectoryName(directory.filename().string());
    if (!number) continue;
    for (const std::filesystem::path& path : EntriesOf(directory.string())) {
      const std::optional<uint64_t> ino = BodyFiles::ParseFileName(path.filename().string(), *number);
      struct stat status {};
      if (::lstat(path.c_str(), &status) != 0) continue;
      if (ino && S_ISREG(status.st_mode)) {
        bodies_[*ino] = {path.string(), DiskBytes(status)};
      } else {
        Remove("cache", base::Printable(path.string()) + " cannot be a body", "removed", path.string());
      }
    }
  }
}

std::optional<CacheFsck::Message> CacheFsck::MessageOf(uint64_t ino) {
  Statement row =
      index_.Prepare("SELECT ino, tag, size, size_exact FROM nodes WHERE ino = " MAILBOXFS_FIRST_ROW " AND kind = 2")
          .Bind(ino);
  if (!row.Step()) return std::nullopt;
  return Message{row.As<uint64_t>(0), row.As<uint64_t>(1), row.As<uint64_t>(2), row.Int(3) != 0};
}

void CacheFsck::CheckBody(uint64_t ino, const Body& body) {
  const std::optional<Message> message = MessageOf(ino);
  if (!message) {
    // Deleted at the server; it would have gone when room is needed.
    ++summary_->unused;
    if (options_.change && ::unlink(body.path.c_str()) == 0) removed_.push_back(ino);
    return;
  }
  const base::UniqueFd fd(::open(body.path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  BodyFooter footer;
  if (const std::optional<std::string> fault = FaultOf(fd, ino, *message, &footer)) {
    Remove(IndexPathOf(index_, message->entry), base::Format("cached body {}: {}", body.path, *fault), kFetchedAgain,
           body.path);
    removed_.push_back(ino);
    return;
  }
  ++summary_->bodies;
  summary_->bytes += footer.size;
  CheckMode(*message, fd);
  CheckSize(ino, *message, footer.size);
}

std::optional<std::string> CacheFsck::FaultOf(const base::UniqueFd& fd, uint64_t ino, const Message& message,
                                              BodyFooter* footer) {
  struct stat status {};
  if (!fd || ::fstat(fd.get(), &status) != 0)
    return base::ErrnoError(ErrorKind::kDisk, "it cannot be read", errno).what();
  const uint64_t length = static_cast<uint64_t>(status.st_size);
  if (length < kFooterBytes) return "it is cut short";
  std::array<char, kFooterBytes> bytes{};
  const ssize_t got = ::pread(fd.get(), bytes.data(), bytes.size(), static_cast<off_t>(length - kFooterBytes));
  if (got < 0) return base::ErrnoError(ErrorKind::kDisk, "it cannot be read", errno).what();
  const std::optional<BodyFooter> found = DecodeFooter({bytes.data(), static_cast<size_t>(got)});
  if (!found) return "its end is damaged";
  if (found->index != index_digest_) return "it is of another index";
  if (found->key.ino != ino) return base::Format("it is the body of inode {}", found->key.ino);
  if (found->size != length - kFooterBytes) return "it is cut short, or longer than it was";
  if (found->key.tag != message.tag) return "it is of a message that had this inode number before";
  if (!IsSound(fd.get(), *found)) return "its checksum is wrong";
  *footer = *found;
  return std::nullopt;
}

void CacheFsck::CheckMode(const Message& message, const base::UniqueFd& fd) {
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0 || (status.st_mode & (S_IRWXG | S_IRWXO)) == 0) return;
  Add(IndexPathOf(index_, message.entry), "others may read its cached body", "chmod 600",
      options_.change && ::fchmod(fd.get(), S_IRUSR | S_IWUSR) == 0);
}

// The body has a checksum, the index has none.
void CacheFsck::CheckSize(uint64_t ino, const Message& message, uint64_t size) {
  if (!message.size_exact || message.size == size) return;
  if (options_.change) {
    index_.Prepare("UPDATE nodes SET size = ?2 WHERE ino IN " MAILBOXFS_ROWS).Bind(ino).Bind(size).Run();
  }
  Add(IndexPathOf(index_, message.entry),
      base::Format("its size in the index is {}, but it has {} bytes", message.size, size),
      "the index has the right size", options_.change);
}

void CacheFsck::CheckLedger() {
  const std::string problem = ComparedWithLedger();
  ledger_sound_ = problem.empty();
  if (ledger_sound_) return;
  Add("cache", base::Format("the list of the cached bodies {}: {}", ledger_, problem), "the bodies were counted again",
      options_.change);
}

// What is wrong with it; empty: nothing.
std::string CacheFsck::ComparedWithLedger() const {
  if (::access(ledger_.c_str(), F_OK) != 0) return bodies_.empty() ? "" : "it is missing";
  uint64_t missing = 0;
  uint64_t wrong = 0;
  uint64_t listed = 0;
  try {
    const std::unique_ptr<CacheLedger> ledger = CacheLedger::Open(ledger_);
    const std::string verdict = ledger->Verdict();
    if (verdict != "ok") return base::Printable(verdict);
    for (const CacheLedger::Entry& entry : ledger->All()) {
      const auto body = bodies_.find(entry.ino);
      if (body == bodies_.end()) {
        ++missing;
        continue;
      }
      ++listed;
      const uint64_t bytes = body->second.disk_bytes;
      if (entry.bytes + kBlocksSlack < bytes || entry.bytes > 2 * bytes + kBlocksSlack) ++wrong;
    }
  } catch (const Error& error) {
    return error.what();
  }
  if (missing == 0 && wrong == 0 && listed == bodies_.size()) return {};
  return base::Format("{} that are not there, {} not listed, {} of the wrong size", missing, bodies_.size() - listed,
                      wrong);
}

void CacheFsck::UpdateLedger() const {
  if (ledger_sound_ && ::access(ledger_.c_str(), F_OK) == 0) {
    // The order of the last uses is kept.
    const std::unique_ptr<CacheLedger> ledger = CacheLedger::Open(ledger_);
    for (const uint64_t ino : removed_) ledger->Remove(ino);
  } else {
    CacheLedger::Make(ledger_, BodyFiles(options_.cache_directory, index_id_).Scan());
  }
}

}  // namespace mailboxfs::store
