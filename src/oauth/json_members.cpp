#include "json_members.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <string>

namespace mailboxfs::oauth {

using std::chrono::seconds;

std::optional<seconds> SecondsMember(const json::Value& value, std::string_view key) {
  constexpr int64_t kMax = int64_t{1} << 53U;
  const json::Value* member = value.Find(key);
  if (member == nullptr) return std::nullopt;
  if (const int64_t* number = member->AsInt()) return seconds(std::clamp(*number, -kMax, kMax));
  if (const double* number = member->AsDouble()) {
    if (std::isnan(*number)) return std::nullopt;
    return seconds(static_cast<int64_t>(std::clamp(*number, -static_cast<double>(kMax), static_cast<double>(kMax))));
  }
  const std::string* text = member->AsString();
  int64_t number = 0;
  if (text == nullptr) return std::nullopt;
  const char* end = text->data() + text->size();
  const auto [stop, code] = std::from_chars(text->data(), end, number);
  if (code != std::errc() || stop != end) return std::nullopt;
  return seconds(std::clamp(number, -kMax, kMax));
}

base::Secret TakeSecret(json::Value& value, std::string_view key) {
  const std::string_view text = value.TextAt(key);
  base::Secret secret{std::string(text)};
  if (!text.empty()) {
    // The string is `value`'s, which is ours to change.
    base::WipeMemory(const_cast<char*>(text.data()), text.size());
    value.Set(key, nullptr);
  }
  return secret;
}

}  // namespace mailboxfs::oauth
