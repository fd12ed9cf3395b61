#include "mailboxfs/model/text.h"

#include <utf8proc.h>

#include <cstdlib>
#include <memory>
#include <new>

namespace mailboxfs::model {
namespace {

constexpr char32_t kReplacement = 0xFFFD;

struct Sequence {
  size_t length = 1;  // Bytes to move on; of an invalid sequence its longest valid beginning.
  bool valid = false;
  char32_t code_point = kReplacement;
};

unsigned char ByteAt(std::string_view text, size_t position) { return static_cast<unsigned char>(text[position]); }

// Unicode, table 3-7: the second byte's range depends on the first.
bool IsSecondByte(unsigned char first, unsigned char second) {
  switch (first) {
    case 0xE0: return second >= 0xA0 && second <= 0xBF;
    case 0xED: return second >= 0x80 && second <= 0x9F;
    case 0xF0: return second >= 0x90 && second <= 0xBF;
    case 0xF4: return second >= 0x80 && second <= 0x8F;
    default: return second >= 0x80 && second <= 0xBF;
  }
}

Sequence Decode(std::string_view text, size_t position) {
  const unsigned char first = ByteAt(text, position);
  if (first < 0x80) return {1, true, first};
  size_t length = 0;
  char32_t value = 0;
  if (first >= 0xC2 && first <= 0xDF) {
    length = 2;
    value = first & 0x1FU;
  } else if (first >= 0xE0 && first <= 0xEF) {
    length = 3;
    value = first & 0x0FU;
  } else if (first >= 0xF0 && first <= 0xF4) {
    length = 4;
    value = first & 0x07U;
  } else {
    return {};
  }
  for (size_t i = 1; i < length; ++i) {
    if (position + i >= text.size()) return {i, false, kReplacement};
    const unsigned char next = ByteAt(text, position + i);
    if (i == 1 ? !IsSecondByte(first, next) : (next & 0xC0U) != 0x80) return {i, false, kReplacement};
    value = (value << 6U) | (next & 0x3FU);
  }
  return {length, true, value};
}

bool IsMark(char32_t code_point) {
  const auto category = utf8proc_category(static_cast<utf8proc_int32_t>(code_point));
  return category == UTF8PROC_CATEGORY_MN || category == UTF8PROC_CATEGORY_MC || category == UTF8PROC_CATEGORY_ME;
}

}  // namespace

std::string ToValidUtf8(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t position = 0; position < text.size();) {
    const Sequence sequence = Decode(text, position);
    if (sequence.valid) {
      out.append(text, position, sequence.length);
    } else {
      AppendUtf8(kReplacement, &out);
    }
    position += sequence.length;
  }
  return out;
}

bool IsValidUtf8(std::string_view text) {
  for (size_t position = 0; position < text.size();) {
    const Sequence sequence = Decode(text, position);
    if (!sequence.valid) return false;
    position += sequence.length;
  }
  return true;
}

namespace {

// Of valid UTF-8.
std::string Map(std::string_view utf8, int options) {
  utf8proc_uint8_t* raw = nullptr;
  const utf8proc_ssize_t length =
      utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(utf8.data()), static_cast<utf8proc_ssize_t>(utf8.size()),
                   &raw, static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE | options));
  const std::unique_ptr<utf8proc_uint8_t, decltype(&std::free)> owner(raw, &std::free);
  if (length == UTF8PROC_ERROR_NOMEM) throw std::bad_alloc();
  if (length < 0) return ToValidUtf8(utf8);
  return std::string(reinterpret_cast<const char*>(raw), static_cast<size_t>(length));
}

}  // namespace

std::string NormalizeNfc(std::string_view utf8) { return Map(utf8, 0); }

std::string FoldCase(std::string_view text) { return Map(ToValidUtf8(text), UTF8PROC_CASEFOLD); }

char32_t NextCodePoint(std::string_view utf8, size_t* position) {
  const Sequence sequence = Decode(utf8, *position);
  *position += sequence.length;
  return sequence.code_point;
}

void AppendUtf8(char32_t code_point, std::string* out) {
  if (code_point > 0x10FFFF || (code_point >= 0xD800 && code_point <= 0xDFFF)) code_point = kReplacement;
  if (code_point < 0x80) {
    out->push_back(static_cast<char>(code_point));
    return;
  }
  if (code_point < 0x800) {
    out->push_back(static_cast<char>(0xC0U | (code_point >> 6U)));
  } else if (code_point < 0x10000) {
    out->push_back(static_cast<char>(0xE0U | (code_point >> 12U)));
    out->push_back(static_cast<char>(0x80U | ((code_point >> 6U) & 0x3FU)));
  } else {
    out->push_back(static_cast<char>(0xF0U | (code_point >> 18U)));
    out->push_back(static_cast<char>(0x80U | ((code_point >> 12U) & 0x3FU)));
    out->push_back(static_cast<char>(0x80U | ((code_point >> 6U) & 0x3FU)));
  }
  out->push_back(static_cast<char>(0x80U | (code_point & 0x3FU)));
}

CharClass Classify(char32_t code_point) {
  if (code_point == '\t' || code_point == '\r' || code_point == '\n') return CharClass::kSpace;
  if (code_point == kReplacement || code_point > 0x10FFFF) return CharClass::kUnsafe;
  const utf8proc_property_t* property = utf8proc_get_property(static_cast<utf8proc_int32_t>(code_point));
  if (property->ignorable) return CharClass::kUnsafe;
  switch (property->category) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO: return CharClass::kLetterOrDigit;
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME: return CharClass::kMark;
    case UTF8PROC_CATEGORY_PC:
    case UTF8PROC_CATEGORY_PD:
    case UTF8PROC_CATEGORY_PS:
    case UTF8PROC_CATEGORY_PE:
    case UTF8PROC_CATEGORY_PI:
    case UTF8PROC_CATEGORY_PF:
    case UTF8PROC_CATEGORY_PO:
    case UTF8PROC_CATEGORY_SM:
    case UTF8PROC_CATEGORY_SC:
    case UTF8PROC_CATEGORY_SK:
    case UTF8PROC_CATEGORY_SO: return CharClass::kPunctuation;
    case UTF8PROC_CATEGORY_ZS:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP: return CharClass::kSpace;
    default: return CharClass::kUnsafe;
  }
}

std::string_view TruncateUtf8(std::string_view utf8, size_t max_bytes) {
  if (utf8.size() <= max_bytes) return utf8;
  size_t cut = max_bytes;
  while (cut > 0) {
    while (cut > 0 && (ByteAt(utf8, cut) & 0xC0U) == 0x80) --cut;
    if (!IsMark(Decode(utf8, cut).code_point)) break;
    if (cut > 0) --cut;
  }
  return utf8.substr(0, cut);
}

}  // namespace mailboxfs::model
