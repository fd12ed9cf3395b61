#include "providers.h"

#include <algorithm>
#include <iterator>

namespace mailboxfs::config {

namespace {

constexpr uint16_t kImapsPort = 993;

// With another one, such as Microsoft Graph's, the token comes, but opens no mailbox.
constexpr std::string_view kMicrosoftScopes[] = {
    "https://outlook.office365.com/.default",    "https://outlook.office.com/.default",
    "https://outlook.office365.us/.default",      // GCC High.
    "https://outlook-dod.office365.us/.default",  // DoD.
    "https://partner.outlook.cn/.default",        // China.
};

constexpr Provider kProviders[] = {
    {.name = kDefaultProvider,
     .host = "",
     .port = kImapsPort,
     .method = "",
     .token_endpoint = "",
     .scope = "",
     .scopes = {},
     .secret_is_never_guid = false,
     .tenant_is_guid_or_domain = false,
     .mailboxes_have_at_sign = false},
    {.name = "microsoft365",
     .host = "outlook.office365.com",
     .port = kImapsPort,
     .method = "client-credentials",
     .token_endpoint = "https://login.microsoftonline.com/{tenant}/oauth2/v2.0/token",
     .scope = kMicrosoftScopes[0],
     .scopes = kMicrosoftScopes,
     .secret_is_never_guid = true,
     .tenant_is_guid_or_domain = true,
     .mailboxes_have_at_sign = true},
};

}  // namespace

const Provider* FindProvider(std::string_view name) {
  const auto* found = std::find_if(std::begin(kProviders), std::end(kProviders),
                                   [&](const Provider& provider) { return provider.name == name; });
  return found == std::end(kProviders) ? nullptr : found;
}

std::string ProviderNames() {
  std::string names;
  for (const Provider& provider : kProviders) {
    if (!names.empty()) names += ", ";
    names += provider.name;
  }
  return names;
}

}  // namespace mailboxfs::config
