#include "client_credentials.h"

#include <variant>

#include "mailboxfs/base/error.h"

namespace mailboxfs::oauth {

ClientCredentialsRequest::ClientCredentialsRequest(ClientCredentials grant, net::HttpClient& http,
                                                   const base::Clock& clock)
    : grant_(std::move(grant)), client_(grant_.authority, grant_.client, http, clock) {}

TokenAnswer ClientCredentialsRequest::Ask(const base::Deadline& deadline, const base::WakeEvent& wake) {
  if (std::holds_alternative<NoAuthentication>(grant_.client.authentication)) {
    throw base::Error(base::ErrorKind::kConfig,
                      "client credentials need something to show: set \"client_secret\", \"certificate\" or "
                      "\"federated_token_file\"");
  }
  GrantForm form;
  form.grant_type = "client_credentials";
  if (!grant_.resource.empty()) {
    form.fields.emplace_back("resource", grant_.resource);
  } else if (!grant_.scope.empty()) {
    form.fields.emplace_back("scope", grant_.scope);
  }
  return client_.AskForToken(form, deadline, wake);
}

}  // namespace mailboxfs::oauth
