#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

// What framer and parser must see alike. All reentrant.
namespace mailboxfs::imap {

inline bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// Digits only; nullopt if it is empty, has anything else, or does not fit.
std::optional<uint64_t> ParseNumber(std::string_view text);
std::optional<uint32_t> ParseNumber32(std::string_view text);

// Some servers send NULs before a response: the text without them.
std::string_view WithoutLeadingNuls(std::string_view text);

// `text` without spaces (only these, not tabs) at its front.
std::string_view WithoutLeadingSpaces(std::string_view text);
std::string_view WithoutTrailingSpaces(std::string_view text);

// The part of `text` up to the first space.
std::string_view FirstWord(std::string_view text);

// A quoted string begins at a '"' at text[position] only where a token can begin: a '"' inside an
// atom (which no grammar allows, but some servers send) is an octet like others.
bool QuoteOpens(std::string_view text, size_t position);

// text[position] opens a quoted string; returns the position after its closing quote, or
// nullopt if it is not closed.
std::optional<size_t> SkipQuoted(std::string_view text, size_t position);

// OK, NO, BAD, BYE, PREAUTH without regard to case.
bool IsConditionWord(std::string_view word);

}  // namespace mailboxfs::imap
