#include "mailboxfs/base/secret.h"

#include <cstring>

namespace mailboxfs::base {

void WipeMemory(void* data, size_t size) noexcept {
  if (size > 0) ::explicit_bzero(data, size);
}

}  // namespace mailboxfs::base
