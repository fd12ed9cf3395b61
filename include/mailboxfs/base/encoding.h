#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace mailboxfs::base {

// All reentrant.

// RFC 4648 section 4: standard alphabet, padded, one line.
std::string Base64Encode(std::string_view bytes);
// Strict: alphabet, padding, and unused bits must be right; nullopt otherwise.
std::optional<std::string> Base64Decode(std::string_view text);
// RFC 4648 section 5 without padding.
std::string Base64UrlEncode(std::string_view bytes);
std::optional<std::string> Base64UrlDecode(std::string_view text);
// For application/x-www-form-urlencoded values: all but RFC 3986 unreserved is %XX.
std::string PercentEncode(std::string_view bytes);
// Lower-case hexadecimal.
std::string HexEncode(std::string_view bytes);
// Server text for a log line or a terminal: control and non-ASCII bytes as \xNN, at
// most `limit` bytes of input.
std::string Printable(std::string_view text, size_t limit = 200);
// ASCII only, whatever the locale.
std::string AsciiLower(std::string_view text);
std::string AsciiUpper(std::string_view text);
bool EqualsIgnoreCase(std::string_view a, std::string_view b);
bool ContainsIgnoreCase(std::string_view haystack, std::string_view needle);

}  // namespace mailboxfs::base
