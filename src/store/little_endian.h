#pragma once

#include <concepts>
#include <cstddef>

namespace mailboxfs::store {

// Integers in files: least significant byte first, whatever the machine. Reentrant.
template <std::unsigned_integral T>
void StoreLittleEndian(T value, char* out) {
  for (size_t i = 0; i < sizeof(T); ++i) out[i] = static_cast<char>((value >> (8 * i)) & 0xff);
}

template <std::unsigned_integral T>
T LoadLittleEndian(const char* in) {
  T value = 0;
  for (size_t i = 0; i < sizeof(T); ++i)
    value |= static_cast<T>(static_cast<T>(static_cast<unsigned char>(in[i])) << (8 * i));
  return value;
}

}  // namespace mailboxfs::store
