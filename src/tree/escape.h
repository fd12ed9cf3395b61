#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace mailboxfs::tree {

// 16 hexadecimal digits of a hash that is the same in every version and on every machine:
// names depend on it (64-bit FNV-1a).
std::string NameHash(std::string_view text);

// `name`, cut so that it ends in "%~" and the hash of `identity` within kMaxName bytes and no
// escape is cut: how two siblings with one name are told apart, and how long names end.
std::string WithHash(std::string_view name, std::string_view identity);

}  // namespace mailboxfs::tree
