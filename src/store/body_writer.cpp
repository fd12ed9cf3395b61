#include "body_writer.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>

#include "file_body_cache.h"
#include "mailboxfs/base/log.h"

namespace mailboxfs::store {

using base::Error;
using base::ErrorKind;

namespace {

constexpr size_t kCopyBytes = 65536;

std::string TemporaryDirectory() {
  const char* directory = std::getenv("TMPDIR");
  return directory != nullptr && *directory != '\0' ? directory : "/tmp";
}

// A file that has no name and goes with its descriptor.
base::UniqueFd CreateUnnamedFile() {
  const std::string directory = TemporaryDirectory();
  base::UniqueFd fd(::open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  // Not every file system has O_TMPFILE.
  if (!fd && (errno == EOPNOTSUPP || errno == EISDIR)) {
    std::string name = directory + "/mailboxfs-XXXXXX";
    fd = base::UniqueFd(::mkostemp(name.data(), O_CLOEXEC));
    if (fd) ::unlink(name.c_str());
  }
  if (!fd) throw base::ErrnoError(ErrorKind::kDisk, "cannot create a temporary file in " + directory, errno);
  return fd;
}

}  // namespace

FileBodyWriter::FileBodyWriter(FileBodyCache& cache, const BodyKey& key) : cache_(cache), key_(key) {
  try {
    fd_ = cache_.files_.CreateTemporary(&path_);
  } catch (const Error& error) {
    path_.clear();
    if (error.kind() != ErrorKind::kDiskFull) throw;
    cache_.NoteDiskFull();
    fd_ = CreateUnnamedFile();
    unnamed_ = true;
  }
}

FileBodyWriter::~FileBodyWriter() { RemoveTemporaryName(); }

void FileBodyWriter::RemoveTemporaryName() {
  if (!path_.empty()) ::unlink(path_.c_str());
  path_.clear();
}

void FileBodyWriter::Append(std::string_view bytes) {
  if (!Write(bytes)) {
    LeaveCache();
    if (!Write(bytes)) {
      throw Error(ErrorKind::kDiskFull,
                  base::Format("no room for a message, neither in the cache {} nor in {}; make room or set TMPDIR",
                               cache_.options_.directory, TemporaryDirectory()));
    }
  }
  hasher_.Update(bytes);
  written_ += bytes.size();
}

bool FileBodyWriter::Write(std::string_view bytes) {
  for (uint64_t offset = written_; !bytes.empty();) {
    const ssize_t length = cache_.options_.write(fd_.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (length < 0 && errno == EINTR) continue;
    if (length < 0 && (errno == ENOSPC || errno == EDQUOT)) return false;
    if (length < 0) throw base::ErrnoError(ErrorKind::kDisk, "cannot write a message to " + path_, errno);
    bytes.remove_prefix(static_cast<size_t>(length));
    offset += static_cast<uint64_t>(length);
  }
  return true;
}

void FileBodyWriter::LeaveCache() {
  if (unnamed_) return;
  cache_.NoteDiskFull();
  const base::UniqueFd unnamed = CreateUnnamedFile();
  CopyTo(unnamed.get());
  // Readers know the number; for them nothing changes, and the cache's disk gets its room back.
  if (::dup3(unnamed.get(), fd_.get(), O_CLOEXEC) < 0) {
    throw base::ErrnoError(ErrorKind::kDisk, "cannot move a message out of the cache", errno);
  }
  RemoveTemporaryName();
  unnamed_ = true;
}

void FileBodyWriter::CopyTo(int target) {
  const auto buffer = std::make_unique<std::array<char, kCopyBytes>>();
  for (uint64_t offset = 0; offset < written_;) {
    const size_t wanted = static_cast<size_t>(std::min<uint64_t>(kCopyBytes, written_ - offset));
    const ssize_t length = ::pread(fd_.get(), buffer->data(), wanted, static_cast<off_t>(offset));
    if (length < 0 && errno == EINTR) continue;
    if (length <= 0) throw base::ErrnoError(ErrorKind::kDisk, "cannot read back " + path_, length < 0 ? errno : EIO);
    for (ssize_t done = 0; done < length;) {
      const ssize_t step = cache_.options_.write(target, buffer->data() + done, static_cast<size_t>(length - done),
                                                 static_cast<off_t>(offset) + done);
      if (step < 0 && errno == EINTR) continue;
      if (step < 0) throw base::ErrnoError(ErrorKind::kDisk, "cannot write to " + TemporaryDirectory(), errno);
      done += step;
    }
    offset += static_cast<uint64_t>(length);
  }
}

void FileBodyWriter::Reset() {
  if (::ftruncate(fd_.get(), 0) != 0) throw base::ErrnoError(ErrorKind::kDisk, "cannot truncate " + path_, errno);
  written_ = 0;
  hasher_.Reset();
}

std::shared_ptr<BodyFile> FileBodyWriter::Commit() {
  if (!unnamed_) {
    // No fsync: a file that a power failure leaves incomplete fails its check, which costs one
    // download; syncing each of a million small files would cost hours.
    if (!Write(EncodeFooter(cache_.files_.FooterFor(key_, written_, hasher_.Finish())))) {
      cache_.NoteDiskFull();
    } else if (cache_.Enter(path_, fd_.get(), key_.ino)) {
      path_.clear();
    }
    RemoveTemporaryName();
  }
  body_ = std::make_shared<BodyFile>(std::move(fd_), written_);
  return body_;
}

}  // namespace mailboxfs::store
