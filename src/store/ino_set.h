#pragma once

#include <array>
#include <cstdint>
#include <unordered_map>

namespace mailboxfs::store {

// A set of inode numbers, one bit each in pages: they are dense, and there can be millions.
// Thread-bound.
class InoSet {
 public:
  bool Contains(uint64_t ino) const {
    const auto page = pages_.find(ino / kPageBits);
    return page != pages_.end() && (page->second[WordOf(ino)] & BitOf(ino)) != 0;
  }
  void Insert(uint64_t ino) { pages_[ino / kPageBits][WordOf(ino)] |= BitOf(ino); }
  void Erase(uint64_t ino) {
    const auto page = pages_.find(ino / kPageBits);
    if (page != pages_.end()) page->second[WordOf(ino)] &= ~BitOf(ino);
  }

 private:
  static constexpr uint64_t kPageBits = 4096;
  static constexpr uint64_t kWordBits = 64;
  static size_t WordOf(uint64_t ino) { return ino % kPageBits / kWordBits; }
  static uint64_t BitOf(uint64_t ino) { return uint64_t{1} << (ino % kWordBits); }

  std::unordered_map<uint64_t, std::array<uint64_t, kPageBits / kWordBits>> pages_;
};

}  // namespace mailboxfs::store
