#pragma once

#include "mailboxfs/config/config.h"
#include "node.h"
#include "providers.h"

namespace mailboxfs::config {

// Member "ca_file", resolved and seen to be readable.
std::optional<std::string> GetCaFile(const Node& node);

// Reads and checks "auth" of an account that has so many mailboxes. Throws Error(kConfig).
AuthConfig ParseAuth(const Node& account, const Provider& provider, size_t mailboxes);

}  // namespace mailboxfs::config
