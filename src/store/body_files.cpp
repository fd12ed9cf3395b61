#include "body_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <filesystem>
#include <memory>

#include "directory.h"
#include "mailboxfs/base/error.h"
#include "mailboxfs/base/log.h"

namespace mailboxfs::store {

using base::ErrorKind;

namespace {

constexpr size_t kReadBytes = 65536;
constexpr uint64_t kBlockBytes = 512;
constexpr uint64_t kDirectories = 256;

std::string HashDirectory(uint64_t number) { return base::Format("{:02x}", number % kDirectories); }

std::optional<uint64_t> ParseHexadecimal(const std::string& text) {
  uint64_t value = 0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  const bool whole = result.ec == std::errc() && result.ptr == text.data() + text.size();
  return whole ? std::optional(value) : std::nullopt;
}

// Names of a directory's entries; empty if it does not exist.
std::vector<std::string> NamesIn(const std::string& directory) {
  std::vector<std::string> names;
  std::error_code error;
  for (std::filesystem::directory_iterator entry(directory, error), end; !error && entry != end;
       entry.increment(error)) {
    names.push_back(entry->path().filename().string());
  }
  if (error && error != std::errc::no_such_file_or_directory) {
    throw base::ErrnoError(ErrorKind::kDisk, "cannot list " + directory, error.value());
  }
  return names;
}

std::string ReadSmallFile(const std::string& path) {
  const base::UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  std::array<char, 256> buffer{};
  const ssize_t length = fd ? ::pread(fd.get(), buffer.data(), buffer.size(), 0) : 0;
  return std::string(buffer.data(), length > 0 ? static_cast<size_t>(length) : 0);
}

// Reads [0, size) from the front; false if that is not possible.
bool HashBody(int fd, uint64_t size, Hasher* hasher) {
  const auto buffer = std::make_unique<std::array<char, kReadBytes>>();
  for (uint64_t offset = 0; offset < size;) {
    const size_t wanted = static_cast<size_t>(std::min<uint64_t>(kReadBytes, size - offset));
    const ssize_t length = ::pread(fd, buffer->data(), wanted, static_cast<off_t>(offset));
    if (length < 0 && errno == EINTR) continue;
    if (length <= 0) return false;
    hasher->Update({buffer->data(), static_cast<size_t>(length)});
    offset += static_cast<uint64_t>(length);
  }
  return true;
}

}  // namespace

bool IsSound(int fd, const BodyFooter& footer) {
  Hasher hasher;
  return HashBody(fd, footer.size, &hasher) && hasher.Finish() == footer.body;
}

uint64_t DiskBytes(const struct stat& status) {
  const uint64_t length = (static_cast<uint64_t>(status.st_size) + kBlockBytes - 1) / kBlockBytes * kBlockBytes;
  return std::max(length, static_cast<uint64_t>(status.st_blocks) * kBlockBytes);
}

std::optional<uint64_t> BodyFiles::ParseDirectoryName(const std::string& name) {
  const std::optional<uint64_t> number = ParseHexadecimal(name);
  return number && name == HashDirectory(*number) ? number : std::nullopt;
}

std::optional<uint64_t> BodyFiles::ParseFileName(const std::string& name, uint64_t number) {
  const std::optional<uint64_t> ino = ParseHexadecimal(name);
  return ino && name == base::Format("{:016x}", *ino) && *ino % kDirectories == number ? ino : std::nullopt;
}

std::string BodyFiles::IndexIdIn(const std::string& root) { return ReadSmallFile(root + "/index-id"); }

BodyFiles::BodyFiles(std::string directory, const std::string& index_id)
    : root_(std::move(directory) + "/v1"), index_(IndexDigest(index_id)) {
  MakePrivateDirectory(root_);
  MakePrivateDirectory(root_ + "/tmp");
  RemoveTemporaryFiles();
  AdoptIndex(index_id);
}

void BodyFiles::RemoveTemporaryFiles() const {
  for (const std::string& name : NamesIn(root_ + "/tmp")) ::unlink((root_ + "/tmp/" + name).c_str());
}

void BodyFiles::AdoptIndex(const std::string& index_id) {
  const std::string path = root_ + "/index-id";
  if (IndexIdIn(root_) == index_id) return;
  emptied_ = true;
  uint64_t removed = 0;
  for (const CacheLedger::Entry& entry : Scan()) {
    if (::unlink(PathOf(entry.ino).c_str()) == 0) ++removed;
  }
  if (removed != 0) base::LogInfo("removed {} cached bodies of another index from {}", removed, root_);
  const base::UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
  const bool written =
      fd && ::write(fd.get(), index_id.data(), index_id.size()) == static_cast<ssize_t>(index_id.size());
  if (!written) base::LogWarning("cannot write {}: the bodies cached now will not be found after a restart", path);
}

std::string BodyFiles::PathOf(uint64_t ino) const {
  return base::Format("{}/{}/{:016x}", root_, HashDirectory(ino), ino);
}

base::UniqueFd BodyFiles::CreateTemporary(std::string* path) const {
  static std::atomic<uint64_t> counter = 0;
  *path = base::Format("{}/tmp/{}-{}", root_, ::getpid(), ++counter);
  const auto create = [&] {
    return base::UniqueFd(::open(path->c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  };
  base::UniqueFd fd = create();
  if (!fd && errno == ENOENT) {
    // Somebody has tidied up while we run.
    MakePrivateDirectory(root_);
    MakePrivateDirectory(root_ + "/tmp");
    fd = create();
  }
  if (!fd) throw base::ErrnoError(ErrorKind::kDisk, "cannot create " + *path, errno);
  return fd;
}

int BodyFiles::MoveIntoPlace(const std::string& temporary, uint64_t ino) const {
  const std::string path = PathOf(ino);
  if (std::rename(temporary.c_str(), path.c_str()) == 0) return 0;
  if (errno != ENOENT) return errno;
  if (::mkdir((root_ + "/" + HashDirectory(ino)).c_str(), 0700) != 0 && errno != EEXIST) return errno;
  return std::rename(temporary.c_str(), path.c_str()) == 0 ? 0 : errno;
}

std::optional<BodyFooter> BodyFiles::ReadFooter(int fd, uint64_t ino) const {
  struct stat status {};
  if (::fstat(fd, &status) != 0 || static_cast<uint64_t>(status.st_size) < kFooterBytes) return std::nullopt;
  const uint64_t size = static_cast<uint64_t>(status.st_size) - kFooterBytes;
  std::array<char, kFooterBytes> bytes{};
  if (::pread(fd, bytes.data(), bytes.size(), static_cast<off_t>(size)) != static_cast<ssize_t>(bytes.size())) {
    return std::nullopt;
  }
  const std::optional<BodyFooter> footer = DecodeFooter({bytes.data(), bytes.size()});
  if (!footer || footer->index != index_ || footer->key.ino != ino || footer->size != size) return std::nullopt;
  return footer;
}

std::vector<CacheLedger::Entry> BodyFiles::Scan() const {
  struct Found {
    CacheLedger::Entry entry;
    timespec used{};
  };
  std::vector<Found> found;
  for (uint64_t number = 0; number < kDirectories; ++number) {
    const std::string directory = root_ + "/" + HashDirectory(number);
    for (const std::string& name : NamesIn(directory)) {
      const std::string path = directory + "/" + name;
      const std::optional<uint64_t> ino = ParseFileName(name, number);
      struct stat status {};
      if (::lstat(path.c_str(), &status) != 0) continue;
      if (!ino || static_cast<uint64_t>(status.st_size) < kFooterBytes) {
        ::unlink(path.c_str());
        continue;
      }
      const auto later = [](const timespec& a, const timespec& b) {
        return a.tv_sec != b.tv_sec ? a.tv_sec > b.tv_sec : a.tv_nsec > b.tv_nsec;
      };
      // Without atime updates the time of writing is all there is.
      found.push_back(
          {{*ino, DiskBytes(status)}, later(status.st_atim, status.st_mtim) ? status.st_atim : status.st_mtim});
    }
  }
  std::sort(found.begin(), found.end(), [](const Found& a, const Found& b) {
    return a.used.tv_sec != b.used.tv_sec ? a.used.tv_sec < b.used.tv_sec : a.used.tv_nsec < b.used.tv_nsec;
  });
  std::vector<CacheLedger::Entry> entries;
  entries.reserve(found.size());
  for (const Found& body : found) entries.push_back(body.entry);
  return entries;
}

}  // namespace mailboxfs::store
