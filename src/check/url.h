#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace mailboxfs::check {

// What the checks need of an address of the configuration.
struct Url {
  std::string scheme;  // Lower case.
  std::string host;    // Without brackets.
  uint16_t port = 0;
  std::string path;  // From the first slash; without query.

  // "https://host:port", the port only if it is not the scheme's own.
  std::string Origin() const;
};

// nullopt: not one of http or https. Reentrant.
std::optional<Url> ParseUrl(std::string_view text);

}  // namespace mailboxfs::check
