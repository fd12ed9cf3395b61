#include "providers.h"

#include <algorithm>
#include <iterator>

namespace mailboxfs::config {

namespace {

// With another one, such as Microsoft Graph's, the token comes, but opens no mailbox.
constexpr std::string_view kMicrosoftScopes[] = {
    "https://outlook.office365.com/.default",     // Worldwide, GCC.
    "https://outlook.office.com/.default",        //
    "https://outlook.office365.us/.default",      // GCC High.
    "https://outlook-dod.office365.us/.default",  // DoD.
    "https://partner.outlook.cn/.default",        // China.
};

// Google gives a refresh token only when it is asked for one, and only at the first consent.
constexpr std::pair<std::string_view, std::string_view> kGoogleFields[] = {{"access_type", "offline"},
                                                                           {"prompt", "consent"}};

constexpr Provider kProviders[] = {
    {.name = kDefaultProvider},
    {.name = "microsoft365",
     .vendor = Vendor::kMicrosoft,
     .host = "outlook.office365.com",
     .method = "client-credentials",
     .token_endpoint = "https://login.microsoftonline.com/{tenant}/oauth2/v2.0/token",
     .authorization_endpoint = "https://login.microsoftonline.com/{tenant}/oauth2/v2.0/authorize",
     .device_endpoint = "https://login.microsoftonline.com/{tenant}/oauth2/v2.0/devicecode",
     .app_scope = kMicrosoftScopes[0],
     .user_scope = "https://outlook.office365.com/IMAP.AccessAsUser.All offline_access",
     .resource = "https://outlook.office365.com",
     .app_scopes = kMicrosoftScopes},
    {.name = "microsoft365-gcc-high",
     .vendor = Vendor::kMicrosoft,
     .host = "outlook.office365.us",
     .method = "client-credentials",
     .token_endpoint = "https://login.microsoftonline.us/{tenant}/oauth2/v2.0/token",
     .authorization_endpoint = "https://login.microsoftonline.us/{tenant}/oauth2/v2.0/authorize",
     .device_endpoint = "https://login.microsoftonline.us/{tenant}/oauth2/v2.0/devicecode",
     .app_scope = kMicrosoftScopes[2],
     .user_scope = "https://outlook.office365.us/IMAP.AccessAsUser.All offline_access",
     .resource = "https://outlook.office365.us",
     .app_scopes = kMicrosoftScopes,
     .exchange_environment = "O365USGovGCCHigh",
     .graph_environment = "USGov"},
    {.name = "microsoft365-dod",
     .vendor = Vendor::kMicrosoft,
     .host = "outlook-dod.office365.us",
     .method = "client-credentials",
     .token_endpoint = "https://login.microsoftonline.us/{tenant}/oauth2/v2.0/token",
     .authorization_endpoint = "https://login.microsoftonline.us/{tenant}/oauth2/v2.0/authorize",
     .device_endpoint = "https://login.microsoftonline.us/{tenant}/oauth2/v2.0/devicecode",
     .app_scope = kMicrosoftScopes[3],
     .user_scope = "https://outlook-dod.office365.us/IMAP.AccessAsUser.All offline_access",
     .resource = "https://outlook-dod.office365.us",
     .app_scopes = kMicrosoftScopes,
     .exchange_environment = "O365USGovDoD",
     .graph_environment = "USGovDoD"},
    {.name = "microsoft365-china",
     .vendor = Vendor::kMicrosoft,
     .host = "partner.outlook.cn",
     .method = "client-credentials",
     .token_endpoint = "https://login.partner.microsoftonline.cn/{tenant}/oauth2/v2.0/token",
     .authorization_endpoint = "https://login.partner.microsoftonline.cn/{tenant}/oauth2/v2.0/authorize",
     .device_endpoint = "https://login.partner.microsoftonline.cn/{tenant}/oauth2/v2.0/devicecode",
     .app_scope = kMicrosoftScopes[4],
     .user_scope = "https://partner.outlook.cn/IMAP.AccessAsUser.All offline_access",
     .resource = "https://partner.outlook.cn",
     .app_scopes = kMicrosoftScopes,
     .exchange_environment = "O365China",
     .graph_environment = "China"},
    {.name = "outlook.com",
     .vendor = Vendor::kMicrosoft,
     .host = "outlook.office365.com",
     .method = "device-code",
     .tenant = "consumers",
     .token_endpoint = "https://login.microsoftonline.com/{tenant}/oauth2/v2.0/token",
     .authorization_endpoint = "https://login.microsoftonline.com/{tenant}/oauth2/v2.0/authorize",
     .device_endpoint = "https://login.microsoftonline.com/{tenant}/oauth2/v2.0/devicecode",
     .user_scope = "https://outlook.office.com/IMAP.AccessAsUser.All offline_access"},
    {.name = "gmail",
     .vendor = Vendor::kGoogle,
     .host = "imap.gmail.com",
     .method = "authorization-code",
     .token_endpoint = "https://oauth2.googleapis.com/token",
     .authorization_endpoint = "https://accounts.google.com/o/oauth2/v2/auth",
     .device_endpoint = "https://oauth2.googleapis.com/device/code",
     .authorization_fields = kGoogleFields,
     .app_scope = "https://mail.google.com/",
     .user_scope = "https://mail.google.com/"},
    // The next ones take passwords that are made for one application; OAuth is for clients that they have registered.
    {.name = "fastmail",
     .vendor = Vendor::kFastmail,
     .host = "imap.fastmail.com",
     .method = "password",
     .token_endpoint = "https://api.fastmail.com/oauth/refresh",
     .authorization_endpoint = "https://api.fastmail.com/oauth/authorize",
     .user_scope = "https://www.fastmail.com/dev/protocol-imap"},
    {.name = "yahoo", .vendor = Vendor::kYahoo, .host = "imap.mail.yahoo.com", .method = "password"},
    {.name = "icloud", .vendor = Vendor::kApple, .host = "imap.mail.me.com", .method = "password"},
};

}  // namespace

const Provider* FindProvider(std::string_view name) {
  const auto* found = std::find_if(std::begin(kProviders), std::end(kProviders),
                                   [&](const Provider& provider) { return provider.name == name; });
  return found == std::end(kProviders) ? nullptr : found;
}

std::string PresetScope(const std::string& name, bool person) {
  const Provider* provider = FindProvider(name);
  if (provider == nullptr) return "";
  return std::string(person ? provider->user_scope : provider->app_scope);
}

std::string PresetResource(const std::string& name) {
  const Provider* provider = FindProvider(name);
  return provider == nullptr ? "" : std::string(provider->resource);
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
