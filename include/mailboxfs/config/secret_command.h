#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "mailboxfs/base/clock.h"
#include "mailboxfs/base/secret.h"

namespace mailboxfs::config {

inline constexpr size_t kMaxSecretSize = size_t{64} << 10;
inline constexpr base::Duration kSecretCommandLimit = std::chrono::seconds(30);

// Runs a program without a shell and returns what it wrote to its standard output. Its
// standard input is /dev/null, its standard error is ours, and it inherits nothing else. After
// `limit`, or when it writes more than kMaxSecretSize, it is killed with all its process
// group. What it left running after it ended is not waited for. Throws Error(kConfig), without
// the output: it cannot be started, does not end, or ends with another status than 0. Reentrant.
base::Secret RunSecretCommand(const std::vector<std::string>& argv, base::Duration limit);

}  // namespace mailboxfs::config
