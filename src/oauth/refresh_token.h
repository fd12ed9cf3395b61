#pragma once

#include <atomic>
#include <chrono>
#include <optional>
#include <string>
#include <thread>

#include "login_file.h"
#include "mailboxfs/base/mutex.h"
#include "mailboxfs/oauth/grants.h"
#include "oauth_client.h"
#include "token_request.h"

namespace mailboxfs::oauth {

// RFC 6749 section 6. The newest refresh token is on the disk before the access token that came with it is given out;
// until then the old one stays there.
//
// If it cannot be written (the disk is full), it is kept in memory, where it serves until writing works: the old one
// may be worthless by then, and to give up the access token as well would help nobody. A thread tries again.
class RefreshTokenRequest final : public TokenRequest {
 public:
  // `http` and `clock` are borrowed. `save_interval`: between tries to write what could not be written, by the
  // machine's clock.
  RefreshTokenRequest(RefreshToken grant, net::HttpClient& http, const base::Clock& clock,
                      std::chrono::milliseconds save_interval = std::chrono::seconds(5));
  ~RefreshTokenRequest() override;

  TokenAnswer Ask(const base::Deadline& deadline, const base::WakeEvent& wake) override;
  std::string InputVersion() const override { return file_.Version(); }

 private:
  // A login that is not in the file.
  struct Unsaved {
    StoredLogin login;
    std::string version;  // The file's, when the login was made from it.
  };

  std::optional<StoredLogin> Current(const base::Secret& initial);
  TokenFailure NotLoggedIn(const std::string& why) const;
  // False: it came from elsewhere, so it must not be sent here.
  bool IsOurs(const StoredLogin& login) const;
  std::string Advise(const TokenRefusal& refusal) const;
  void Keep(StoredLogin login, base::Secret refresh_token);
  void StartSaver() REQUIRES(mutex_);
  void KeepSaving() noexcept;
  std::string SaveAgain() noexcept;

  const RefreshToken grant_;
  const LoginFile file_;
  const base::Clock& clock_;
  const std::chrono::milliseconds save_interval_;
  OauthClient client_;

  std::atomic<bool> has_unsaved_{false};
  base::Mutex mutex_;
  std::optional<Unsaved> unsaved_ GUARDED_BY(mutex_);
  bool saves_ GUARDED_BY(mutex_) = false;
  base::WakeEvent stop_;
  std::thread saver_;  // Whoever asks starts it. Runs while `saves_`.
};

}  // namespace mailboxfs::oauth
