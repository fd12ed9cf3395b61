#include <memory>
#include <utility>

#include "caching_token_source.h"
#include "client_credentials.h"
#include "mailboxfs/oauth/grants.h"
#include "managed_identity.h"
#include "refresh_token.h"
#include "service_account.h"
#include "token_command.h"

namespace mailboxfs::oauth {
namespace {

struct RequestMaker {
  net::HttpClient& http;
  const base::Clock& clock;

  std::unique_ptr<TokenRequest> operator()(ClientCredentials& grant) const {
    return std::make_unique<ClientCredentialsRequest>(std::move(grant), http, clock);
  }
  std::unique_ptr<TokenRequest> operator()(RefreshToken& grant) const {
    return std::make_unique<RefreshTokenRequest>(std::move(grant), http, clock);
  }
  std::unique_ptr<TokenRequest> operator()(ManagedIdentity& grant) const {
    return std::make_unique<ManagedIdentityRequest>(std::move(grant), http, clock);
  }
  std::unique_ptr<TokenRequest> operator()(ServiceAccount& grant) const {
    return std::make_unique<ServiceAccountRequest>(std::move(grant), http, clock);
  }
  std::unique_ptr<TokenRequest> operator()(TokenCommand& grant) const {
    return std::make_unique<TokenCommandRequest>(std::move(grant), clock);
  }
};

}  // namespace

std::unique_ptr<TokenSource> MakeTokenSource(Grant grant, net::HttpClient& http, const base::Clock& clock,
                                             std::function<double()> random) {
  return std::make_unique<CachingTokenSource>(std::visit(RequestMaker{http, clock}, grant), clock, std::move(random));
}

}  // namespace mailboxfs::oauth
