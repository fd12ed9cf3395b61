#include "finish_login.h"

#include <chrono>
#include <utility>

#include "login_file.h"
#include "mailboxfs/base/error.h"
#include "mailboxfs/base/log.h"

namespace mailboxfs::oauth {
namespace {

using base::Error;
using base::ErrorKind;

// A mount that refreshes holds the file for one request at most.
constexpr std::chrono::seconds kMaxLockWait{60};

}  // namespace

void CheckLoginFile(const InteractiveLogin& login, const base::Clock& clock, const base::WakeEvent& wake) {
  const LoginFile file(login.file);
  const LoginLock lock(file, clock, base::Deadline::After(clock, kMaxLockWait), wake);
}

AccessToken FinishLogin(const InteractiveLogin& login, const OauthClient& client, TokenAnswer answer,
                        const base::Clock& clock, const base::WakeEvent& wake) {
  if (const auto* failure = std::get_if<TokenFailure>(&answer.outcome)) throw Error(failure->error);
  auto& grant = std::get<TokenGrant>(answer.outcome);
  if (grant.refresh_token.empty()) {
    throw Error(ErrorKind::kLoginRefused,
                base::Format("{} accepts the login but gives no refresh token, without which it would end in an hour: "
                             "add \"offline_access\" to \"scope\" (Google: access_type=offline and prompt=consent)",
                             ShownUrl(client.authority().token_endpoint)));
  }
  StoredLogin stored;
  stored.client_id = client.id();
  stored.token_endpoint = client.authority().token_endpoint;
  stored.issuer = client.authority().issuer;
  stored.refresh_token = std::move(grant.refresh_token);
  const LoginFile file(login.file);
  const LoginLock lock(file, clock, base::Deadline::After(clock, kMaxLockWait), wake);
  file.Write(stored, clock.WallNow());
  AccessToken token{std::move(grant.value)};
  if (grant.lifetime) token.expires = clock.Now() + *grant.lifetime;
  return token;
}

}  // namespace mailboxfs::oauth
