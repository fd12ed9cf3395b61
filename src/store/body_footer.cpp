#include "body_footer.h"

#include <algorithm>

#include "little_endian.h"

namespace mailboxfs::store {
namespace {

constexpr std::string_view kMagic = "MBFSBODY";
constexpr uint32_t kFooterVersion = 2;
constexpr size_t kVersionAt = 8;
constexpr size_t kIndexAt = 16;
constexpr size_t kInoAt = 32;
constexpr size_t kTagAt = 40;
constexpr size_t kSizeAt = 48;
constexpr size_t kBodyAt = 56;
constexpr size_t kChecksumAt = 72;

Digest DigestOf(std::string_view bytes) {
  Hasher hasher;
  hasher.Update(bytes);
  return hasher.Finish();
}

Digest DigestAt(std::string_view bytes, size_t at) {
  Digest digest{};
  std::copy_n(bytes.begin() + static_cast<ptrdiff_t>(at), digest.size(), digest.begin());
  return digest;
}

}  // namespace

std::string EncodeFooter(const BodyFooter& footer) {
  std::string bytes(kFooterBytes, '\0');
  bytes.replace(0, kMagic.size(), kMagic);
  StoreLittleEndian(kFooterVersion, bytes.data() + kVersionAt);
  bytes.replace(kIndexAt, footer.index.size(), View(footer.index));
  StoreLittleEndian(footer.key.ino, bytes.data() + kInoAt);
  StoreLittleEndian(footer.key.tag, bytes.data() + kTagAt);
  StoreLittleEndian(footer.size, bytes.data() + kSizeAt);
  bytes.replace(kBodyAt, footer.body.size(), View(footer.body));
  const Digest checksum = DigestOf({bytes.data(), kChecksumAt});
  bytes.replace(kChecksumAt, checksum.size(), View(checksum));
  return bytes;
}

std::optional<BodyFooter> DecodeFooter(std::string_view bytes) {
  if (bytes.size() != kFooterBytes || bytes.substr(0, kMagic.size()) != kMagic) return std::nullopt;
  if (LoadLittleEndian<uint32_t>(bytes.data() + kVersionAt) != kFooterVersion) return std::nullopt;
  if (DigestOf(bytes.substr(0, kChecksumAt)) != DigestAt(bytes, kChecksumAt)) return std::nullopt;
  BodyFooter footer;
  footer.index = DigestAt(bytes, kIndexAt);
  footer.key.ino = LoadLittleEndian<uint64_t>(bytes.data() + kInoAt);
  footer.key.tag = LoadLittleEndian<uint64_t>(bytes.data() + kTagAt);
  footer.size = LoadLittleEndian<uint64_t>(bytes.data() + kSizeAt);
  footer.body = DigestAt(bytes, kBodyAt);
  return footer;
}

Digest IndexDigest(std::string_view index_id) { return DigestOf(index_id); }

}  // namespace mailboxfs::store
