#include "escape.h"

#include <array>

#include "mailboxfs/base/log.h"
#include "mailboxfs/model/text.h"
#include "mailboxfs/tree/names.h"

namespace mailboxfs::tree {
namespace {

constexpr std::string_view kHashMark = "%~";
constexpr size_t kHashDigits = 16;

void AppendEscaped(std::string_view bytes, std::string* out) {
  static constexpr std::string_view kDigits = "0123456789ABCDEF";
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    out->push_back('%');
    out->push_back(kDigits[byte >> 4U]);
    out->push_back(kDigits[byte & 0x0FU]);
  }
}

bool IsSpaceAt(std::string_view text, size_t position) {
  return model::Classify(model::NextCodePoint(text, &position)) == model::CharClass::kSpace;
}

// Must the character at [start, end) be escaped wherever it stands?
bool IsImpossible(std::string_view text, size_t start, size_t end, char32_t code_point, bool raw) {
  if (code_point == '/' || code_point == '%' || (raw && code_point == '&')) return true;
  if (code_point == 0x2028 || code_point == 0x2029 || code_point == '\t' || code_point == '\r' || code_point == '\n') {
    return true;
  }
  return model::Classify(code_point) == model::CharClass::kUnsafe ||
         !model::IsValidUtf8(text.substr(start, end - start));
}

int UpperHexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::string EscapeAll(std::string_view component, bool raw) {
  std::string out;
  const bool message_like = component.ends_with(kMessageExtension);
  for (size_t position = 0; position < component.size();) {
    const size_t start = position;
    const char32_t code_point = model::NextCodePoint(component, &position);
    const bool first = start == 0;
    const bool last = position == component.size();
    const bool dot = message_like && start == component.size() - kMessageExtension.size();
    if (IsImpossible(component, start, position, code_point, raw) || dot ||
        (first && (code_point == '.' || code_point == '-')) || ((first || last) && IsSpaceAt(component, start))) {
      AppendEscaped(component.substr(start, position - start), &out);
    } else {
      out.append(component, start, position - start);
    }
  }
  return out;
}

}  // namespace

std::string NameHash(std::string_view text) {
  uint64_t hash = 0xcbf29ce484222325U;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
  return base::Format("{:016x}", hash);
}

std::string WithHash(std::string_view name, std::string_view identity) {
  std::string_view kept = model::TruncateUtf8(name, kMaxName - kHashMark.size() - kHashDigits);
  if (kept.size() < name.size()) {
    const size_t percent = kept.rfind('%');
    if (percent != std::string_view::npos && percent + 3 > kept.size()) kept = kept.substr(0, percent);
  }
  return std::string(kept) + std::string(kHashMark) + NameHash(identity);
}

std::string EscapeFolderName(std::string_view component, bool raw) {
  if (component.empty()) return "%";
  std::string out = EscapeAll(component, raw);
  return out.size() <= kMaxName ? out : WithHash(out, component);
}

std::optional<std::string> UnescapeFolderName(std::string_view name) {
  if (name == "%") return std::string();
  std::string out;
  for (size_t i = 0; i < name.size(); ++i) {
    if (name[i] != '%') {
      out.push_back(name[i]);
      continue;
    }
    if (i + 2 >= name.size()) return std::nullopt;
    const int high = UpperHexValue(name[i + 1]);
    const int low = UpperHexValue(name[i + 2]);
    if (high < 0 || low < 0) return std::nullopt;
    out.push_back(static_cast<char>(high * 16 + low));
    i += 2;
  }
  const bool possible = !out.empty() && (EscapeFolderName(out, false) == name || EscapeFolderName(out, true) == name);
  return possible ? std::optional(out) : std::nullopt;
}

}  // namespace mailboxfs::tree
