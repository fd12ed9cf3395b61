#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string_view>

struct XXH3_state_s;

namespace mailboxfs::store {

// 128 bits, big-endian (XXH's canonical form).
using Digest = std::array<char, 16>;

inline std::string_view View(const Digest& digest) { return {digest.data(), digest.size()}; }

// XXH3-128 of a stream. Detects damage; no defence against forgery. Thread-bound.
class Hasher {
 public:
  explicit Hasher(uint64_t seed = 0);
  void Update(std::string_view bytes);
  // Unambiguous in a sequence: the length first.
  void UpdateField(std::string_view bytes);
  void UpdateInt(uint64_t value);
  // Of what has come so far.
  Digest Finish() const;
  void Reset();

 private:
  struct Freer {
    void operator()(XXH3_state_s* state) const noexcept;
  };
  uint64_t seed_;
  std::unique_ptr<XXH3_state_s, Freer> state_;
};

}  // namespace mailboxfs::store
