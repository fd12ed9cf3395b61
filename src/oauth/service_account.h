#pragma once

#include "mailboxfs/net/http_client.h"
#include "mailboxfs/oauth/grants.h"
#include "token_request.h"

namespace mailboxfs::oauth {

// Google's server-to-server flow with domain-wide delegation: a signed assertion for each token (RFC 7523).
class ServiceAccountRequest final : public TokenRequest {
 public:
  // `http` and `clock` are borrowed.
  ServiceAccountRequest(ServiceAccount grant, net::HttpClient& http, const base::Clock& clock)
      : grant_(std::move(grant)), http_(http), clock_(clock) {}
  TokenAnswer Ask(const base::Deadline& deadline, const base::WakeEvent& wake) override;

 private:
  const ServiceAccount grant_;
  net::HttpClient& http_;
  const base::Clock& clock_;
};

}  // namespace mailboxfs::oauth
