#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace mailboxfs::config {

// What is known about a provider beforehand. Empty: nothing, it must be configured.
struct Provider {
  std::string_view name;
  std::string_view host;
  uint16_t port;
  std::string_view method;
  std::string_view token_endpoint;
  std::string_view scope;
  // A scope must be one of these, which stand for the provider's clouds; none: any.
  std::span<const std::string_view> scopes;
  bool secret_is_never_guid;  // A GUID is the secret's ID, copied by mistake.
  bool tenant_is_guid_or_domain;
  bool mailboxes_have_at_sign;  // An address is needed, a user name is not enough.
};

// The provider of accounts that name none.
inline constexpr std::string_view kDefaultProvider = "custom";

// Null if there is none of that name.
const Provider* FindProvider(std::string_view name);
// "custom, microsoft365"
std::string ProviderNames();

}  // namespace mailboxfs::config
