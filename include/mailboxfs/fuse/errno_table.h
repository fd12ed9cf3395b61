#pragma once

#include <cstddef>
#include <string_view>

#include "mailboxfs/base/error.h"

namespace mailboxfs::fuse {

// The one place where errors become errno (design: SEMANTICS.md "Errors"). Reentrant.
int ErrnoFor(base::ErrorKind kind) noexcept;

// Where an EIO came from: numbered in log lines, counted for `status`.
enum class Site { kLookup = 1, kGetAttr, kReadDir, kOpenDir, kOpen, kRead, kXattr, kStatFs };

// The length of an array with a place for each Site; place 0 is not used.
inline constexpr size_t kSites = 9;

// "open", for log lines and `status`.
std::string_view SiteName(Site site) noexcept;

}  // namespace mailboxfs::fuse
