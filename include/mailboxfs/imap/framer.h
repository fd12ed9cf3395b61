#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace mailboxfs::imap {

struct FramerLimits {
  size_t max_line = 1U << 20;                // Octets of one response, without its literals.
  uint64_t max_literal = uint64_t{1} << 31;  // Octets of one literal.
  size_t max_literals = 10'000;              // Literals in one response.
};

// Cuts the server's byte stream into lines and literals, without understanding them
// (RFC 3501 sections 2.2.2 and 4.3). Sans-I/O; thread-bound. Rules:
//  - A line that ends in {n} announces a literal only where the grammar can have one: not in
//    status responses (* OK/NO/BAD/BYE/PREAUTH), tagged responses or continuation requests,
//    whose text is for people and may end in braces; nor inside a quoted string. The forms
//    {n+} and ~{n} (RFC 7888, RFC 3516) count as {n}.
//  - A response is over at the first CRLF that is not followed by an announced literal.
//    A bare LF ends a line, too.
//  - However the input is cut into chunks, the fragments say the same.
// Memory is bounded by the limits: literals are handed on as they arrive.
// Throws base::Error(kProtocol) when a limit is broken; the framer is then poisoned.
class Framer {
 public:
  struct Fragment {
    enum class Kind {
      kText,          // A piece of a response outside literals, without CRLF and without {n}.
      kLiteralBegin,  // Follows the kText that announced it; `size` octets are to come.
      kLiteralData,   // Some of the literal's octets.
      kEnd,           // The response is complete.
    };
    Kind kind = Kind::kEnd;
    std::string_view bytes;  // kText, kLiteralData: valid until the next call of any method.
    uint64_t size = 0;       // kLiteralBegin.
  };

  explicit Framer(const FramerLimits& limits = {}) : limits_(limits) {}

  // Adds received bytes. All fragments of earlier input should have been taken before.
  void Push(std::string_view bytes);
  // The next fragment; nullopt: more input is needed.
  std::optional<Fragment> Next();
  // No unfinished response: the stream may end here.
  bool AtBoundary() const;

 private:
  enum class State { kLine, kLiteralAnnounced, kLiteral, kLineDone };

  std::optional<Fragment> NextLine();
  Fragment NextLiteralData();
  void AnnounceLiteral(uint64_t size);
  [[noreturn]] void Poison(const char* reason);

  FramerLimits limits_;
  std::string buffer_;
  size_t position_ = 0;  // Everything before it has been handed out.
  size_t scanned_ = 0;   // No line ends between position_ and here.
  State state_ = State::kLine;
  bool in_response_ = false;
  bool literals_allowed_ = true;
  uint64_t literal_left_ = 0;
  size_t literal_count_ = 0;
  size_t text_octets_ = 0;  // Of the response so far: its literals do not start a new allowance.
  bool poisoned_ = false;
};

}  // namespace mailboxfs::imap
