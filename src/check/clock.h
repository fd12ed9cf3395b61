#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "facts.h"
#include "mailboxfs/config/config.h"
#include "report.h"

namespace mailboxfs::check {

// Our clock minus that of an HTTP answer's Date header.
std::optional<std::chrono::seconds> ClockSkew(const std::optional<std::string>& date, base::WallTime now);

// "12 min", "3 h", "40 s".
std::string ForPeople(std::chrono::seconds time);

// `host`: whose clock it was compared with. A failure ends nothing: what the endpoint says of it comes next.
void CheckClock(Subject& subject, std::chrono::seconds skew, const std::string& host, const config::Account& account,
                const Facts& facts);

}  // namespace mailboxfs::check
