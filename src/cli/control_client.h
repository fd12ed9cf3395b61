#pragma once

#include <functional>
#include <string>
#include <vector>

#include "mailboxfs/check/check.h"
#include "mailboxfs/json/json.h"

namespace mailboxfs::cli {

// Asks the daemon behind `mountpoint` (canonical) for its status. Throws Error(kDisk) if
// nothing is mounted there or nobody answers.
json::Value QueryStatus(const std::string& mountpoint);

// Has it check its mailboxes (all if none is named); gives each finding as it comes, returns the exit code. Throws
// Error: kDisk as above, or what the daemon could not do.
int QueryCheck(const std::string& mountpoint, const std::vector<std::string>& mailboxes,
               const std::function<void(const check::Finding&)>& report);

}  // namespace mailboxfs::cli
