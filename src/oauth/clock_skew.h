#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "mailboxfs/base/clock.h"
#include "mailboxfs/net/http_client.h"

// Whether this machine's clock is right, as far as an endpoint's Date header can tell. All reentrant.
namespace mailboxfs::oauth {

// Our clock minus the endpoint's; nullopt if it does not tell.
std::optional<std::chrono::seconds> ClockSkew(const net::HttpResponse& response, base::WallTime now);
// More than a minute.
bool IsSkewed(const std::optional<std::chrono::seconds>& skew);
// "this machine's clock is 10 min 3 s ahead of the endpoint's"
std::string DescribeSkew(std::chrono::seconds skew);

}  // namespace mailboxfs::oauth
