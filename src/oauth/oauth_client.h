#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "client_authentication.h"
#include "discovery.h"
#include "endpoint.h"
#include "mailboxfs/base/clock.h"
#include "mailboxfs/base/fd.h"
#include "mailboxfs/net/http_client.h"
#include "mailboxfs/oauth/grants.h"
#include "token_request.h"

namespace mailboxfs::oauth {

// What is asked for, without what shows who asks.
struct GrantForm {
  std::string grant_type;                                              // Empty: none.
  std::vector<std::pair<std::string, std::string>> fields{};           // Nothing secret.
  std::vector<std::pair<std::string, const base::Secret*>> secrets{};  // Borrowed.
  Adviser advise{};                                                    // May be null.
};

// A client at its authorization server: what the grants that have one share. Thread-bound.
class OauthClient {
 public:
  // `http` and `clock` are borrowed.
  OauthClient(Authority authority, Client client, net::HttpClient& http, const base::Clock& clock);

  // Asks the token endpoint. Throws Error: kConfig (what shows who the client is cannot be read), and what
  // HttpClient::Send does.
  TokenAnswer AskForToken(const GrantForm& form, const base::Deadline& deadline, const base::WakeEvent& wake);
  // Asks another endpoint for something else.
  EndpointAnswer Ask(std::string Authority::*endpoint, const std::string& purpose, const GrantForm& form,
                     const base::Deadline& deadline, const base::WakeEvent& wake);

  Discovery& discovery() { return discovery_; }
  const Authority& authority() const { return discovery_.authority(); }
  const std::string& id() const { return client_.id; }

 private:
  class Proven;
  void WarnOfExpiry(const ClientProof& proof);

  Discovery discovery_;
  const Client client_;
  net::HttpClient& http_;
  const base::Clock& clock_;
  std::optional<base::MonoTime> warned_;  // Of a certificate that expires soon.
};

}  // namespace mailboxfs::oauth
