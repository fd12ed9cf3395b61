#pragma once

#include <malloc.h>

#include <cstddef>

namespace mailboxfs::mail::testing {

// Octets that the process has allocated; under a sanitizer, always the same.
inline size_t AllocatedOctets() {
  const struct mallinfo2 info = ::mallinfo2();
  return info.uordblks + info.hblkhd;
}

}  // namespace mailboxfs::mail::testing
