#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "mailboxfs/config/config.h"

namespace mailboxfs::config {

// What is known about a provider beforehand. Empty: nothing, it must be configured.
struct Provider {
  std::string_view name;
  Vendor vendor = Vendor::kOther;
  std::string_view host;
  uint16_t port = 993;
  std::string_view method;
  std::string_view tenant;  // May stand in the addresses as {tenant}.
  std::string_view token_endpoint;
  std::string_view authorization_endpoint;
  std::string_view device_endpoint;
  std::span<const std::pair<std::string_view, std::string_view>> authorization_fields;
  std::string_view app_scope;   // Of applications that log in as themselves.
  std::string_view user_scope;  // Of those that log in for a person.
  std::string_view resource;    // Of managed identities.
  // An application's scope must be one of these, which stand for the provider's clouds; none: any.
  std::span<const std::string_view> app_scopes;
  std::string_view exchange_environment;  // PowerShell's name of the cloud.
  std::string_view graph_environment;     // Microsoft Graph PowerShell's.
};

// The provider of accounts that name none.
inline constexpr std::string_view kDefaultProvider = "custom";

// Null if there is none of that name.
const Provider* FindProvider(std::string_view name);
// "custom, microsoft365, ..."
std::string ProviderNames();

}  // namespace mailboxfs::config
