#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fetch_scanner.h"
#include "mailboxfs/imap/response.h"
#include "mailboxfs/imap/response_parser.h"

namespace mailboxfs::imap {

// All reentrant.

// A response whose keyword is FETCH. Throws Error(kProtocol).
FetchData ParseFetch(const RawResponse& raw);

// What a scanner has seen so far; nullopt if it was no FETCH response.
std::optional<FetchPrefix> FetchPrefixOf(const FetchScanner& scanner);

// RFC 3501 "date-time" without quotes, "17-Jul-1996 02:44:25 -0700", to seconds since 1970 UTC.
std::optional<int64_t> ParseInternalDate(std::string_view text);

// The flags of a list's inside: separated by spaces, anything else is part of one.
std::vector<std::string> ParseFlags(std::string_view text);

}  // namespace mailboxfs::imap
