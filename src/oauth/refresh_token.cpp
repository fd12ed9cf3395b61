#include "refresh_token.h"

#include <poll.h>

#include <algorithm>
#include <system_error>
#include <utility>

#include "crypto.h"
#include "mailboxfs/base/encoding.h"
#include "mailboxfs/base/error.h"
#include "mailboxfs/base/held_signals.h"
#include "mailboxfs/base/log.h"

namespace mailboxfs::oauth {
namespace {

using base::Error;
using base::ErrorKind;

// How long an answer is waited for, however soon the caller would leave: it carries the next refresh token, and the
// one that was sent may be worthless.
constexpr std::chrono::seconds kLeastPatience{60};
// A login by a person ends it sooner: the file changes.
constexpr std::chrono::seconds kNoLoginMemory{300};

std::string DigestOf(const base::Secret& token) { return base::HexEncode(Sha256(token.Reveal())); }

}  // namespace

RefreshTokenRequest::RefreshTokenRequest(RefreshToken grant, net::HttpClient& http, const base::Clock& clock,
                                         std::chrono::milliseconds save_interval)
    : grant_(std::move(grant)),
      file_(grant_.file),
      clock_(clock),
      save_interval_(save_interval),
      client_(grant_.authority, grant_.client, http, clock) {}

RefreshTokenRequest::~RefreshTokenRequest() {
  stop_.Set();
  if (saver_.joinable()) saver_.join();
  if (!has_unsaved_) return;
  const std::string why = SaveAgain();
  if (!why.empty()) base::LogError("{}: the new refresh token is lost, and the old one may be worthless", why);
}

TokenAnswer RefreshTokenRequest::Ask(const base::Deadline& deadline, const base::WakeEvent& wake) {
  const base::Secret initial = grant_.initial ? grant_.initial() : base::Secret();
  if (initial.empty() && !has_unsaved_ && file_.Version().empty()) return {NotLoggedIn("nobody has logged in yet")};
  const LoginLock lock(file_, clock_, deadline, wake);
  std::optional<StoredLogin> login = Current(initial);
  if (!login) return {NotLoggedIn("nobody has logged in yet")};
  if (auto failure = client_.discovery().Find(&Authority::token_endpoint, deadline, wake)) return {std::move(*failure)};
  if (!IsOurs(*login)) {
    return {NotLoggedIn(base::Format("the login in {} is of client {} at {}, not of the configured one", file_.path(),
                                     base::Printable(login->client_id), ShownUrl(login->token_endpoint)))};
  }
  GrantForm form;
  form.grant_type = "refresh_token";
  if (!grant_.scope.empty()) form.fields.emplace_back("scope", grant_.scope);
  form.secrets.emplace_back("refresh_token", &login->refresh_token);
  form.advise = [this](const TokenRefusal& refusal) { return Advise(refusal); };
  // Whoever asks may leave, and be interrupted, but not before the new refresh token is safe.
  const base::HeldSignals held;
  const base::WakeEvent never;
  const base::Deadline patient = base::Deadline::At(std::max(deadline.when(), clock_.Now() + kLeastPatience));
  TokenAnswer answer = client_.AskForToken(form, patient, never);
  // What was sent is spent, also if the access token that came for it is of no use.
  base::Secret& next = std::visit([](auto& outcome) -> base::Secret& { return outcome.refresh_token; }, answer.outcome);
  if (!next.empty() && !(next == login->refresh_token)) Keep(std::move(*login), std::move(next));
  return answer;
}

// The newest token that is known: not yet written, written, or configured. The file is locked.
std::optional<StoredLogin> RefreshTokenRequest::Current(const base::Secret& initial) {
  std::optional<StoredLogin> login = file_.Read();
  {
    const base::MutexLock lock(mutex_);
    // Else somebody has logged in meanwhile, or refreshed in another process.
    if (unsaved_ && unsaved_->version == file_.Version()) login = unsaved_->login;
  }
  if (initial.empty()) return login;
  std::string digest = DigestOf(initial);
  if (login && login->initial_digest == digest) return login;
  // A person has configured a new one.
  StoredLogin first;
  first.client_id = client_.id();
  first.token_endpoint = client_.authority().token_endpoint;
  first.issuer = client_.authority().issuer;
  first.refresh_token = initial;
  first.initial_digest = std::move(digest);
  return first;
}

TokenFailure RefreshTokenRequest::NotLoggedIn(const std::string& why) const {
  TokenRefusal refusal;
  refusal.cause = "login-needed";
  refusal.description = why;
  TokenFailure failure{Error(ErrorKind::kLoginRefused, base::Format("{}; {}", why, grant_.remedy)), Pause::kFixed,
                       kNoLoginMemory, refusal};
  failure.sent = false;
  return failure;
}

bool RefreshTokenRequest::IsOurs(const StoredLogin& login) const {
  const Authority& authority = client_.authority();
  const bool same_issuer = !login.issuer.empty() && login.issuer == authority.issuer;
  const bool same_endpoint = login.token_endpoint == authority.token_endpoint;
  return login.client_id == client_.id() && (same_issuer || same_endpoint);
}

std::string RefreshTokenRequest::Advise(const TokenRefusal& refusal) const {
  for (const std::string_view cause :
       {"grant-invalid", "login-expired", "login-revoked", "interaction-needed", "code-unusable"}) {
    if (refusal.cause == cause) return grant_.remedy;
  }
  return "";
}

// The file is locked.
void RefreshTokenRequest::Keep(StoredLogin login, base::Secret refresh_token) {
  login.client_id = client_.id();
  login.token_endpoint = client_.authority().token_endpoint;
  login.issuer = client_.authority().issuer;
  login.refresh_token = std::move(refresh_token);
  const base::MutexLock lock(mutex_);
  try {
    file_.Write(login, clock_.WallNow());
    unsaved_.reset();
    has_unsaved_ = false;
    base::LogDebug("{} has a new refresh token", file_.path());
  } catch (const Error& error) {
    if (!has_unsaved_) {
      base::LogError(
          "{}: the new refresh token is in memory only and would be lost with this process, and the old one may be "
          "worthless; writing is tried again every {} s",
          error.what(), std::chrono::ceil<std::chrono::seconds>(save_interval_).count());
    }
    unsaved_ = Unsaved{std::move(login), file_.Version()};
    has_unsaved_ = true;
    StartSaver();
  }
}

void RefreshTokenRequest::StartSaver() {
  if (saves_) return;
  // An earlier one has nothing more to do.
  if (saver_.joinable()) saver_.join();
  try {
    saver_ = std::thread([this] { KeepSaving(); });
    saves_ = true;
  } catch (const std::system_error& error) {
    base::LogError("no thread to write {} later: {}", file_.path(), error.what());
  }
}

// Until it is written, or the request dies.
void RefreshTokenRequest::KeepSaving() noexcept {
  for (;;) {
    pollfd entry{stop_.fd(), POLLIN, 0};
    ::poll(&entry, 1, static_cast<int>(save_interval_.count()));
    if (stop_.IsSet()) return;
    const std::string why = SaveAgain();
    if (!why.empty()) base::LogDebug("{}", why);
    const base::MutexLock lock(mutex_);
    if (unsaved_) continue;
    saves_ = false;
    return;
  }
}

// Says why it is still not written; empty: it is, or something newer.
std::string RefreshTokenRequest::SaveAgain() noexcept {
  try {
    const std::optional<LoginLock> file_lock = LoginLock::Try(file_);
    if (!file_lock) return file_.path() + " is locked by another login, or cannot be";
    const base::MutexLock lock(mutex_);
    if (!unsaved_) return "";
    if (unsaved_->version == file_.Version()) {
      file_.Write(unsaved_->login, clock_.WallNow());
      base::LogInfo("{} has the new refresh token at last", file_.path());
    }
    unsaved_.reset();
    has_unsaved_ = false;
    return "";
  } catch (const std::exception& error) {
    return error.what();
  }
}

}  // namespace mailboxfs::oauth
