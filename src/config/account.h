#pragma once

#include <vector>

#include "mailboxfs/config/config.h"
#include "node.h"

namespace mailboxfs::config {

// The value of an integer member within [low, high]; `why` is added to the message otherwise.
std::optional<int64_t> GetInteger(const Node& node, std::string_view key, int64_t low, int64_t high,
                                  std::string_view why = {});

// A number of bytes, as a number or as "10G".
uint64_t GetSize(const Node& node);

// Reads and checks "accounts". Throws Error(kConfig).
std::vector<Account> ParseAccounts(const Node& root);

}  // namespace mailboxfs::config
