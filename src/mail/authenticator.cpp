#include "mail/authenticator.h"

#include <utility>

#include "mail/refusal.h"
#include "mailboxfs/base/encoding.h"
#include "mailboxfs/base/log.h"
#include "mailboxfs/imap/sasl.h"

namespace mailboxfs::mail {
namespace {

using base::Error;
using base::ErrorKind;

// Exchange takes command lines of 10240 octets, others less.
constexpr size_t kMaxInitialResponse = 8000;
constexpr int kMaxChallenges = 4;

// "AUTHENTICATE PLAIN <response>" without a copy that nobody wipes.
std::string AuthenticateLine(const std::string& tag, const std::string& mechanism, std::string_view response) {
  std::string line;
  line.reserve(tag.size() + mechanism.size() + response.size() + 20);
  line.append(tag).append(" AUTHENTICATE ").append(mechanism);
  if (!response.empty()) line.append(" ").append(response);
  return line.append("\r\n");
}

// The password as a LOGIN command has it: quotes in it are escaped, so that an echo differs from it.
base::Secret AsArgument(const base::Secret& password) {
  imap::Command command = imap::CommandBuilder("", "").AString(password.Reveal(), false).Finish();
  std::string& argument = command.pieces.back();
  base::Secret copy{std::string(argument)};
  base::WipeMemory(argument.data(), argument.size());
  return copy;
}

}  // namespace

std::string Authenticator::OfferedMechanisms() const {
  std::string offered;
  for (const std::string& capability : connection_.capabilities()) {
    if (!capability.starts_with("AUTH=")) continue;
    if (!offered.empty()) offered += ", ";
    offered += base::Printable(capability.substr(5), 40);
  }
  return offered.empty() ? "none" : offered;
}

Authenticator::Mechanism Authenticator::TokenMechanism(const oauth::AccessToken& token) const {
  const ImapOptions& options = connection_.context().options;
  if (connection_.Has("AUTH=OAUTHBEARER")) {
    return {"OAUTHBEARER",
            imap::OAuthBearerResponse(options.login.user, options.endpoint.host, options.endpoint.port, token.value),
            std::string(imap::kOAuthBearerFailureAnswer), &token.value};
  }
  if (connection_.Has("AUTH=XOAUTH2")) {
    return {"XOAUTH2", imap::XOAuth2Response(options.login.user, token.value), std::string(imap::kXOAuth2FailureAnswer),
            &token.value};
  }
  throw Error(ErrorKind::kUnsupported,
              base::Format("the server {} offers no login with a token (XOAUTH2 or OAUTHBEARER); it offers: {}",
                           options.endpoint.host, OfferedMechanisms()));
}

base::Status Authenticator::LogInWithToken(const oauth::AccessToken& token) {
  const Mechanism mechanism = TokenMechanism(token);
  trace_.mechanism = mechanism.name;
  connection_.SetToken(token);
  return Judge(Authenticate(mechanism));
}

void Authenticator::LogInWithPassword(const base::Secret& password) {
  const ImapOptions& options = connection_.context().options;
  base::Status refusal;
  if (connection_.Has("AUTH=PLAIN")) {
    trace_.mechanism = "PLAIN";
    refusal = Judge(Authenticate({"PLAIN", imap::PlainResponse(options.login.user, password), "*", &password}));
  } else if (!connection_.Has("LOGINDISABLED")) {
    trace_.mechanism = "LOGIN";
    refusal = Judge(LogInPlainly(password));
  } else {
    throw Error(ErrorKind::kUnsupported,
                base::Format("the server {} does not accept passwords (LOGINDISABLED); it offers: {}",
                             options.endpoint.host, OfferedMechanisms()));
  }
  if (refusal) throw Error(*refusal);
}

imap::StatusResponse Authenticator::LogInPlainly(const base::Secret& password) {
  const base::Secret argument = AsArgument(password);
  Request request;
  request.name = "LOGIN";
  request.secret = true;
  request.hidden = &password;
  request.hidden_response = &argument;
  request.command = imap::CommandBuilder(connection_.NextTag(), "LOGIN")
                        .AString(connection_.context().options.login.user, false)
                        .AString(password.Reveal(), false)
                        .Finish();
  return connection_.Run(request);
}

imap::StatusResponse Authenticator::Authenticate(const Mechanism& mechanism) {
  if (connection_.Has("SASL-IR") && mechanism.response.Reveal().size() < kMaxInitialResponse) {
    imap::StatusResponse status = AuthenticateOnce(mechanism, true);
    const bool not_understood = status.condition == imap::Condition::kBad && !ThrottlePause(status) &&
                                !IsNotConnected(status) && failure_.empty();
    if (!not_understood) return status;
    base::LogDebug("{}: the server does not take the initial response: {}", connection_.context().options.name,
                   QuoteStatus(status));
  }
  return AuthenticateOnce(mechanism, false);
}

imap::StatusResponse Authenticator::AuthenticateOnce(const Mechanism& mechanism, bool initial_response) {
  bool sent = initial_response;
  int challenges = 0;
  Request request;
  request.name = "AUTHENTICATE";
  request.secret = true;
  request.hidden = mechanism.secret;
  request.hidden_response = &mechanism.response;
  request.command.pieces.push_back(AuthenticateLine(
      connection_.NextTag(), mechanism.name, initial_response ? mechanism.response.Reveal() : std::string_view()));
  request.on_challenge = [&](const std::string& text) -> base::Secret {
    if (++challenges > kMaxChallenges) {
      throw Error(ErrorKind::kProtocol, "the server never stops asking during the login");
    }
    // An empty challenge asks for the response: the server did not see the initial one.
    if (!sent || (text.empty() && challenges == 1)) {
      sent = true;
      return mechanism.response;
    }
    failure_ = imap::DescribeFailureChallenge(text);
    if (mechanism.secret != nullptr) failure_ = WithoutSecret(std::move(failure_), *mechanism.secret);
    failure_ = WithoutSecret(std::move(failure_), mechanism.response);
    return base::Secret(mechanism.failure_answer);
  };
  return connection_.Run(request);
}

base::Status Authenticator::Judge(const imap::StatusResponse& status) {
  if (status.condition == imap::Condition::kOk) return std::nullopt;
  const ImapOptions& options = connection_.context().options;
  std::string text = base::Format("{} refused the login of {} ({}): {}", options.endpoint.host,
                                  base::Printable(options.login.user), trace_.mechanism, QuoteStatus(status));
  if (!failure_.empty()) text += " (" + failure_ + ")";
  if (ThrottlePause(status)) connection_.RequireOk(status, "logging in");
  trace_.not_connected = IsNotConnected(status);
  if (trace_.not_connected || IsTransient(status)) throw Error(ErrorKind::kServer, text);
  return Error(ErrorKind::kLoginRefused, text);
}

}  // namespace mailboxfs::mail
