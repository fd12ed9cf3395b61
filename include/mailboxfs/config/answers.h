#pragma once

#include <string>
#include <string_view>

// Checks of what a person gives for a Microsoft 365 account. Each says what is wrong and what to do, or is empty.
// Reentrant.
namespace mailboxfs::config {

// The ID or a domain of one tenant.
std::string TenantProblem(std::string_view tenant);
// The application's.
std::string ClientIdProblem(std::string_view client_id);
// Of a client secret's Value.
std::string ClientSecretProblem(std::string_view secret);
// A mailbox's.
std::string AddressProblem(std::string_view address);

bool LooksLikeGuid(std::string_view text);

}  // namespace mailboxfs::config
