#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "mailboxfs/base/secret.h"

namespace mailboxfs::oauth {

// What a JSON Web Token says of itself; for diagnosis only, since access tokens are the server's to read. Printable.
struct Claims {
  std::vector<std::string> audiences;                  // "aud".
  std::string issuer;                                  // "iss".
  std::string subject;                                 // "sub".
  std::vector<std::string> roles;                      // Application permissions.
  std::string scopes;                                  // "scp": delegated permissions.
  std::string app_id;                                  // "appid", or "azp".
  std::string object_id;                               // "oid".
  std::string tenant_id;                               // "tid".
  std::string identity_type;                           // "idtyp": "app", "user".
  std::string user;                                    // "upn", "preferred_username", or "unique_name".
  std::optional<int64_t> issued, not_before, expires;  // Unix seconds.
};

// nullopt: the token is opaque. Reentrant.
std::optional<Claims> ReadClaims(const base::Secret& token);

}  // namespace mailboxfs::oauth
