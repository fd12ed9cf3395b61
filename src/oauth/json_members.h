#pragma once

#include <chrono>
#include <optional>
#include <string_view>

#include "mailboxfs/base/secret.h"
#include "mailboxfs/json/json.h"

// What endpoints' answers are made of, read with patience. All reentrant.
namespace mailboxfs::oauth {

// A number, or a string that holds one; Microsoft's endpoints send both. At most 2^53 in size.
std::optional<std::chrono::seconds> SecondsMember(const json::Value& value, std::string_view key);
// Moves a string out; nothing of it stays in `value`. Empty if there is none.
base::Secret TakeSecret(json::Value& value, std::string_view key);

}  // namespace mailboxfs::oauth
