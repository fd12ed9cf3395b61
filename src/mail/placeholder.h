#pragma once

#include <cstdint>
#include <string_view>

namespace mailboxfs::mail {

// Placeholders have 1 to 3 KiB.
inline constexpr uint64_t kMaxPlaceholder = 32 * 1024;

// The mail that Exchange makes up in place of one that it cannot convert. It is known by its subject and its sender
// together, as no mail that quotes or forwards one has both; not by its text, which is encoded in more than one way.
// Reentrant.
bool IsExchangePlaceholder(std::string_view message);

}  // namespace mailboxfs::mail
