#include "checks.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>

#include "file.h"
#include "mailboxfs/base/encoding.h"
#include "mailboxfs/base/log.h"

namespace mailboxfs::config {

namespace {

constexpr size_t kMaxName = 255;

bool IsIpv6(std::string_view host) {
  in6_addr address{};
  return ::inet_pton(AF_INET6, std::string(host).c_str(), &address) == 1;
}

// The host of "host[:port]" or "[v6][:port]"; nullopt if it is neither.
std::optional<std::string_view> HostOfAuthority(std::string_view authority) {
  std::string_view host, port;
  if (!authority.empty() && authority.front() == '[') {
    const size_t end = authority.find(']');
    if (end == std::string_view::npos) return std::nullopt;
    host = authority.substr(1, end - 1);
    port = authority.substr(end + 1);
    if (!IsIpv6(host)) return std::nullopt;
  } else {
    host = authority.substr(0, authority.find(':'));
    port = authority.substr(host.size());
    if (!HostProblem(host).empty()) return std::nullopt;
  }
  if (port.empty()) return host;
  port.remove_prefix(1);
  unsigned number = 0;
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), number);
  if (authority[authority.size() - port.size() - 1] != ':' || error != std::errc() ||
      end != port.data() + port.size() || number == 0 || number > std::numeric_limits<uint16_t>::max()) {
    return std::nullopt;
  }
  return host;
}

}  // namespace

bool HasControlCharacter(std::string_view text) {
  return std::any_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == '\x7f'; });
}

bool HasSpace(std::string_view text) { return text.find_first_of(" \t\r\n\v\f") != std::string_view::npos; }

bool IsLoopbackHost(std::string_view host) {
  if (base::EqualsIgnoreCase(host, "localhost")) return true;
  const std::string text(host);
  in_addr v4{};
  if (::inet_pton(AF_INET, text.c_str(), &v4) == 1) return ntohl(v4.s_addr) >> 24U == 127;
  in6_addr v6{};
  return ::inet_pton(AF_INET6, text.c_str(), &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

std::string HostProblem(std::string_view host) {
  if (host.empty()) return "is empty; write the server's name";
  if (host.find("://") != std::string_view::npos) return "is a URL; write only the server's name";
  if (host.find(':') != std::string_view::npos && !IsIpv6(host)) {
    return "contains a colon; write the port as \"port\"";
  }
  if (HasSpace(host) || HasControlCharacter(host) ||
      host.find_first_of("/\\@?#[]{}\"'<>%,") != std::string_view::npos) {
    return "is no host name; write for example imap.example.org";
  }
  return {};
}

namespace {

bool IsLinkLocal(std::string_view host) {
  in_addr v4{};
  return ::inet_pton(AF_INET, std::string(host).c_str(), &v4) == 1 && ntohl(v4.s_addr) >> 16U == 0xa9fe;
}

// `may_be_plain` says to which hosts http is allowed.
std::string UrlProblem(std::string_view url, bool (*may_be_plain)(std::string_view host)) {
  constexpr std::string_view kExample = "write for example https://login.example.org/token";
  if (url.find_first_of("{}") != std::string_view::npos) {
    return "contains an unknown placeholder; only {tenant} is known";
  }
  const size_t scheme_end = url.find("://");
  if (scheme_end == std::string_view::npos) return base::Format("is no URL; {}", kExample);
  const std::string scheme = base::AsciiLower(url.substr(0, scheme_end));
  if (scheme != "https" && scheme != "http") return base::Format("must begin with https://; {}", kExample);
  const std::string_view rest = url.substr(scheme_end + 3);
  const std::string_view authority = rest.substr(0, rest.find_first_of("/?#"));
  if (authority.find('@') != std::string_view::npos) {
    return "contains a user name or password; remove what is before the @";
  }
  const std::optional<std::string_view> host = HostOfAuthority(authority);
  if (!host || HasSpace(url) || HasControlCharacter(url)) return base::Format("is no valid URL; {}", kExample);
  if (rest.find('#') != std::string_view::npos) return "contains a fragment; remove # and what follows";
  if (scheme == "http" && !may_be_plain(*host)) {
    return "would send the secret unencrypted; use https:// (http:// is only for loopback hosts)";
  }
  return {};
}

}  // namespace

std::string TokenEndpointProblem(std::string_view url) { return UrlProblem(url, &IsLoopbackHost); }

std::string MetadataEndpointProblem(std::string_view url) {
  return UrlProblem(url, [](std::string_view host) { return IsLoopbackHost(host) || IsLinkLocal(host); });
}

std::string DirectoryNameProblem(std::string_view name) {
  if (name.empty()) return "is empty; a directory needs a name";
  if (name.front() == '.') return "begins with a dot; choose another name";
  if (name.find('/') != std::string_view::npos) return "contains a slash; choose another name";
  if (HasControlCharacter(name)) return "contains a control character; choose another name";
  if (name.size() > kMaxName)
    return base::Format("has {} bytes, more than {}; choose a shorter name", name.size(), kMaxName);
  return {};
}

std::optional<uint64_t> ParseSize(std::string_view text) {
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc()) return std::nullopt;
  const std::string_view unit(end, static_cast<size_t>(text.data() + text.size() - end));
  if (unit.empty()) return number;
  constexpr std::string_view kUnits = "KMGT";
  const size_t power = kUnits.find(base::AsciiUpper(unit));
  if (unit.size() != 1 || power == std::string_view::npos) return std::nullopt;
  const auto shift = static_cast<unsigned>(10 * (power + 1));
  // Half the range: sizes are compared and added as signed numbers elsewhere.
  if (number > static_cast<uint64_t>(std::numeric_limits<int64_t>::max()) >> shift) return std::nullopt;
  return number << shift;
}

}  // namespace mailboxfs::config
