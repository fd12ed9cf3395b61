#include <string>
#include <utility>

#include "crypto.h"
#include "finish_login.h"
#include "mailboxfs/base/encoding.h"
#include "mailboxfs/base/error.h"
#include "mailboxfs/base/held_signals.h"
#include "mailboxfs/oauth/login.h"
#include "oauth_client.h"
#include "redirect_listener.h"

namespace mailboxfs::oauth {
namespace {

constexpr std::chrono::seconds kMaxExchange{30};

// RFC 6749 section 4.1.1, RFC 7636 section 4.3.
std::string AuthorizationAddress(const InteractiveLogin& login, const std::string& endpoint,
                                 const std::string& redirect_uri, const base::Secret& state,
                                 const base::Secret& verifier) {
  std::string address = endpoint;
  char separator = endpoint.find('?') == std::string::npos ? '?' : '&';
  const auto add = [&](std::string_view name, std::string_view value) {
    address += separator + base::PercentEncode(name) + "=" + base::PercentEncode(value);
    separator = '&';
  };
  add("response_type", "code");
  add("client_id", login.client.id);
  add("redirect_uri", redirect_uri);
  if (!login.scope.empty()) add("scope", login.scope);
  add("state", state.Reveal());
  add("code_challenge", base::Base64UrlEncode(Sha256(verifier.Reveal())));
  add("code_challenge_method", "S256");
  for (const auto& [name, value] : login.authorization_fields) add(name, value);
  return address;
}

}  // namespace

AccessToken LogInWithBrowser(const InteractiveLogin& login, net::HttpClient& http, const base::Clock& clock,
                             LoginDisplay& display, const base::Deadline& deadline, const base::WakeEvent& wake) {
  CheckLoginFile(login, clock, wake);
  OauthClient client(login.authority, login.client, http, clock);
  // Both before a person is sent anywhere.
  for (std::string Authority::*endpoint : {&Authority::authorization_endpoint, &Authority::token_endpoint}) {
    const base::Deadline limit = deadline.Min(base::Deadline::After(clock, kMaxExchange));
    if (auto failure = client.discovery().Find(endpoint, limit, wake)) throw base::Error(failure->error);
  }
  RedirectListener listener(login.redirect_port);
  const base::Secret state = RandomText(24);
  const base::Secret verifier = RandomText(48);
  const std::string redirect_uri = listener.Url();
  display.ShowAddress(
      AuthorizationAddress(login, client.authority().authorization_endpoint, redirect_uri, state, verifier));
  const auto show_waiting = [&] {
    if (deadline.when() == base::MonoTime::max()) return;
    display.ShowWaiting(std::chrono::duration_cast<std::chrono::seconds>(deadline.Left(clock.Now())));
  };
  const base::Secret code = listener.WaitForCode(state, clock, deadline, wake, show_waiting);
  GrantForm form;
  form.grant_type = "authorization_code";
  form.fields.emplace_back("redirect_uri", redirect_uri);
  form.secrets.emplace_back("code", &code);
  form.secrets.emplace_back("code_verifier", &verifier);
  const base::HeldSignals held;  // A code serves once.
  TokenAnswer answer = client.AskForToken(form, base::Deadline::After(clock, kMaxExchange), wake);
  return FinishLogin(login, client, std::move(answer), clock, wake);
}

}  // namespace mailboxfs::oauth
