#include "mailboxfs/json/json.h"

#include <algorithm>
#include <iterator>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "mailboxfs/base/encoding.h"
#include "mailboxfs/base/error.h"
#include "mailboxfs/base/log.h"

namespace mailboxfs::json {

using base::Error;
using base::ErrorKind;

namespace {

[[noreturn]] void Fail(int line, std::string_view what) {
  throw Error(ErrorKind::kConfig, base::Format("line {}: {}", line, what));
}

// Where the lexer is. It may have read one character past the token (a number ends at what
// is no longer a number), and that character may be the newline.
struct Position {
  int newlines = 0;
  bool at_newline = false;

  int line() const { return newlines + (at_newline ? 0 : 1); }
};

// Tells `position` about every character that goes by.
class CountingIterator {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  CountingIterator(const char* at, Position* position) : at_(at), position_(position) {}

  reference operator*() const { return *at_; }
  CountingIterator& operator++() {
    position_->at_newline = *at_++ == '\n';
    if (position_->at_newline) ++position_->newlines;
    return *this;
  }
  bool operator==(const CountingIterator& other) const { return at_ == other.at_; }
  bool operator!=(const CountingIterator& other) const { return at_ != other.at_; }

 private:
  const char* at_;
  Position* position_;
};

// nlohmann's message without its position, and without "last read", which could quote a secret.
std::string Explain(std::string message) {
  const size_t start = message.find("syntax error ");
  if (start == std::string::npos) return "a number is out of range";
  message.erase(0, start);
  message.resize(std::min(message.size(), message.find("; last read:")));
  if (message.find("object key - unexpected '}'") != std::string::npos) {
    message += " (no comma after the last member)";
  } else if (message.find("value - unexpected ']'") != std::string::npos) {
    message += " (no comma after the last element)";
  }
  return message;
}

// The SAX handler: builds the value with a stack of its own, so that nesting costs no C++ stack.
class Builder {
 public:
  Builder(const Position& position, size_t max_depth) : position_(position), max_depth_(max_depth) {}

  Value Take() { return std::move(root_); }

  // The names that follow are nlohmann's.
  bool null() { return Add({}, position_.line()); }
  bool boolean(bool value) { return Add(value, position_.line()); }
  bool number_integer(int64_t value) { return Add(value, position_.line()); }
  bool number_unsigned(uint64_t value) {
    if (value > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) FailOutOfRange();
    return Add(static_cast<int64_t>(value), position_.line());
  }
  bool number_float(double value, const std::string& text) {
    // An integer that does not fit arrives here, rounded.
    if (text.find_first_of(".eE") == std::string::npos) FailOutOfRange();
    return Add(value, position_.line());
  }
  bool string(std::string& value) { return Add(std::move(value), position_.line()); }
  bool binary(nlohmann::json::binary_t& /*value*/) { return false; }
  bool start_object(size_t /*elements*/) { return Open(true); }
  bool key(std::string& name) {
    Frame& frame = stack_.back();
    if (!frame.seen.insert(name).second) {
      const auto first = std::find(frame.object.keys.begin(), frame.object.keys.end(), name);
      Fail(position_.line(),
           base::Format("the key \"{}\" is given twice (first on line {}); remove one of them", base::Printable(name),
                        frame.object.lines[static_cast<size_t>(first - frame.object.keys.begin())]));
    }
    frame.object.keys.push_back(std::move(name));
    frame.object.lines.push_back(position_.line());
    return true;
  }
  bool end_object() { return Close(); }
  bool start_array(size_t /*elements*/) { return Open(false); }
  bool end_array() { return Close(); }
  bool parse_error(size_t /*offset*/, const std::string& /*token*/, const nlohmann::json::exception& error) {
    Fail(position_.line(), Explain(error.what()));
  }

 private:
  struct Frame {
    bool is_object;
    int line;
    Value::Object object;
    std::set<std::string> seen;
    Value::Array array;
  };

  [[noreturn]] void FailOutOfRange() const {
    Fail(position_.line(), "an integer is out of range; the largest is 9223372036854775807");
  }

  bool Open(bool is_object) {
    if (stack_.size() >= max_depth_) {
      Fail(position_.line(), base::Format("objects and arrays are nested more than {} deep", max_depth_));
    }
    stack_.push_back({is_object, position_.line(), {}, {}, {}});
    return true;
  }

  bool Close() {
    Frame frame = std::move(stack_.back());
    stack_.pop_back();
    return frame.is_object ? Add(std::move(frame.object), frame.line) : Add(std::move(frame.array), frame.line);
  }

  bool Add(Value value, int line) {
    value.set_line(line);
    if (stack_.empty()) {
      root_ = std::move(value);
    } else if (stack_.back().is_object) {
      stack_.back().object.values.push_back(std::move(value));
    } else {
      stack_.back().array.push_back(std::move(value));
    }
    return true;
  }

  const Position& position_;
  size_t max_depth_;
  std::vector<Frame> stack_;
  Value root_;
};

nlohmann::ordered_json Convert(const Value& value) {
  if (const bool* b = value.AsBool()) return *b;
  if (const int64_t* i = value.AsInt()) return *i;
  if (const double* d = value.AsDouble()) return *d;
  if (const std::string* s = value.AsString()) return *s;
  if (const Value::Array* array = value.AsArray()) {
    auto out = nlohmann::ordered_json::array();
    for (const Value& element : *array) out.push_back(Convert(element));
    return out;
  }
  if (const Value::Object* object = value.AsObject()) {
    auto out = nlohmann::ordered_json::object();
    for (size_t i = 0; i < object->keys.size(); ++i) out[object->keys[i]] = Convert(object->values[i]);
    return out;
  }
  return nullptr;
}

}  // namespace

Value Value::MakeObject() { return Object{}; }

const Value* Value::Find(std::string_view key) const {
  const Object* object = AsObject();
  if (object == nullptr) return nullptr;
  const auto found = std::find(object->keys.begin(), object->keys.end(), key);
  return found == object->keys.end() ? nullptr : &object->values[static_cast<size_t>(found - object->keys.begin())];
}

std::string_view Value::TextAt(std::string_view key) const {
  const Value* member = Find(key);
  const std::string* text = member == nullptr ? nullptr : member->AsString();
  return text == nullptr ? std::string_view() : std::string_view(*text);
}

std::optional<int64_t> Value::IntAt(std::string_view key) const {
  const Value* member = Find(key);
  const int64_t* number = member == nullptr ? nullptr : member->AsInt();
  return number == nullptr ? std::nullopt : std::optional(*number);
}

const Value::Array& Value::ItemsAt(std::string_view key) const {
  static const Array empty;
  const Value* member = Find(key);
  const Array* items = member == nullptr ? nullptr : member->AsArray();
  return items == nullptr ? empty : *items;
}

Value& Value::Set(std::string_view key, Value value) {
  if (IsNull()) data_ = Object{};
  Object* object = std::get_if<Object>(&data_);
  if (object == nullptr) throw Error(ErrorKind::kInternal, base::Format("JSON: Set on {}", TypeName()));
  const auto found = std::find(object->keys.begin(), object->keys.end(), key);
  if (found != object->keys.end()) {
    Value& old = object->values[static_cast<size_t>(found - object->keys.begin())];
    old = std::move(value);
    return old;
  }
  object->keys.emplace_back(key);
  object->lines.push_back(value.line());
  return object->values.emplace_back(std::move(value));
}

void Value::Append(Value value) {
  if (IsNull()) data_ = Array{};
  Array* array = std::get_if<Array>(&data_);
  if (array == nullptr) throw Error(ErrorKind::kInternal, base::Format("JSON: Append to {}", TypeName()));
  array->push_back(std::move(value));
}

std::string_view Value::TypeName() const {
  struct Visitor {
    std::string_view operator()(std::monostate) const { return "null"; }
    std::string_view operator()(bool) const { return "true or false"; }
    std::string_view operator()(int64_t) const { return "integer"; }
    std::string_view operator()(double) const { return "number"; }
    std::string_view operator()(const std::string&) const { return "string"; }
    std::string_view operator()(const Array&) const { return "array"; }
    std::string_view operator()(const Object&) const { return "object"; }
  };
  return std::visit(Visitor{}, data_);
}

Value Parse(std::string_view text, const ParseOptions& options) {
  // To nlohmann's lexer a NUL is the end of the text; what follows would go unread.
  if (const size_t nul = text.find('\0'); nul != std::string_view::npos) {
    const auto newlines = std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(nul), '\n');
    Fail(static_cast<int>(newlines) + 1, "a NUL byte in the text");
  }
  Position position;
  Builder builder(position, options.max_depth);
  nlohmann::json::sax_parse(CountingIterator(text.data(), &position),
                            CountingIterator(text.data() + text.size(), &position), &builder,
                            nlohmann::json::input_format_t::json, /*strict=*/true, options.allow_comments);
  return builder.Take();
}

Value ParseLeniently(std::string_view text) {
  try {
    return Parse(text);
  } catch (const Error&) {
    return {};
  }
}

std::string Dump(const Value& value, int indent) {
  return Convert(value).dump(indent, ' ', /*ensure_ascii=*/false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace mailboxfs::json
