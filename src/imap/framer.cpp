#include "mailboxfs/imap/framer.h"

#include <algorithm>
#include <limits>

#include "lexical.h"
#include "mailboxfs/base/error.h"

namespace mailboxfs::imap {
namespace {

struct Announcement {
  size_t text_size = 0;  // Of the text before it.
  uint64_t size = 0;     // Of the literal; the largest number if it does not fit.
};

bool EndsInsideQuotes(std::string_view text) {
  for (size_t i = text.find('"'); i != std::string_view::npos; i = text.find('"', i)) {
    if (!QuoteOpens(text, i)) {
      ++i;
      continue;
    }
    const std::optional<size_t> after = SkipQuoted(text, i);
    if (!after) return true;
    i = *after;
  }
  return false;
}

// {n}, {n+} or ~{n} at the end of a line.
std::optional<Announcement> FindAnnouncement(std::string_view text) {
  if (!text.ends_with('}')) return std::nullopt;
  size_t digits_end = text.size() - 1;
  if (digits_end > 0 && text[digits_end - 1] == '+') --digits_end;
  size_t digits_begin = digits_end;
  while (digits_begin > 0 && IsDigit(text[digits_begin - 1])) --digits_begin;
  if (digits_begin == digits_end || digits_begin == 0 || text[digits_begin - 1] != '{') return std::nullopt;
  if (EndsInsideQuotes(text)) return std::nullopt;
  Announcement found;
  found.text_size = digits_begin - 1;
  if (found.text_size > 0 && text[found.text_size - 1] == '~') --found.text_size;
  found.size =
      ParseNumber(text.substr(digits_begin, digits_end - digits_begin)).value_or(std::numeric_limits<uint64_t>::max());
  return found;
}

// Only untagged data can hold literals; all else ends in text for people.
bool MayAnnounceLiterals(std::string_view first_line) {
  const std::string_view text = WithoutLeadingNuls(first_line);
  if (!text.starts_with('*')) return false;
  return !IsConditionWord(FirstWord(WithoutLeadingSpaces(text.substr(1))));
}

}  // namespace

void Framer::Push(std::string_view bytes) {
  if (poisoned_) return;
  // Moving the rest only when it is the smaller part keeps the whole linear.
  if (position_ > 0 && position_ >= buffer_.size() - position_) {
    buffer_.erase(0, position_);
    scanned_ -= position_;
    position_ = 0;
  }
  buffer_.append(bytes);
}

std::optional<Framer::Fragment> Framer::Next() {
  if (poisoned_) Poison("it broke a limit before");
  switch (state_) {
    case State::kLine: return NextLine();
    case State::kLiteralAnnounced: {
      state_ = literal_left_ > 0 ? State::kLiteral : State::kLine;
      return Fragment{Fragment::Kind::kLiteralBegin, {}, literal_left_};
    }
    case State::kLiteral:
      if (position_ == buffer_.size()) return std::nullopt;
      return NextLiteralData();
    case State::kLineDone: break;
  }
  state_ = State::kLine;
  in_response_ = false;
  literal_count_ = 0;
  text_octets_ = 0;
  return Fragment{Fragment::Kind::kEnd, {}, 0};
}

bool Framer::AtBoundary() const {
  return !poisoned_ && state_ == State::kLine && !in_response_ && position_ == buffer_.size();
}

std::optional<Framer::Fragment> Framer::NextLine() {
  const size_t allowance = limits_.max_line - text_octets_;
  const size_t line_feed = buffer_.find('\n', scanned_);
  if (line_feed == std::string::npos) {
    scanned_ = buffer_.size();
    // A last CR may yet turn out to be that of CRLF.
    const size_t line_end = buffer_.ends_with('\r') ? 1 : 0;
    if (buffer_.size() - position_ > allowance + line_end) Poison("a line is too long");
    return std::nullopt;
  }
  std::string_view text = std::string_view(buffer_).substr(position_, line_feed - position_);
  if (text.ends_with('\r')) text.remove_suffix(1);
  if (text.size() > allowance) Poison("a line is too long");
  text_octets_ += text.size();
  position_ = scanned_ = line_feed + 1;

  if (!in_response_) literals_allowed_ = MayAnnounceLiterals(text);
  in_response_ = true;
  state_ = State::kLineDone;
  if (literals_allowed_) {
    if (const std::optional<Announcement> found = FindAnnouncement(text)) {
      AnnounceLiteral(found->size);
      text = text.substr(0, found->text_size);
    }
  }
  return Fragment{Fragment::Kind::kText, text, 0};
}

Framer::Fragment Framer::NextLiteralData() {
  const size_t take = static_cast<size_t>(std::min<uint64_t>(literal_left_, buffer_.size() - position_));
  const std::string_view bytes = std::string_view(buffer_).substr(position_, take);
  position_ += take;
  scanned_ = position_;
  literal_left_ -= take;
  if (literal_left_ == 0) state_ = State::kLine;
  return Fragment{Fragment::Kind::kLiteralData, bytes, 0};
}

void Framer::AnnounceLiteral(uint64_t size) {
  if (size > limits_.max_literal) Poison("a literal is too large");
  if (++literal_count_ > limits_.max_literals) Poison("a response has too many literals");
  literal_left_ = size;
  state_ = State::kLiteralAnnounced;
}

void Framer::Poison(const char* reason) {
  poisoned_ = true;
  std::string().swap(buffer_);
  position_ = scanned_ = 0;
  throw base::Error(base::ErrorKind::kProtocol,
                    std::string("the server's answer cannot be read: ") + reason + "; the connection must be closed");
}

}  // namespace mailboxfs::imap
