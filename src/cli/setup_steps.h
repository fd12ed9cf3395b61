#pragma once

#include "mailboxfs/config/config.h"

namespace mailboxfs::cli {

// What an administrator of the tenant has to do, in order, to be pasted. Thread-bound.
void PrintAdminSteps(const config::Account& account);

}  // namespace mailboxfs::cli
