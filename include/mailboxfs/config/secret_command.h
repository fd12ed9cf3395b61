#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "mailboxfs/base/clock.h"
#include "mailboxfs/base/fd.h"
#include "mailboxfs/base/secret.h"

namespace mailboxfs::config {

inline constexpr size_t kMaxSecretSize = size_t{64} << 10;
inline constexpr base::Duration kSecretCommandLimit = std::chrono::seconds(30);

// Runs a program without a shell and returns what it wrote to its standard output. Its
// standard input is /dev/null, its standard error is ours, and it inherits nothing else. After
// `limit`, or when it writes more than kMaxSecretSize, it is killed with all its process
// group; at `deadline` and with `wake` set it is, too. What it left running after it ended is not waited for. Throws
// Error without the output: kConfig (it cannot be started, does not end in time, or ends with another status than 0),
// kTimeout, kCancelled. Reentrant.
base::Secret RunSecretCommand(const std::vector<std::string>& argv, base::Duration limit,
                              const base::Deadline& deadline, const base::WakeEvent& wake);
base::Secret RunSecretCommand(const std::vector<std::string>& argv, base::Duration limit);

}  // namespace mailboxfs::config
