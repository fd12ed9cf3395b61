#include "failure_challenge.h"

#include <optional>
#include <utility>

namespace mailboxfs::imap {
namespace {

constexpr size_t kMaxFields = 10;

class FlatJsonReader {
 public:
  explicit FlatJsonReader(std::string_view text) : rest_(text) {}

  bool Consume(char c) {
    SkipSpaces();
    if (!rest_.starts_with(c)) return false;
    rest_.remove_prefix(1);
    return true;
  }

  // Escapes other than of quotes and backslashes stay as they are.
  std::optional<std::string> String() {
    if (!Consume('"')) return std::nullopt;
    std::string value;
    for (size_t i = 0; i < rest_.size(); ++i) {
      if (rest_[i] == '"') {
        rest_.remove_prefix(i + 1);
        return value;
      }
      const bool escape = rest_[i] == '\\' && i + 1 < rest_.size();
      if (escape && (rest_[i + 1] == '"' || rest_[i + 1] == '\\' || rest_[i + 1] == '/')) ++i;
      value.push_back(rest_[i]);
    }
    return std::nullopt;
  }

  // A string, or a number or word as it stands.
  std::optional<std::string> Scalar() {
    SkipSpaces();
    if (rest_.starts_with('"')) return String();
    const std::string_view word = rest_.substr(0, rest_.find_first_of(",}[{\" \t\r\n"));
    if (word.empty()) return std::nullopt;
    rest_.remove_prefix(word.size());
    return std::string(word);
  }

 private:
  void SkipSpaces() {
    const size_t start = rest_.find_first_not_of(" \t\r\n");
    rest_.remove_prefix(start == std::string_view::npos ? rest_.size() : start);
  }

  std::string_view rest_;
};

}  // namespace

std::vector<ChallengeField> ParseChallengeFields(std::string_view json) {
  std::vector<ChallengeField> fields;
  FlatJsonReader reader(json);
  if (!reader.Consume('{')) return fields;
  while (fields.size() < kMaxFields) {
    std::optional<std::string> name = reader.String();
    if (!name || !reader.Consume(':')) return fields;
    std::optional<std::string> value = reader.Scalar();
    if (!value) return fields;
    fields.push_back({std::move(*name), std::move(*value)});
    if (!reader.Consume(',')) return fields;
  }
  return fields;
}

}  // namespace mailboxfs::imap
