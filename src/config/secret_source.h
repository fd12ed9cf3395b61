#pragma once

#include "mailboxfs/base/secret.h"
#include "mailboxfs/config/config.h"
#include "node.h"

namespace mailboxfs::config {

struct SecretRules {
  bool never_guid = false;  // A GUID is refused.
  bool lines = false;       // May have several lines.
};

// The secret that `node` describes. It is read once to check it, unless it is a command's.
// Throws Error(kConfig) "FILE:LINE: PATH: what".
SecretSpec ParseSecret(const Node& node, SecretRules rules);

// The same for a string that names a file; `shared`: others may read that.
SecretSpec ParseSecretFile(const Node& node, bool lines, bool shared);

// A program and its arguments, or a program alone; it is there and may be run.
std::vector<std::string> ParseCommand(const Node& node);

// ReadSecret whose errors do not say where the secret is configured.
base::Secret ReadSecretUnplaced(const SecretSpec& spec);

}  // namespace mailboxfs::config
