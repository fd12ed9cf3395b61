#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "mailboxfs/base/secret.h"

namespace mailboxfs::oauth {

// Both reentrant. 32 bytes.
std::string Sha256(std::string_view bytes);
// Unpredictable, in base64url: 4 characters for each 3 bytes.
base::Secret RandomText(size_t bytes);

}  // namespace mailboxfs::oauth
