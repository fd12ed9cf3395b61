#include "mailboxfs/config/answers.h"

#include <algorithm>
#include <array>

#include "checks.h"
#include "file.h"
#include "mailboxfs/base/encoding.h"
#include "mailboxfs/base/log.h"

namespace mailboxfs::config {

std::string TenantProblem(std::string_view tenant) {
  constexpr std::array<std::string_view, 3> kShared = {"common", "organizations", "consumers"};
  for (const std::string_view shared : kShared) {
    if (base::EqualsIgnoreCase(tenant, shared)) {
      return base::Format(
          "\"{}\" stands for any tenant, and an application that logs in as itself belongs to one; write the tenant's "
          "ID "
          "or domain",
          shared);
    }
  }
  const bool valid = std::all_of(tenant.begin(), tenant.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
  });
  if (valid && (LooksLikeGuid(tenant) || tenant.find('.') != std::string_view::npos)) return {};
  return "is no tenant; write its ID (a GUID) or a domain such as contoso.onmicrosoft.com";
}

std::string ClientIdProblem(std::string_view client_id) {
  if (client_id.empty()) return "is empty; write the application's (client) ID";
  if (HasSpace(client_id) || HasControlCharacter(client_id)) {
    return "contains white space or a control character; write only the application's (client) ID";
  }
  if (LooksLikeGuid(client_id)) return {};
  return "is no application (client) ID; copy it whole from the application's page, it is a GUID";
}

std::string ClientSecretProblem(std::string_view secret) {
  if (secret.empty()) return "is empty; write the secret's Value";
  if (HasControlCharacter(secret)) return "contains a control character; write only the secret's Value";
  if (LooksLikeGuid(secret)) {
    return "holds a GUID: that is the secret's ID, which cannot log in; use what the portal calls its Value";
  }
  return {};
}

std::string AddressProblem(std::string_view address) {
  if (address.empty()) return "is empty; write the mailbox's address";
  if (HasControlCharacter(address) || HasSpace(address)) {
    return "contains white space or a control character; write only the address";
  }
  if (address.find('@') == std::string_view::npos) {
    return base::Format("\"{}\" is no address; write it in full, like user@example.org", Quote(address));
  }
  return {};
}

bool LooksLikeGuid(std::string_view text) {
  constexpr std::string_view kForm = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
  return std::equal(text.begin(), text.end(), kForm.begin(), kForm.end(), [](char c, char form) {
    const bool is_hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
    return form == '-' ? c == '-' : is_hex;
  });
}

}  // namespace mailboxfs::config
