#include "mail/login.h"

#include <utility>

#include "mail/authenticator.h"
#include "mail/refusal.h"
#include "mailboxfs/base/encoding.h"
#include "mailboxfs/base/log.h"

namespace mailboxfs::mail {
namespace {

using base::Error;
using base::ErrorKind;
using Layer = ProbeReport::Layer;

// So many logins that end unconnected are trouble at the server; more are somebody's to mend.
constexpr unsigned kNotConnectedTries = 3;

std::unique_ptr<Connection> Connect(const ConnectionContext& context) {
  const ImapOptions& options = context.options;
  const base::Clock& clock = context.environment.clock;
  return std::make_unique<Connection>(
      context.environment.connector.Connect(options.endpoint, base::Deadline::After(clock, options.timeouts.connect),
                                            context.signals.stop),
      context);
}

[[noreturn]] void ThrowNotConnected(Connection& connection, const imap::StatusResponse& status, LoginTrace& trace) {
  trace.not_connected = true;
  connection.wire().SetBroken();
  const ConnectionContext& context = connection.context();
  const unsigned tries = context.mailbox.CountNotConnected();
  const std::string text = base::Format(
      "{} accepted the login of {} but did not open the mailbox ({}). Causes, the likeliest first: no FullAccess "
      "permission on this mailbox; IMAP is disabled for it; the address is an alias instead of the primary address; "
      "the permission is new and not in effect yet; too many connections",
      context.options.endpoint.host, base::Printable(context.options.login.user), QuoteStatus(status));
  if (tries < kNotConnectedTries) throw Error(ErrorKind::kServer, base::Format("{}; attempt {}", text, tries));
  throw Error(ErrorKind::kLoginRefused, text);
}

// A command whose only use is its answer: Exchange accepts logins to mailboxes it does not open.
void Probe(Connection& connection, LoginTrace& trace) {
  Request request;
  if (connection.Has("NAMESPACE")) {
    request.name = "NAMESPACE";
    request.command = imap::CommandBuilder(connection.NextTag(), "NAMESPACE").Finish();
    const imap::StatusResponse status = connection.Run(request);
    if (status.condition == imap::Condition::kOk) return;
    if (IsNotConnected(status)) ThrowNotConnected(connection, status, trace);
  }
  request.name = "LIST";
  request.command = imap::CommandBuilder(connection.NextTag(), "LIST").Raw("\"\" \"\"").Finish();
  const imap::StatusResponse status = connection.Run(request);
  if (IsNotConnected(status)) ThrowNotConnected(connection, status, trace);
  connection.RequireOk(status, "opening the mailbox after the login");
}

void Prepare(Connection& connection, LoginTrace& trace) {
  // What was offered before the login says nothing about after it.
  if (!connection.capabilities_current()) connection.RefreshCapabilities();
  Probe(connection, trace);
  // An unconnected mailbox answers the first CAPABILITY with BAD, too, and then recovers at times.
  if (!connection.capabilities_current()) connection.RefreshCapabilities();
  connection.Identify();
  connection.Compress();
  connection.context().mailbox.OnLoggedIn(connection.server(), connection.capabilities(), connection.profile());
}

// Returns why the token was refused.
base::Status LogIn(Connection& connection, const oauth::AccessToken* token, LoginTrace& trace) {
  Authenticator authenticator(connection, trace);
  if (token != nullptr) return authenticator.LogInWithToken(*token);
  authenticator.LogInWithPassword(connection.context().options.login.password());
  return std::nullopt;
}

struct Refusal {
  std::optional<oauth::AccessToken> token;
  base::Status why;
};

// From the greeting on. False: the token was refused, `refusal` says which and why.
bool Enter(Connection& connection, LoginTrace& trace, Refusal& refusal) {
  const ConnectionContext& context = connection.context();
  const Login& login = context.options.login;
  const auto limit = [&] { return base::Deadline::After(context.environment.clock, context.options.timeouts.login); };
  trace.layer = Layer::kGreeting;
  const auto deadline = limit();
  connection.wire().SetLimit(deadline);
  const bool authenticated = connection.ReadGreeting();
  trace.greeting = connection.greeting();
  trace.reached = true;
  trace.turn.reset();
  if (!connection.capabilities_current()) connection.RefreshCapabilities();
  if (!authenticated) {
    trace.layer = Layer::kToken;
    std::optional<oauth::AccessToken> token;
    if (login.tokens) token = login.tokens->Get(deadline, context.signals.stop);
    // A renewal may have taken its time, and found in the end that the old token still works.
    connection.wire().SetLimit(limit());
    trace.layer = Layer::kLogin;
    connection.DoubtCapabilities();
    refusal = {token, LogIn(connection, token ? &*token : nullptr, trace)};
    if (refusal.why) return false;
    if (token) login.tokens->Accepted(*token);
  }
  trace.layer = Layer::kLogin;
  Prepare(connection, trace);
  connection.wire().SetLimit(base::Deadline::Never());
  return true;
}

// One attempt. Null: the token was refused, `refusal` says which and why.
std::unique_ptr<Connection> TryOpen(const ConnectionContext& context, LoginTrace& trace, Refusal& refusal) {
  trace.layer = Layer::kConnect;
  trace.not_connected = false;
  std::unique_ptr<Connection> connection = Connect(context);
  try {
    if (!Enter(*connection, trace, refusal)) connection.reset();
  } catch (...) {
    // Some servers count a session for a while that has not said goodbye.
    if (base::CurrentError().kind() == ErrorKind::kThrottled && trace.reached) connection->Logout();
    throw;
  }
  return connection;
}

}  // namespace

std::unique_ptr<Connection> OpenConnection(const ConnectionContext& context, LoginTrace& trace) {
  Refusal refusal;
  if (std::unique_ptr<Connection> connection = TryOpen(context, trace, refusal)) return connection;
  if (!context.options.login.tokens->Refused(*refusal.token)) throw Error(*refusal.why);
  base::LogInfo("{}: {}; trying once more with a new token", context.options.name, refusal.why->what());
  if (std::unique_ptr<Connection> connection = TryOpen(context, trace, refusal)) return connection;
  // The second token is not to blame for what happened to the first one as well.
  throw Error(*refusal.why);
}

}  // namespace mailboxfs::mail
