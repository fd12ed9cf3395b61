#include "mailboxfs/model/header_fields.h"

#include <optional>
#include <utility>

#include "charset.h"
#include "encoded_word.h"
#include "mailboxfs/base/encoding.h"

namespace mailboxfs::model {
namespace {

constexpr size_t kLongestHeader = 64 * 1024;  // What comes later is not looked at.

bool IsBlank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

std::string_view Trim(std::string_view text) {
  while (!text.empty() && IsBlank(text.front())) text.remove_prefix(1);
  while (!text.empty() && IsBlank(text.back())) text.remove_suffix(1);
  return text;
}

std::string CollapseBlanks(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char c : Trim(text)) {
    if (!IsBlank(c)) {
      out.push_back(c);
    } else if (out.back() != ' ') {
      out.push_back(' ');
    }
  }
  return out;
}

// The first mailbox of an address field, taken apart but not yet decoded.
struct RawAddress {
  std::string phrase;   // Quotes removed.
  std::string comment;  // Content of comments: where old mail has the name.
  std::string address;  // Between the angle brackets.
};

// RFC 5322 section 3.4, of which only the first mailbox is of interest. Every method
// consumes what it reads, so the whole is linear.
class AddressReader {
 public:
  explicit AddressReader(std::string_view text) : text_(text), words_(text) {}

  RawAddress Read() {
    while (position_ < text_.size() && !done_) ReadOne();
    return std::move(out_);
  }

 private:
  void ReadOne() {
    const char c = text_[position_];
    if (c == '"') return ReadQuoted();
    if (c == '(') return ReadComment();
    if (c == '<') return ReadAngle();
    if (const std::optional<EncodedWord> word = words_.Match(position_)) {
      out_.phrase.append(text_, position_, word->end - position_);
      position_ = word->end;
      return;
    }
    ++position_;
    if (c == ':' && out_.phrase.find('@') == std::string::npos) {
      out_ = {};  // It was a group's name.
    } else if (c == ',' || c == ';') {
      done_ = !Trim(out_.phrase).empty() || !out_.address.empty();
    } else {
      out_.phrase.push_back(c);
    }
  }

  void ReadQuoted() {
    for (++position_; position_ < text_.size() && text_[position_] != '"'; ++position_) {
      if (text_[position_] == '\\' && position_ + 1 < text_.size()) ++position_;
      out_.phrase.push_back(text_[position_]);
    }
    if (position_ < text_.size()) ++position_;
  }

  void ReadComment() {
    int depth = 0;
    for (; position_ < text_.size(); ++position_) {
      const char c = text_[position_];
      if (c == '(' && depth++ == 0) continue;
      if (c == ')' && --depth == 0) break;
      if (c == '\\' && position_ + 1 < text_.size()) ++position_;
      out_.comment.push_back(text_[position_]);
    }
    if (position_ < text_.size()) ++position_;
    out_.comment.push_back(' ');
  }

  void ReadAngle() {
    for (++position_; position_ < text_.size() && text_[position_] != '>'; ++position_) {
      out_.address.push_back(text_[position_]);
    }
    done_ = true;
  }

  std::string_view text_;
  EncodedWordScanner words_;
  size_t position_ = 0;
  bool done_ = false;
  RawAddress out_;
};

void SetFrom(std::string_view raw, HeaderFields* fields) {
  const RawAddress parts = AddressReader(raw).Read();
  std::string name = CollapseBlanks(DecodeHeaderText(parts.phrase));
  fields->from_address = CollapseBlanks(GuessToUtf8(parts.address));
  if (parts.address.empty() && name.find('@') != std::string::npos) fields->from_address = std::exchange(name, "");
  if (name.empty()) name = CollapseBlanks(DecodeHeaderText(parts.comment));
  fields->from_name = name.empty() ? fields->from_address : name;
}

// One field with its continuation lines; `*header` moves on. Empty at the end.
std::string_view TakeField(std::string_view* header) {
  size_t end = 0;
  do {
    const size_t line_end = header->find('\n', end);
    end = line_end == std::string_view::npos ? header->size() : line_end + 1;
  } while (end < header->size() && ((*header)[end] == ' ' || (*header)[end] == '\t'));
  const std::string_view field = header->substr(0, end);
  header->remove_prefix(end);
  return field;
}

// Which fields have been seen: only the first of a name counts.
struct Seen {
  bool subject = false, from = false, message_id = false, date = false;
};

void SetField(std::string_view name, std::string_view body, Seen* seen, HeaderFields* fields) {
  if (base::EqualsIgnoreCase(name, "subject") && !std::exchange(seen->subject, true)) {
    fields->subject = CollapseBlanks(DecodeHeaderText(body));
  } else if (base::EqualsIgnoreCase(name, "from") && !std::exchange(seen->from, true)) {
    SetFrom(body, fields);
  } else if (base::EqualsIgnoreCase(name, "message-id") && !std::exchange(seen->message_id, true)) {
    fields->message_id = CollapseBlanks(GuessToUtf8(body));
  } else if (base::EqualsIgnoreCase(name, "date") && !std::exchange(seen->date, true)) {
    fields->date = CollapseBlanks(GuessToUtf8(body));
  }
}

}  // namespace

std::string DecodeHeaderText(std::string_view raw) {
  std::string out;
  EncodedWordScanner scanner(raw);
  std::string charset;      // Of the encoded-words that are gathered.
  std::string bytes;        // Theirs, joined: a character may be split between two of them.
  size_t plain = 0;         // Where the text begins that is not yet written.
  bool after_word = false;  // The text from `plain` follows an encoded-word.
  const auto flush = [&] {
    if (!bytes.empty()) out += CharsetToUtf8(charset, bytes);
    bytes.clear();
  };
  for (size_t position = raw.find("=?"); position != std::string_view::npos;) {
    const std::optional<EncodedWord> word = scanner.Match(position);
    if (!word) {
      position = raw.find("=?", position + 1);
      continue;
    }
    const std::string_view between = raw.substr(plain, position - plain);
    const bool adjacent = after_word && Trim(between).empty();
    if (!adjacent || !base::EqualsIgnoreCase(charset, word->charset)) flush();
    if (!adjacent) out += GuessToUtf8(between);
    charset = word->charset;
    bytes += word->bytes;
    plain = word->end;
    after_word = true;
    position = raw.find("=?", plain);
  }
  flush();
  out += GuessToUtf8(raw.substr(plain));
  return out;
}

HeaderFields ParseHeaderFields(std::string_view header) {
  HeaderFields fields;
  Seen seen;
  header = header.substr(0, kLongestHeader);
  while (!header.empty()) {
    const std::string_view field = TakeField(&header);
    if (Trim(field).empty()) break;
    const size_t colon = field.find(':');
    if (colon == std::string_view::npos) continue;
    SetField(Trim(field.substr(0, colon)), field.substr(colon + 1), &seen, &fields);
  }
  return fields;
}

}  // namespace mailboxfs::model
