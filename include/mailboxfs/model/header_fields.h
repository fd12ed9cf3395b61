#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace mailboxfs::model {

// The header fields that names are made of, decoded to UTF-8 (RFC 2047), unfolded,
// whitespace collapsed; invalid input never throws, undecodable bytes become U+FFFD.
// Still hostile text: control and bidi characters are left for the name sanitiser.
struct HeaderFields {
  std::string subject;
  std::string from_name;  // Display name if there is one, else the address.
  std::string from_address;
  std::string message_id;  // With the angle brackets, as sent; empty if none.
  std::string date;        // Raw Date: field.
};

// Parses a header block (RFC 5322 section 2.2; also with bare LF, NUL or 8-bit bytes).
// The first field of a name counts. Reentrant; linear time.
HeaderFields ParseHeaderFields(std::string_view header);

// RFC 2047 text to UTF-8: adjacent encoded-words are joined before their charset is
// decoded; raw 8-bit text is taken as UTF-8 if valid, else as Windows-1252.
std::string DecodeHeaderText(std::string_view raw);

// RFC 5322 section 3.3 date-time (and the common obsolete forms) to seconds since 1970 UTC.
bool ParseMailDate(std::string_view text, int64_t* seconds);

}  // namespace mailboxfs::model
