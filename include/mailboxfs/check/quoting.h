#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace mailboxfs::check {

// One argument, to be pasted; nullopt for what is not printable ASCII: it may look like something else in a terminal,
// and PowerShell takes some quotation marks of other scripts for its own. Reentrant.
std::optional<std::string> QuoteForPowerShell(std::string_view value);
std::optional<std::string> QuoteForShell(std::string_view value);

}  // namespace mailboxfs::check
