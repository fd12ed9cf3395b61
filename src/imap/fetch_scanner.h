#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace mailboxfs::imap {

// One item of a FETCH response, not yet understood.
struct FetchItem {
  enum class Value { kAtom, kQuoted, kList, kLiteral };

  std::string name;  // Upper case, without section.
  std::optional<std::string> section;
  std::optional<uint64_t> origin;
  Value value = Value::kAtom;
  std::string text;    // kAtom; kQuoted: unescaped; kList: what is between the parentheses, without literals.
  size_t literal = 0;  // kLiteral: which of the response's literals.

  // A section that is the whole message: BODY[] without <origin>.
  bool IsFullBody() const { return name == "BODY" && section && section->empty() && !origin; }
};

// Splits a FETCH response (RFC 3501 section 7.4.2) into items, however strange their values
// are, as its pieces come in. The one reader of this syntax: what is streamed and what is
// parsed later are the same items. Linear; constant stack. Thread-bound.
class FetchScanner {
 public:
  // The first piece; later ones, with a literal between each two. Once `broken()`, they do nothing.
  void AddText(std::string_view piece);
  // `bytes` matter only for a literal within a section's name.
  void AddLiteral(std::string_view bytes);

  // The text was not that of a FETCH response with balanced items.
  bool broken() const { return state_ == State::kBroken; }
  // The list of items has been closed.
  bool complete() const { return state_ == State::kDone; }
  // A literal that follows now would be that of BODY[].
  bool AwaitsFullBody() const { return state_ == State::kValue && item_.IsFullBody(); }
  uint32_t sequence() const { return sequence_; }
  const std::vector<FetchItem>& items() const { return items_; }
  std::vector<FetchItem> TakeItems() { return std::move(items_); }

 private:
  enum class State { kStart, kName, kSection, kValue, kList, kDone, kBroken };

  // Each reads from the front of `text_` and moves `position_`.
  void ReadStart();
  void ReadName();
  void ReadSection();
  void ReadOrigin();
  void BeginValue();
  void ReadValue();
  void ReadList();
  void ReadEnd();
  void Break() { state_ = State::kBroken; }
  void FinishItem(FetchItem::Value value);

  State state_ = State::kStart;
  std::string_view text_;  // The piece being read; empty between calls.
  size_t position_ = 0;
  uint32_t sequence_ = 0;
  size_t depth_ = 0;
  size_t literals_ = 0;
  bool after_literal_ = false;  // The last item's value was one.
  bool have_full_body_ = false;
  FetchItem item_;
  std::vector<FetchItem> items_;
};

// The value of the quoted string at the front of `text` (SkipQuoted must have found its end).
std::string Unquote(std::string_view text);

}  // namespace mailboxfs::imap
