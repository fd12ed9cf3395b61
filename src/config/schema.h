#pragma once

#include "node.h"

namespace mailboxfs::config {

// Checks the whole file for unknown keys and wrong types. Throws Error(kConfig).
void CheckSchema(const Node& root);

}  // namespace mailboxfs::config
