#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace mailboxfs::json {

// A JSON value that knows its line, so that errors can name it. A value; reentrant.
class Value {
 public:
  using Array = std::vector<Value>;
  // Members in the order of the text: keys[i], at lines[i], has values[i]. Keys are unique.
  struct Object {
    std::vector<std::string> keys;
    std::vector<int> lines;
    std::vector<Value> values;
  };

  Value() = default;                                     // null
  Value(std::nullptr_t) {}                               // NOLINT(google-explicit-constructor)
  Value(bool b) : data_(b) {}                            // NOLINT(google-explicit-constructor)
  Value(int i) : data_(int64_t{i}) {}                    // NOLINT(google-explicit-constructor)
  Value(int64_t i) : data_(i) {}                         // NOLINT(google-explicit-constructor)
  Value(uint64_t i) : data_(static_cast<int64_t>(i)) {}  // NOLINT(google-explicit-constructor)
  Value(unsigned i) : data_(int64_t{i}) {}               // NOLINT(google-explicit-constructor)
  Value(double d) : data_(d) {}                          // NOLINT(google-explicit-constructor)
  Value(const char* s) : data_(std::string(s)) {}        // NOLINT(google-explicit-constructor)
  Value(std::string s) : data_(std::move(s)) {}          // NOLINT(google-explicit-constructor)
  Value(std::string_view s) : data_(std::string(s)) {}   // NOLINT(google-explicit-constructor)
  Value(Array a) : data_(std::move(a)) {}                // NOLINT(google-explicit-constructor)
  Value(Object o) : data_(std::move(o)) {}               // NOLINT(google-explicit-constructor)
  static Value MakeObject();

  bool IsNull() const { return std::holds_alternative<std::monostate>(data_); }
  // Null if the value is of another type.
  const bool* AsBool() const { return std::get_if<bool>(&data_); }
  const int64_t* AsInt() const { return std::get_if<int64_t>(&data_); }
  const double* AsDouble() const { return std::get_if<double>(&data_); }
  const std::string* AsString() const { return std::get_if<std::string>(&data_); }
  const Array* AsArray() const { return std::get_if<Array>(&data_); }
  const Object* AsObject() const { return std::get_if<Object>(&data_); }

  // Member of an object; null if this is no object or has no such key.
  const Value* Find(std::string_view key) const;
  // Members for readers with patience: empty if there is no such member, or it is of another type.
  std::string_view TextAt(std::string_view key) const;
  std::optional<int64_t> IntAt(std::string_view key) const;
  const Array& ItemsAt(std::string_view key) const;
  // Sets a member (makes a null value an object); returns it. Throws Error(kInternal) if this
  // is something else.
  Value& Set(std::string_view key, Value value);
  // The same for arrays.
  void Append(Value value);

  int line() const { return line_; }  // 1-based; 0 for values not from text.
  void set_line(int line) { line_ = line; }
  // "object", "array", "string", "integer", "number", "true or false", "null"
  std::string_view TypeName() const;

 private:
  std::variant<std::monostate, bool, int64_t, double, std::string, Array, Object> data_;
  int line_ = 0;
};

struct ParseOptions {
  bool allow_comments = false;
  size_t max_depth = 64;
};

// Throws Error(kConfig) "line N: ..." on bad syntax, a key given twice, too deep nesting, or a
// number out of range. The message never quotes the text's values.
Value Parse(std::string_view text, const ParseOptions& options = {});
// Null if it is no JSON: plain text, HTML, or cut off. Then it has no members.
Value ParseLeniently(std::string_view text);
// Invalid UTF-8 is replaced, never thrown. `indent` < 0: one line.
std::string Dump(const Value& value, int indent = -1);

}  // namespace mailboxfs::json
