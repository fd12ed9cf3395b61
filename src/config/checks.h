#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace mailboxfs::config {

// Pure checks of single values. Each "...Problem" says what is wrong and what to do, or is
// empty. All reentrant.

// localhost, 127.0.0.0/8, ::1; `host` without brackets.
bool IsLoopbackHost(std::string_view host);

// Of a host name or address, IPv6 without brackets.
std::string HostProblem(std::string_view host);

// Of an URL that tokens are requested from: https, or http to a loopback host.
std::string TokenEndpointProblem(std::string_view url);

// Of an URL of a machine's metadata service: that, or http to a link-local address.
std::string MetadataEndpointProblem(std::string_view url);

// Of the name of a directory.
std::string DirectoryNameProblem(std::string_view name);

// "500M", "10G", "1T", "1048576": bytes, powers of 1024; nullopt if it is no such thing or too large.
std::optional<uint64_t> ParseSize(std::string_view text);

bool HasControlCharacter(std::string_view text);
// ASCII white space.
bool HasSpace(std::string_view text);

}  // namespace mailboxfs::config
