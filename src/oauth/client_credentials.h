#pragma once

#include "mailboxfs/oauth/grants.h"
#include "oauth_client.h"
#include "token_request.h"

namespace mailboxfs::oauth {

// RFC 6749 section 4.4.
class ClientCredentialsRequest final : public TokenRequest {
 public:
  // `http` and `clock` are borrowed.
  ClientCredentialsRequest(ClientCredentials grant, net::HttpClient& http, const base::Clock& clock);
  TokenAnswer Ask(const base::Deadline& deadline, const base::WakeEvent& wake) override;

 private:
  const ClientCredentials grant_;
  OauthClient client_;
};

}  // namespace mailboxfs::oauth
