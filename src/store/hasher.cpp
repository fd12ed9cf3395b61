#include "hasher.h"

#include <xxhash.h>

#include <new>

#include "little_endian.h"

namespace mailboxfs::store {

void Hasher::Freer::operator()(XXH3_state_s* state) const noexcept { XXH3_freeState(state); }

Hasher::Hasher(uint64_t seed) : seed_(seed), state_(XXH3_createState()) {
  if (state_ == nullptr) throw std::bad_alloc();
  Reset();
}

void Hasher::Update(std::string_view bytes) { XXH3_128bits_update(state_.get(), bytes.data(), bytes.size()); }

void Hasher::UpdateField(std::string_view bytes) {
  UpdateInt(bytes.size());
  Update(bytes);
}

void Hasher::UpdateInt(uint64_t value) {
  std::array<char, 8> bytes{};
  StoreLittleEndian(value, bytes.data());
  Update({bytes.data(), bytes.size()});
}

Digest Hasher::Finish() const {
  XXH128_canonical_t canonical{};
  XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(state_.get()));
  Digest digest{};
  static_assert(sizeof canonical.digest == digest.size());
  for (size_t i = 0; i < digest.size(); ++i) digest.at(i) = static_cast<char>(canonical.digest[i]);
  return digest;
}

void Hasher::Reset() { XXH3_128bits_reset_withSeed(state_.get(), seed_); }

}  // namespace mailboxfs::store
