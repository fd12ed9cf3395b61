#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "facts.h"
#include "mailboxfs/config/config.h"
#include "url.h"

namespace mailboxfs::check {

// A person has logged in once, and tokens speak for that person.
bool SpeaksForPerson(const config::AuthConfig& auth);
// "common" and the like: no tenant of its own.
bool StandsForMany(std::string_view tenant);
// Each mailbox has a token of its own.
bool HasTokenPerMailbox(const config::AuthConfig& auth);

// Where tokens come from; nullopt: from no host that is known beforehand.
std::optional<Url> AuthorityOf(const config::AuthConfig& auth);

// What the configuration tells, for advice.
Facts FactsOf(const config::Account& account);

// What identifies the application at the service account's domain, from its key; nothing secret. Does not throw:
// who needs the key will say that it cannot be read.
void AddServiceAccount(const config::AuthConfig& auth, Facts& facts);
// What a federated token says of itself. Does not throw.
void AddFederatedToken(const config::AuthConfig& auth, Facts& facts);
// What can be told of a secret without showing it, if it is odd: "it looks like a secret's ID (a GUID)". Does not
// throw.
std::string OddSecret(const config::AuthConfig& auth);

}  // namespace mailboxfs::check
