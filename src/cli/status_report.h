#pragma once

#include <string>

#include "mailboxfs/fuse/session.h"
#include "mailboxfs/json/json.h"
#include "mailboxfs/oauth/token_source.h"
#include "mailboxfs/tree/tree.h"

namespace mailboxfs::cli {

// The parts of `status --json`; the daemon makes them. Never contain a secret. Reentrant.
void AddTreeStatus(const tree::TreeStatus& tree, json::Value* status);
void AddSessionStatus(const fuse::SessionStatus& session, json::Value* status);
json::Value TokenReport(const oauth::TokenStatus& token);

// The same for a person; `status` is what the daemon sent.
std::string FormatStatus(const json::Value& status);

// "1.5 MiB"
std::string FormatBytes(uint64_t bytes);

}  // namespace mailboxfs::cli
