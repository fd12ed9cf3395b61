#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <random>
#include <string>

#include "sqlite.h"
#include "test_support.h"

// Damage in the file of a database: see SQLite's "Database File Format".
namespace mailboxfs::store {

constexpr size_t kPageSize = 4096;

// In place: whoever has the file open has it, too.
inline void Patch(const std::string& path, size_t at, const std::string& bytes) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
  ASSERT_GE(fd, 0);
  EXPECT_EQ(::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(at)), static_cast<ssize_t>(bytes.size()));
  ::close(fd);
}

// Where the root of a table or search tree begins in the file; it must be closed.
inline size_t RootOf(const std::string& path, const std::string& name) {
  Database database(path);
  Statement row = database.Prepare("SELECT rootpage FROM sqlite_schema WHERE name = ?").Bind(name);
  return row.Step() ? (row.As<size_t>(0) - 1) * kPageSize : 0;
}

inline std::string WithFlippedBit(std::string bytes, size_t at, unsigned bit) {
  bytes.at(at) = static_cast<char>(static_cast<unsigned char>(bytes.at(at)) ^ (1U << bit));
  return bytes;
}

// What a disk or memory can do to a file that was closed properly: the same for the same `random`.
inline std::string Damaged(std::string bytes, std::mt19937_64& random, std::string* what) {
  const size_t pages = bytes.size() / kPageSize;
  const size_t at = random() % bytes.size();
  const size_t page = random() % pages * kPageSize;
  switch (random() % 8) {
    case 0: *what = base::Format("cut at {}", at); return bytes.substr(0, at);
    case 1: *what = base::Format("page at {} is zero", page); return bytes.replace(page, kPageSize, kPageSize, '\0');
    case 2: {
      const size_t other = random() % pages * kPageSize;
      *what = base::Format("page at {} is written at {}", other, page);
      return bytes.replace(page, kPageSize, std::string(bytes, other, kPageSize));
    }
    case 3: {
      const size_t length = std::min<size_t>(1 + random() % 512, bytes.size() - at);
      *what = base::Format("{} bytes at {} are something else", length, at);
      for (size_t i = at; i < at + length; ++i) bytes[i] = static_cast<char>(random());
      return bytes;
    }
    default: {
      // Headers and inner nodes are few, but what matters.
      const size_t place = random() % 2 == 0 ? page + random() % 64 : at;
      const auto bit = static_cast<unsigned>(random() % 8);
      *what = base::Format("bit {} of {}", bit, place);
      return WithFlippedBit(std::move(bytes), place, bit);
    }
  }
}

}  // namespace mailboxfs::store
