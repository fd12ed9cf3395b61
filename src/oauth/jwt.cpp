#include "jwt.h"

#include "json_members.h"
#include "mailboxfs/base/encoding.h"

namespace mailboxfs::oauth {

std::optional<json::Value> JwtPayload(std::string_view token) {
  const size_t first = token.find('.');
  if (first == std::string_view::npos) return std::nullopt;
  const size_t second = token.find('.', first + 1);
  if (second == std::string_view::npos) return std::nullopt;
  std::string_view payload = token.substr(first + 1, second - first - 1);
  while (!payload.empty() && payload.back() == '=') payload.remove_suffix(1);
  const std::optional<std::string> text = base::Base64UrlDecode(payload);
  if (!text) return std::nullopt;
  json::Value value = json::ParseLeniently(*text);
  if (value.AsObject() == nullptr) return std::nullopt;
  return value;
}

int64_t UnixSeconds(base::WallTime time) {
  return std::chrono::floor<std::chrono::seconds>(time.time_since_epoch()).count();
}

}  // namespace mailboxfs::oauth
