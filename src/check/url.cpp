#include "url.h"

#include <algorithm>
#include <charconv>

#include "mailboxfs/base/encoding.h"
#include "mailboxfs/base/log.h"

namespace mailboxfs::check {
namespace {

uint16_t DefaultPort(std::string_view scheme) { return scheme == "https" ? 443 : 80; }

}  // namespace

std::string Url::Origin() const {
  const bool is_v6 = host.find(':') != std::string::npos;
  const std::string name = is_v6 ? "[" + host + "]" : host;
  if (port == DefaultPort(scheme)) return scheme + "://" + name;
  return base::Format("{}://{}:{}", scheme, name, port);
}

std::optional<Url> ParseUrl(std::string_view text) {
  Url url;
  const size_t scheme_end = text.find("://");
  if (scheme_end == std::string_view::npos) return std::nullopt;
  url.scheme = base::AsciiLower(text.substr(0, scheme_end));
  if (url.scheme != "https" && url.scheme != "http") return std::nullopt;
  text.remove_prefix(scheme_end + 3);
  const size_t authority_end = std::min(text.find_first_of("/?#"), text.size());
  std::string_view authority = text.substr(0, authority_end);
  std::string_view path = text.substr(authority_end);
  path = path.substr(0, path.find_first_of("?#"));
  url.path = path.empty() ? "/" : path;
  // What stands before an @ would be a login.
  if (const size_t at = authority.rfind('@'); at != std::string_view::npos) authority.remove_prefix(at + 1);
  const size_t bracket = authority.rfind(']');
  const size_t colon = authority.rfind(':');
  const bool has_port = colon != std::string_view::npos && (bracket == std::string_view::npos || colon > bracket);
  url.port = DefaultPort(url.scheme);
  if (has_port) {
    const std::string_view digits = authority.substr(colon + 1);
    const auto [end, code] = std::from_chars(digits.data(), digits.data() + digits.size(), url.port);
    if (code != std::errc() || end != digits.data() + digits.size() || url.port == 0) return std::nullopt;
    authority = authority.substr(0, colon);
  }
  if (authority.size() > 2 && authority.front() == '[' && authority.back() == ']') {
    authority = authority.substr(1, authority.size() - 2);
  }
  url.host = authority;
  if (url.host.empty()) return std::nullopt;
  return url;
}

}  // namespace mailboxfs::check
