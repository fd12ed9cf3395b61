#include "lexical.h"

#include <charconv>
#include <limits>

#include "mailboxfs/base/encoding.h"

namespace mailboxfs::imap {

std::optional<uint64_t> ParseNumber(std::string_view text) {
  if (text.empty() || !IsDigit(text.front())) return std::nullopt;
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<uint32_t> ParseNumber32(std::string_view text) {
  const std::optional<uint64_t> value = ParseNumber(text);
  if (!value || *value > std::numeric_limits<uint32_t>::max()) return std::nullopt;
  return static_cast<uint32_t>(*value);
}

std::string_view WithoutLeadingNuls(std::string_view text) {
  const size_t start = text.find_first_not_of('\0');
  return start == std::string_view::npos ? std::string_view() : text.substr(start);
}

std::string_view WithoutLeadingSpaces(std::string_view text) {
  const size_t start = text.find_first_not_of(' ');
  return start == std::string_view::npos ? std::string_view() : text.substr(start);
}

std::string_view WithoutTrailingSpaces(std::string_view text) {
  const size_t last = text.find_last_not_of(' ');
  return last == std::string_view::npos ? std::string_view() : text.substr(0, last + 1);
}

std::string_view FirstWord(std::string_view text) { return text.substr(0, text.find(' ')); }

bool QuoteOpens(std::string_view text, size_t position) {
  if (position == 0) return true;
  constexpr std::string_view kBeforeToken = " ()[\"";
  return kBeforeToken.find(text[position - 1]) != std::string_view::npos;
}

std::optional<size_t> SkipQuoted(std::string_view text, size_t position) {
  for (size_t i = position + 1; i < text.size(); ++i) {
    if (text[i] == '"') return i + 1;
    if (text[i] == '\\') ++i;
  }
  return std::nullopt;
}

bool IsConditionWord(std::string_view word) {
  for (const std::string_view known : {"OK", "NO", "BAD", "BYE", "PREAUTH"}) {
    if (base::EqualsIgnoreCase(word, known)) return true;
  }
  return false;
}

}  // namespace mailboxfs::imap
