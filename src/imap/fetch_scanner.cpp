#include "fetch_scanner.h"

#include <utility>

#include "lexical.h"
#include "mailboxfs/base/encoding.h"

namespace mailboxfs::imap {
namespace {

// RFC 3501 sets no limit; real structures nest some ten deep.
constexpr size_t kMaxDepth = 200;

}  // namespace

std::string Unquote(std::string_view text) {
  std::string value;
  for (size_t i = 1; i < text.size() && text[i] != '"'; ++i) {
    if (text[i] == '\\' && i + 1 < text.size()) ++i;
    value.push_back(text[i]);
  }
  return value;
}

void FetchScanner::AddText(std::string_view piece) {
  text_ = piece;
  position_ = 0;
  if (state_ == State::kStart) ReadStart();
  // Else the literal was longer than it said, and its rest could pass for items.
  if (state_ == State::kName && after_literal_ && !piece.starts_with(' ') && !piece.starts_with(')')) Break();
  after_literal_ = false;
  while (position_ < text_.size() && !broken()) {
    switch (state_) {
      case State::kName: ReadName(); break;
      case State::kSection: ReadSection(); break;
      case State::kValue: ReadValue(); break;
      case State::kList: ReadList(); break;
      case State::kDone: ReadEnd(); break;
      case State::kStart:
      case State::kBroken: Break(); break;
    }
  }
  text_ = {};
}

void FetchScanner::AddLiteral(std::string_view bytes) {
  const size_t index = literals_++;
  switch (state_) {
    case State::kValue:
      item_.literal = index;
      after_literal_ = true;
      FinishItem(FetchItem::Value::kLiteral);
      break;
    case State::kSection: item_.section->append(bytes); break;
    case State::kList: break;
    default: Break();
  }
}

void FetchScanner::ReadStart() {
  std::string_view rest = WithoutLeadingNuls(text_);
  if (!rest.starts_with('*')) return Break();
  rest = WithoutLeadingSpaces(rest.substr(1));
  const std::string_view number = FirstWord(rest);
  sequence_ = ParseNumber32(number).value_or(0);
  rest = WithoutLeadingSpaces(rest.substr(number.size()));
  const std::string_view keyword = FirstWord(rest);
  if (sequence_ == 0 || !base::EqualsIgnoreCase(keyword, "FETCH")) return Break();
  rest = WithoutLeadingSpaces(rest.substr(keyword.size()));
  if (!rest.starts_with('(')) return Break();
  position_ = text_.size() - rest.size() + 1;
  state_ = State::kName;
}

void FetchScanner::ReadName() {
  const char c = text_[position_];
  if (c == ' ') {
    ++position_;
    return;
  }
  if (c == ')') {
    ++position_;
    state_ = State::kDone;
    return;
  }
  const size_t end = text_.find_first_of(" ()[]\"", position_);
  const std::string_view name = text_.substr(position_, end - position_);
  if (name.empty() || IsDigit(name.front())) return Break();
  position_ += name.size();
  item_ = FetchItem();
  item_.name = base::AsciiUpper(name);
  if (position_ < text_.size() && text_[position_] == '[') {
    ++position_;
    item_.section.emplace();
    state_ = State::kSection;
  } else {
    BeginValue();
  }
}

void FetchScanner::ReadSection() {
  const size_t begin = position_;
  while (position_ < text_.size() && text_[position_] != ']') {
    if (text_[position_] == '"' && QuoteOpens(text_, position_)) {
      const std::optional<size_t> after = SkipQuoted(text_, position_);
      if (!after) return Break();
      position_ = *after;
    } else {
      ++position_;
    }
  }
  item_.section->append(text_.substr(begin, position_ - begin));
  if (position_ == text_.size()) return;  // A header field's name may be a literal.
  ++position_;
  if (position_ < text_.size() && text_[position_] == '<') ReadOrigin();
  if (!broken()) BeginValue();
}

void FetchScanner::ReadOrigin() {
  const size_t end = text_.find('>', position_);
  if (end == std::string_view::npos) return Break();
  const std::string_view inner = text_.substr(position_ + 1, end - position_ - 1);
  // Some servers repeat the request's <origin.count>.
  item_.origin = ParseNumber(inner.substr(0, inner.find('.')));
  if (!item_.origin) return Break();
  position_ = end + 1;
}

void FetchScanner::BeginValue() {
  // Two bodies for one message: which of them is it?
  if (item_.IsFullBody() && std::exchange(have_full_body_, true)) return Break();
  state_ = State::kValue;
}

void FetchScanner::ReadValue() {
  const char c = text_[position_];
  if (c == ' ') {
    ++position_;
  } else if (c == ')') {
    Break();
  } else if (c == '(') {
    ++position_;
    depth_ = 1;
    state_ = State::kList;
  } else if (c == '"') {
    const std::optional<size_t> after = SkipQuoted(text_, position_);
    if (!after) return Break();
    item_.text = Unquote(text_.substr(position_, *after - position_));
    position_ = *after;
    FinishItem(FetchItem::Value::kQuoted);
  } else {
    size_t end = text_.find_first_of(" ()", position_);
    if (end == std::string_view::npos) end = text_.size();
    item_.text = text_.substr(position_, end - position_);
    position_ = end;
    FinishItem(FetchItem::Value::kAtom);
  }
}

void FetchScanner::ReadList() {
  const size_t begin = position_;
  while (position_ < text_.size()) {
    const char c = text_[position_];
    if (c == '"' && QuoteOpens(text_, position_)) {
      const std::optional<size_t> after = SkipQuoted(text_, position_);
      if (!after) return Break();
      position_ = *after;
      continue;
    }
    if (c == '(' && ++depth_ > kMaxDepth) return Break();
    if (c == ')' && --depth_ == 0) break;
    ++position_;
  }
  item_.text.append(text_.substr(begin, position_ - begin));
  if (depth_ == 0) {
    ++position_;
    FinishItem(FetchItem::Value::kList);
  }
}

void FetchScanner::ReadEnd() {
  // Anything else is what a literal of a wrong size left over: nothing can be relied on then.
  if (text_[position_] != ' ') return Break();
  ++position_;
}

void FetchScanner::FinishItem(FetchItem::Value value) {
  item_.value = value;
  items_.push_back(std::move(item_));
  item_ = FetchItem();
  state_ = State::kName;
}

}  // namespace mailboxfs::imap
