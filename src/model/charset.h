#pragma once

#include <string>
#include <string_view>

namespace mailboxfs::model {

// Bytes in a charset that a mail names to UTF-8. The name is hostile text: only charsets that
// are known to occur in mail reach the C library's converters. One that is not known, and
// bytes said to be ASCII that are not, are taken as Windows-1252 unless they are UTF-8.
// Undecodable bytes become U+FFFD. Reentrant, linear time.
std::string CharsetToUtf8(std::string_view charset, std::string_view bytes);

// 8-bit text without a charset: UTF-8 if valid, else Windows-1252.
std::string GuessToUtf8(std::string_view bytes);

}  // namespace mailboxfs::model
