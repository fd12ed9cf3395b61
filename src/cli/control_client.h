#pragma once

#include <string>

#include "mailboxfs/json/json.h"

namespace mailboxfs::cli {

// Asks the daemon behind `mountpoint` (canonical) for its status. Throws Error(kDisk) if
// nothing is mounted there or nobody answers.
json::Value QueryStatus(const std::string& mountpoint);

}  // namespace mailboxfs::cli
