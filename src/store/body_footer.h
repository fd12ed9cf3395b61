#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "hasher.h"
#include "mailboxfs/store/body_cache.h"

namespace mailboxfs::store {

// What follows a body in its file, little-endian, kFooterBytes long:
//   0  8  magic "MBFSBODY"
//   8  4  version, 2
//  12  4  0
//  16 16  XXH3-128 of the index's id
//  32  8  inode number
//  40  8  tag
//  48  8  size of the body
//  56 16  XXH3-128 of the body
//  72 16  XXH3-128 of the 72 bytes above
// Reentrant.
struct BodyFooter {
  Digest index{};
  BodyKey key;
  uint64_t size = 0;
  Digest body{};
};
inline constexpr uint64_t kFooterBytes = 88;

std::string EncodeFooter(const BodyFooter& footer);
// nullopt: damaged, or not a footer of this version.
std::optional<BodyFooter> DecodeFooter(std::string_view bytes);
Digest IndexDigest(std::string_view index_id);

}  // namespace mailboxfs::store
