#include "mailboxfs/imap/command.h"

#include <algorithm>
#include <utility>

#include "mailboxfs/base/encoding.h"
#include "mailboxfs/base/error.h"

namespace mailboxfs::imap {
namespace {

constexpr size_t kLiteralMinusMax = 4096;  // RFC 7888 section 5.

// RFC 3501 "ASTRING-CHAR".
bool IsAStringChar(char c) {
  constexpr std::string_view kSpecials = "(){%*\"\\";
  return c > ' ' && c < '\x7F' && kSpecials.find(c) == std::string_view::npos;
}

// NIL would be valid, but not every server knows.
bool IsAtom(std::string_view value) {
  return !value.empty() && std::all_of(value.begin(), value.end(), IsAStringChar) &&
         !base::EqualsIgnoreCase(value, "NIL");
}

bool IsQuotable(std::string_view value) {
  return std::all_of(value.begin(), value.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x80 && c != '\r' && c != '\n'; });
}

std::string Quote(std::string_view value) {
  std::string quoted = "\"";
  for (const char c : value) {
    if (c == '"' || c == '\\') quoted.push_back('\\');
    quoted.push_back(c);
  }
  quoted.push_back('"');
  return quoted;
}

void CheckOwnText(std::string_view text) {
  if (text.find_first_of(std::string_view("\r\n\0", 3)) == std::string_view::npos) return;
  throw base::Error(base::ErrorKind::kInternal, "an IMAP command would have been ended by its own text");
}

}  // namespace

CommandBuilder::CommandBuilder(std::string_view tag, std::string_view name, LiteralMode literals)
    : literals_(literals) {
  CheckOwnText(tag);
  CheckOwnText(name);
  std::string& piece = command_.pieces.emplace_back(tag);
  piece.push_back(' ');
  piece.append(name);
}

CommandBuilder& CommandBuilder::Raw(std::string_view text) {
  CheckOwnText(text);
  command_.pieces.back().append(" ").append(text);
  return *this;
}

CommandBuilder& CommandBuilder::AString(std::string_view value, bool atom_ok) {
  if (value.find('\0') != std::string_view::npos) {
    throw base::Error(base::ErrorKind::kProtocol,
                      "a name has a NUL octet, which IMAP cannot express: \"" + base::Printable(value) + "\"");
  }
  std::string& piece = command_.pieces.back();
  piece.push_back(' ');
  if (atom_ok && IsAtom(value)) {
    piece.append(value);
  } else if (IsQuotable(value)) {
    piece.append(Quote(value));
  } else {
    const bool plus = literals_ == LiteralMode::kLiteralPlus ||
                      (literals_ == LiteralMode::kLiteralMinus && value.size() <= kLiteralMinusMax);
    piece.append("{").append(std::to_string(value.size())).append(plus ? "+}\r\n" : "}\r\n");
    (plus ? piece : command_.pieces.emplace_back()).append(value);
  }
  return *this;
}

Command CommandBuilder::Finish() {
  command_.pieces.back().append("\r\n");
  return std::move(command_);
}

std::vector<std::string> FormatUidSets(std::span<const uint32_t> ascending, size_t max_octets) {
  std::vector<std::string> sets;
  for (size_t i = 0; i < ascending.size();) {
    const uint32_t first = ascending[i];
    uint32_t last = first;
    for (++i; i < ascending.size() && ascending[i] >= last && ascending[i] - last <= 1; ++i) last = ascending[i];
    std::string range = std::to_string(first);
    if (last != first) range.append(":").append(std::to_string(last));
    if (sets.empty() || sets.back().size() + 1 + range.size() > max_octets) {
      sets.push_back(std::move(range));
    } else {
      sets.back().append(",").append(range);
    }
  }
  return sets;
}

}  // namespace mailboxfs::imap
