#pragma once

#include "mailboxfs/base/error.h"

namespace mailboxfs::fuse {

// The one place where errors become errno (design: SEMANTICS.md "Errors"). Reentrant.
int ErrnoFor(base::ErrorKind kind) noexcept;

// Where an EIO came from: numbered in log lines, counted for `status`.
enum class Site { kLookup = 1, kGetAttr, kReadDir, kOpenDir, kOpen, kRead, kXattr, kStatFs };

}  // namespace mailboxfs::fuse
