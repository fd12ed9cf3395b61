#pragma once

#include <optional>
#include <string_view>

#include "mailboxfs/base/clock.h"

namespace mailboxfs::oauth {

// Both reentrant.

// RFC 9110 section 5.6.7, with the two obsolete forms.
std::optional<base::WallTime> ParseHttpDate(std::string_view text);
// RFC 9110 section 10.2.3: seconds, or a date as seen from `now`. Never negative.
std::optional<base::Duration> ParseRetryAfter(std::string_view text, base::WallTime now);

}  // namespace mailboxfs::oauth
