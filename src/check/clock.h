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

// `host`: whose clock it was compared with. `has_token`: there is a token in spite of it. False if it is fatal.
bool CheckClock(Subject& subject, std::chrono::seconds skew, const std::string& host, const config::Account& account,
                const Facts& facts, bool has_token);

}  // namespace mailboxfs::check
