#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace mailboxfs::imap {

// IMAP's "mailbox" name (our folder) in its wire form, modified UTF-7 (RFC 3501 section 5.1.3). Reentrant.

// To UTF-8; nullopt if it is not valid modified UTF-7 (the raw bytes are then shown as they are).
// Strict: only what EncodeModifiedUtf7 would give is valid, so that two names of the server
// never become one of ours.
std::optional<std::string> DecodeModifiedUtf7(std::string_view wire);
// From valid UTF-8; nullopt if the input is not.
std::optional<std::string> EncodeModifiedUtf7(std::string_view utf8);

// Splits a wire name at the delimiter, each part decoded; an undecodable part keeps its raw
// bytes, with "&" as "%26" left to the file-name escaper by `raw` being true.
// There are as many parts as delimiters and one: empty ones count.
struct NamePart {
  std::string text;
  bool raw = false;
};
std::vector<NamePart> SplitMailboxName(std::string_view wire, std::optional<char> delimiter);

// "INBOX" is case-insensitive, and only it (section 5.1).
bool IsInbox(std::string_view wire);

}  // namespace mailboxfs::imap
