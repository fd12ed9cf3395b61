#include "encoded_word.h"

#include <cstdint>

namespace mailboxfs::model {
namespace {

constexpr size_t kLongestCharset = 64;  // With the language.

int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

// RFC 2047 section 4.2. A "=" that begins no pair of digits stays.
std::string DecodeQ(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '_') {
      out.push_back(' ');
    } else if (text[i] == '=' && i + 2 < text.size() && HexValue(text[i + 1]) >= 0 && HexValue(text[i + 2]) >= 0) {
      out.push_back(static_cast<char>(HexValue(text[i + 1]) * 16 + HexValue(text[i + 2])));
      i += 2;
    } else {
      out.push_back(text[i]);
    }
  }
  return out;
}

int Base64Value(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  if (c == '+') return 62;
  if (c == '/') return 63;
  return -1;
}

// Missing padding and whitespace are forgiven; anything else strange is not base64.
std::optional<std::string> DecodeB(std::string_view text) {
  std::string out;
  uint32_t bits = 0;
  unsigned count = 0;
  for (const char c : text) {
    if (c == '=' || c == ' ' || c == '\t') continue;
    const int value = Base64Value(c);
    if (value < 0) return std::nullopt;
    bits = (bits << 6U) | static_cast<uint32_t>(value);
    count += 6;
    if (count >= 8) {
      count -= 8;
      out.push_back(static_cast<char>((bits >> count) & 0xFFU));
    }
  }
  return out;
}

bool IsCharset(std::string_view charset) {
  for (const char c : charset) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte <= 0x20 || byte >= 0x7F || c == '/') return false;
  }
  return !charset.empty();
}

}  // namespace

std::optional<EncodedWord> EncodedWordScanner::Match(size_t position) {
  const std::string_view rest = text_.substr(position);
  if (!rest.starts_with("=?")) return std::nullopt;
  const size_t charset_end = rest.substr(0, kLongestCharset + 3).find('?', 2);
  if (charset_end == std::string_view::npos || charset_end + 3 > rest.size() || rest[charset_end + 2] != '?') {
    return std::nullopt;
  }
  const char encoding = rest[charset_end + 1];
  const size_t start = position + charset_end + 3;
  if (next_end_ < start) next_end_ = text_.find("?=", start);
  if (next_end_ == std::string_view::npos) return std::nullopt;

  EncodedWord word;
  const std::string_view charset = rest.substr(2, charset_end - 2);
  word.charset = charset.substr(0, charset.find('*'));
  if (!IsCharset(word.charset)) return std::nullopt;
  word.end = next_end_ + 2;
  const std::string_view text = text_.substr(start, next_end_ - start);
  if (encoding == 'Q' || encoding == 'q') {
    word.bytes = DecodeQ(text);
  } else if (encoding == 'B' || encoding == 'b') {
    std::optional<std::string> bytes = DecodeB(text);
    if (!bytes) return std::nullopt;
    word.bytes = std::move(*bytes);
  } else {
    return std::nullopt;
  }
  return word;
}

}  // namespace mailboxfs::model
