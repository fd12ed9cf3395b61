#pragma once

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <memory>
#include <random>
#include <string>

#include "mailboxfs/store/body_cache.h"
#include "test_support.h"

namespace mailboxfs::store {

inline constexpr uint64_t kLimit = 100'000'000;

inline std::string Pread(int fd, size_t size, off_t offset = 0) {
  std::string bytes(size, '\0');
  const ssize_t length = ::pread(fd, bytes.data(), size, offset);
  bytes.resize(length < 0 ? 0 : static_cast<size_t>(length));
  return bytes;
}

inline std::string Contents(const BodyFile& body) { return Pread(body.fd(), body.size()); }

// Reproducible noise.
inline std::string Bytes(size_t size, uint64_t seed) {
  std::mt19937_64 random(seed + 1);
  std::string bytes;
  bytes.reserve(size + 8);
  while (bytes.size() < size) {
    const uint64_t value = random();
    bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  bytes.resize(size);
  return bytes;
}

inline std::string WithFlippedBit(const std::string& bytes, size_t at) {
  return bytes.substr(0, at) + static_cast<char>(bytes.at(at) ^ 0x10) + bytes.substr(at + 1);
}

class BodyCacheTest : public testing::Test {
 protected:
  BodyCacheTest() {
    options_.directory = directory_.path();
    options_.index_id = "0123456789abcdef";
    options_.size_limit = kLimit;
    cache_ = BodyCache::Open(options_);
  }

  void Reopen() {
    cache_.reset();
    cache_ = BodyCache::Open(options_);
  }
  std::shared_ptr<BodyFile> Put(uint64_t ino, const std::string& bytes) {
    const auto writer = cache_->Create(Key(ino));
    writer->Append(bytes);
    return writer->Commit();
  }
  std::string Get(uint64_t ino) {
    const std::shared_ptr<BodyFile> body = cache_->Find(Key(ino));
    return body ? Contents(*body) : "(absent)";
  }
  std::string PathOf(uint64_t ino) const {
    return base::Format("{}/v1/{:02x}/{:016x}", directory_.path(), ino % 256, ino);
  }
  size_t FilesIn(const std::string& subdirectory) const {
    size_t count = 0;
    for (const auto& entry : std::filesystem::directory_iterator(directory_.path() + "/" + subdirectory)) {
      if (entry.is_regular_file()) ++count;
    }
    return count;
  }
  // What all bodies take, as du(1) counts.
  uint64_t BytesOnDisk() const {
    uint64_t bytes = 0;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(directory_.path() + "/v1")) {
      struct stat status {};
      if (!entry.is_regular_file() || entry.path().filename() == "index-id") continue;
      if (::stat(entry.path().c_str(), &status) == 0) bytes += static_cast<uint64_t>(status.st_blocks) * 512;
    }
    return bytes;
  }

  TempDir directory_;
  BodyCache::Options options_;
  std::unique_ptr<BodyCache> cache_;
};

}  // namespace mailboxfs::store
