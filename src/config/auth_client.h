#pragma once

#include "mailboxfs/config/config.h"
#include "node.h"
#include "providers.h"

// What OAuth's methods have in common: tenant, addresses, scope, and how the client shows who it is.
namespace mailboxfs::config {

// An application that logs in as itself belongs to one tenant.
enum class TenantRule { kOne, kShared };

void ParseTenant(const Node& auth, const Provider& provider, TenantRule rule, AuthConfig* config);

// Those keys of the three endpoints that `auth` may have, and "issuer"; what is missing comes from the provider, or
// must be found out from the issuer.
void ParseAddresses(const Node& auth, const Provider& provider, AuthConfig* config);

// "scope" or "resource", or `preset`.
void ParseScope(const Node& auth, const Provider& provider, std::string_view preset, AuthConfig* config);

void ParseClientId(const Node& auth, const Provider& provider, AuthConfig* config);

// "client_secret", "certificate" or "federated_token_file"; `required`: one of them.
void ParseClientProof(const Node& auth, const Provider& provider, bool required, AuthConfig* config);

}  // namespace mailboxfs::config
