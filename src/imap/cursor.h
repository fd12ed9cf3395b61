#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "mailboxfs/imap/response_parser.h"

namespace mailboxfs::imap {

// Throws Error(kProtocol) with some of the server's text.
[[noreturn]] void FailParse(std::string_view what, std::string_view near);

// Walks over a response's texts and literals, for all but FETCH. `raw` must outlive it and have
// one text more than literals. Failures are Error(kProtocol). Thread-bound.
class Cursor {
 public:
  explicit Cursor(const RawResponse& raw);

  // What is left before the next literal.
  std::string_view rest() const { return rest_; }
  bool AtLiteral() const { return rest_.empty() && literal_ < raw_.literals.size(); }
  // Neither text nor literal is left.
  bool AtEnd() const { return rest_.empty() && literal_ == raw_.literals.size(); }
  bool At(char c) const { return rest_.starts_with(c); }

  void Skip(size_t octets) { rest_.remove_prefix(octets); }
  void SkipSpaces();
  void Expect(char c, std::string_view what);
  // Up to the next space, parenthesis or the text's end; may be empty.
  std::string_view Atom();
  std::string Quoted();
  const std::string& Literal();
  // An atom, quoted string or literal; an atom is ended as above and must not be empty.
  std::string AString(std::string_view what);
  // At '(': the texts in it, without literals, up to the matching ')'.
  std::string List(std::string_view what);

 private:
  const RawResponse& raw_;
  std::string_view rest_;
  size_t literal_ = 0;  // The next one; rest_ is of text[literal_].
};

}  // namespace mailboxfs::imap
