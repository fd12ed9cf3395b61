#include "providers.h"

#include <algorithm>
#include <iterator>

namespace mailboxfs::config {

namespace {

constexpr uint16_t kImapsPort = 993;

constexpr Provider kProviders[] = {
    {.name = kDefaultProvider,
     .host = "",
     .port = kImapsPort,
     .method = "",
     .token_endpoint = "",
     .scope = "",
     .scope_suffix = "",
     .secret_is_never_guid = false,
     .mailboxes_have_at_sign = false},
    {.name = "microsoft365",
     .host = "outlook.office365.com",
     .port = kImapsPort,
     .method = "client-credentials",
     .token_endpoint = "https://login.microsoftonline.com/{tenant}/oauth2/v2.0/token",
     .scope = "https://outlook.office365.com/.default",
     .scope_suffix = "/.default",
     .secret_is_never_guid = true,
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
