#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "mailboxfs/base/clock.h"
#include "mailboxfs/json/json.h"

// JSON Web Tokens (RFC 7519). All reentrant.
namespace mailboxfs::oauth {

// What a signed token says; nothing is verified. nullopt: it is no such token.
std::optional<json::Value> JwtPayload(std::string_view token);
// NumericDate: seconds since 1970.
int64_t UnixSeconds(base::WallTime time);

}  // namespace mailboxfs::oauth
