#include <algorithm>
#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "finish_login.h"
#include "json_members.h"
#include "mailboxfs/base/encoding.h"
#include "mailboxfs/base/error.h"
#include "mailboxfs/base/held_signals.h"
#include "mailboxfs/base/log.h"
#include "mailboxfs/oauth/login.h"
#include "oauth_client.h"
#include "wait.h"

namespace mailboxfs::oauth {
namespace {

using base::Error;
using base::ErrorKind;
using std::chrono::seconds;

constexpr seconds kMaxPoll{30};
constexpr seconds kDefaultInterval{5};
constexpr seconds kSlowDown{5};  // RFC 8628 section 3.5.
constexpr seconds kMaxInterval{60};
constexpr seconds kDefaultCodeLifetime{900};
constexpr seconds kMaxCodeLifetime{24 * 3600};

struct DeviceCode {
  base::Secret device_code;
  std::string user_code;
  std::string address;
  std::string message;
  seconds lifetime{};
  seconds interval{};
};

// It is shown to a person, who types it elsewhere.
bool IsShowable(std::string_view text, size_t limit) {
  return !text.empty() && text.size() <= limit &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c <= '~'; });
}

// RFC 8628 section 3.2.
DeviceCode ParseDeviceCode(json::Value answer, const std::string& endpoint) {
  const auto fail = [&](std::string_view what) {
    throw Error(ErrorKind::kServer, base::Format("cannot start a login at {}: {}", ShownUrl(endpoint), what));
  };
  DeviceCode code;
  code.device_code = TakeSecret(answer, "device_code");
  code.user_code = answer.TextAt("user_code");
  code.address = answer.TextAt("verification_uri");
  // Google's name for it.
  if (code.address.empty()) code.address = answer.TextAt("verification_url");
  code.message = base::Printable(answer.TextAt("message"), 1000);
  code.lifetime =
      std::clamp(SecondsMember(answer, "expires_in").value_or(kDefaultCodeLifetime), seconds(1), kMaxCodeLifetime);
  code.interval = std::clamp(SecondsMember(answer, "interval").value_or(kDefaultInterval), seconds(1), kMaxInterval);
  if (code.device_code.empty()) fail("its answer has no device code");
  if (!IsShowable(code.user_code, 100)) fail("its answer has no code that could be typed");
  const bool is_web = code.address.rfind("https://", 0) == 0 || code.address.rfind("http://", 0) == 0;
  if (!is_web || !IsShowable(code.address, 2000) || code.address.find(' ') != std::string::npos) {
    fail("its answer has no address that a browser could open");
  }
  return code;
}

// Polls until the person is done. Thread-bound.
class DevicePoll {
 public:
  DevicePoll(OauthClient& client, const DeviceCode& code, base::MonoTime expires, const base::Clock& clock)
      : client_(client), code_(code), expires_(expires), clock_(clock), interval_(code.interval) {}

  // `held` lives when there is an answer, until it is stored.
  TokenAnswer Run(LoginDisplay& display, const base::WakeEvent& wake, std::optional<base::HeldSignals>& held) {
    for (;;) {
      const base::MonoTime now = clock_.Now();
      const base::MonoTime next = now + std::max(interval_, pause_);
      pause_ = {};
      if (next >= expires_) {
        throw Error(ErrorKind::kLoginRefused, "the code was not used in time; log in again");
      }
      display.ShowWaiting(std::chrono::duration_cast<seconds>(expires_ - now));
      WaitUntil(next, base::Deadline::Never(), wake, clock_, "waiting for the login");
      held.emplace();
      std::optional<TokenAnswer> answer = Ask(wake);
      if (answer && !IsToBeRepeated(*answer)) return std::move(*answer);
      held.reset();
    }
  }

 private:
  // nullopt: nobody answered.
  std::optional<TokenAnswer> Ask(const base::WakeEvent& wake) {
    GrantForm form;
    form.grant_type = "urn:ietf:params:oauth:grant-type:device_code";
    form.secrets.emplace_back("device_code", &code_.device_code);
    const auto deadline = base::Deadline::After(clock_, kMaxPoll);
    try {
      return client_.AskForToken(form, deadline, wake);
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::kNetwork && error.kind() != ErrorKind::kTimeout) throw;
      base::LogDebug("{}; asking again", error.what());
      SlowDown();
      return std::nullopt;
    }
  }

  bool IsToBeRepeated(const TokenAnswer& answer) {
    const auto* failure = std::get_if<TokenFailure>(&answer.outcome);
    if (failure == nullptr || !failure->refusal) return false;
    const TokenRefusal& refusal = *failure->refusal;
    if (refusal.error == "authorization_pending") return true;
    if (refusal.error == "slow_down") {
      interval_ = std::min(kMaxInterval, interval_ + kSlowDown);
      return true;
    }
    if (failure->error.kind() == ErrorKind::kThrottled) {
      pause_ = std::chrono::ceil<seconds>(failure->length);
      return true;
    }
    if (refusal.cause != "server-trouble" && refusal.cause != "transient") return false;
    SlowDown();
    return true;
  }

  void SlowDown() { interval_ = std::min(kMaxInterval, 2 * interval_); }

  OauthClient& client_;
  const DeviceCode& code_;
  const base::MonoTime expires_;
  const base::Clock& clock_;
  seconds interval_;
  seconds pause_{};  // Before the next one only.
};

}  // namespace

AccessToken LogInWithDeviceCode(const InteractiveLogin& login, net::HttpClient& http, const base::Clock& clock,
                                LoginDisplay& display, const base::WakeEvent& wake) {
  CheckLoginFile(login, clock, wake);
  OauthClient client(login.authority, login.client, http, clock);
  const base::MonoTime begun = clock.Now();
  GrantForm form;
  if (!login.scope.empty()) form.fields.emplace_back("scope", login.scope);
  EndpointAnswer answer =
      client.Ask(&Authority::device_endpoint, "start a login at", form, base::Deadline::After(clock, kMaxPoll), wake);
  if (const auto* failure = std::get_if<TokenFailure>(&answer.outcome)) throw Error(failure->error);
  const DeviceCode code =
      ParseDeviceCode(std::move(std::get<json::Value>(answer.outcome)), client.authority().device_endpoint);
  display.ShowDeviceCode(code.address, code.user_code, code.message, code.lifetime);
  std::optional<base::HeldSignals> held;
  TokenAnswer token = DevicePoll(client, code, begun + code.lifetime, clock).Run(display, wake, held);
  return FinishLogin(login, client, std::move(token), clock, wake);
}

}  // namespace mailboxfs::oauth
