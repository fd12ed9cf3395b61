#include "cursor.h"

#include "fetch_scanner.h"
#include "lexical.h"
#include "mailboxfs/base/encoding.h"
#include "mailboxfs/base/error.h"

namespace mailboxfs::imap {

void FailParse(std::string_view what, std::string_view near) {
  constexpr size_t kShown = 80;
  throw base::Error(base::ErrorKind::kProtocol, "the server sent something that is not IMAP: " + std::string(what) +
                                                    ": \"" + base::Printable(near, kShown) + "\"");
}

Cursor::Cursor(const RawResponse& raw) : raw_(raw), rest_(WithoutLeadingNuls(raw.text.front())) {}

void Cursor::SkipSpaces() { rest_ = WithoutLeadingSpaces(rest_); }

void Cursor::Expect(char c, std::string_view what) {
  if (!At(c)) FailParse(what, rest_);
  Skip(1);
}

std::string_view Cursor::Atom() {
  const std::string_view atom = rest_.substr(0, rest_.find_first_of(" ()"));
  Skip(atom.size());
  return atom;
}

std::string Cursor::Quoted() {
  const std::optional<size_t> end = SkipQuoted(rest_, 0);
  if (!end) FailParse("a quoted string has no end", rest_);
  std::string value = Unquote(rest_.substr(0, *end));
  Skip(*end);
  return value;
}

const std::string& Cursor::Literal() {
  const std::string& bytes = raw_.literals[literal_].bytes;
  rest_ = raw_.text[++literal_];
  return bytes;
}

std::string Cursor::AString(std::string_view what) {
  if (AtLiteral()) return Literal();
  if (At('"')) return Quoted();
  const std::string_view atom = Atom();
  if (atom.empty()) FailParse(what, rest_);
  return std::string(atom);
}

std::string Cursor::List(std::string_view what) {
  Expect('(', what);
  std::string inside;
  size_t depth = 1;
  while (true) {
    if (AtEnd()) FailParse(what, inside);
    if (AtLiteral()) {
      Literal();
      continue;
    }
    size_t end = 0;
    for (; end < rest_.size(); ++end) {
      if (rest_[end] == '(') ++depth;
      if (rest_[end] == ')' && --depth == 0) break;
      if (rest_[end] != '"' || !QuoteOpens(rest_, end)) continue;
      const std::optional<size_t> after = SkipQuoted(rest_, end);
      if (!after) FailParse(what, rest_);
      end = *after - 1;
    }
    inside.append(rest_.substr(0, end));
    Skip(end);
    if (depth > 0) continue;
    Skip(1);
    return inside;
  }
}

}  // namespace mailboxfs::imap
