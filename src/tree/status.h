#pragma once

#include "context.h"
#include "messages.h"
#include "refresh.h"

namespace mailboxfs::tree {

// A snapshot for `mailboxfs status`. Local data only.
TreeStatus BuildStatus(Context& context, Refresher& refresher, Messages& messages);

}  // namespace mailboxfs::tree
