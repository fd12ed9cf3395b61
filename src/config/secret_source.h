#pragma once

#include "mailboxfs/base/secret.h"
#include "mailboxfs/config/config.h"
#include "node.h"

namespace mailboxfs::config {

// The secret that `node` describes. It is read once to check it, unless it is a command's.
// `never_guid`: a GUID is refused. Throws Error(kConfig) "FILE:LINE: PATH: what".
SecretSpec ParseSecret(const Node& node, bool never_guid);

// ReadSecret whose errors do not say where the secret is configured.
base::Secret ReadSecretUnplaced(const SecretSpec& spec);

}  // namespace mailboxfs::config
