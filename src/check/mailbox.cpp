#include "mailbox.h"

#include <chrono>
#include <string_view>

#include "advice.h"
#include "clock.h"
#include "mailboxfs/base/encoding.h"
#include "mailboxfs/base/log.h"
#include "token.h"

namespace mailboxfs::check {
namespace {

using base::Error;
using base::ErrorKind;
using mail::ProbeReport;
using Layer = ProbeReport::Layer;
using Trouble = ProbeReport::Trouble;

std::string_view TroubleCause(Trouble trouble, bool tokens) {
  switch (trouble) {
    case Trouble::kRefused: return tokens ? "login-refused" : "password-refused";
    case Trouble::kNotConnected: return "not-connected";
    case Trouble::kUnavailable: return "server-unavailable";
    case Trouble::kTooMany: return "too-many-connections";
    case Trouble::kThrottled: return "throttled";
    case Trouble::kClosed: return "connection-closed";
    case Trouble::kNoTokenLogin: return "no-token-login";
    case Trouble::kNoPasswordLogin: return "password-login-disabled";
    case Trouble::kNotImap: return "not-imap";
    case Trouble::kAllInUse: return "all-in-use";
    default: return "";
  }
}

std::string_view KindCause(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kTls: return "tls";
    case ErrorKind::kTimeout: return "timeout";
    case ErrorKind::kThrottled: return "throttled";
    case ErrorKind::kConfig: return "secret-unreadable";
    case ErrorKind::kNetwork: return "connection";
    default: return "";
  }
}

std::string_view IdOf(Layer layer) {
  switch (layer) {
    case Layer::kToken: return "token";
    case Layer::kFolders: return "folders";
    case Layer::kMessage: return "message";
    default: return "login";
  }
}

std::string Pause(const ProbeReport& probe) {
  const auto pause = std::chrono::ceil<std::chrono::seconds>(probe.pause);
  return pause.count() > 0 ? base::Format("; the server asks for a pause of {}", ForPeople(pause)) : "";
}

class MailboxCheck {
 public:
  MailboxCheck(Subject& subject, const config::Account& account, const ProbeReport& probe)
      : subject_(subject), account_(account), probe_(probe) {}

  void Fail(const mail::ImapOptions& options, bool person, const Facts& facts) {
    const Error error = probe_.error.value_or(Error(ErrorKind::kInternal, "it ended here without a reason"));
    const std::string cause = CauseOf(error, options);
    // After a login the host and the port are right.
    const bool ended = cause == "connection" && probe_.failed_at > Layer::kLogin;
    std::string advice = Advise(ended ? "connection-closed" : cause, person, facts);
    std::string evidence = error.what() + Pause(probe_);
    // Without the causes, which are in the advice.
    if (probe_.trouble == Trouble::kNotConnected) {
      evidence = base::Format(
          "{} accepts the login of {} and does not open the mailbox (\"User is authenticated but not connected\")",
          account_.imap.host, base::Printable(options.login.user));
    }
    if (probe_.logins > 0 && probe_.failed_at <= Layer::kLogin) {
      evidence += base::Format("; {} of {} opened it", probe_.connected, base::CountOf(probe_.logins, "login"));
    }
    const bool login = probe_.trouble == Trouble::kRefused || probe_.trouble == Trouble::kNotConnected;
    if (const std::string hint = AddressHint(facts.Get("mailbox")); login && !hint.empty()) advice += "\n" + hint;
    subject_.Fail(IdOf(probe_.failed_at), cause, ExitFor(error.kind()), evidence, advice);
  }

  void Login(const Facts& facts) {
    const std::string evidence =
        base::Format("logged in with {}", probe_.mechanism.empty() ? "nothing (PREAUTH)" : probe_.mechanism);
    if (probe_.connected == probe_.logins) return subject_.Ok("login", evidence);
    subject_.Warn("login",
                  base::Format("{}; {} of {} opened the mailbox, the others were \"authenticated but not "
                               "connected\"",
                               evidence, probe_.connected, base::CountOf(probe_.logins, "login")),
                  AdviceFor("not-connected-sometimes", account_, facts), "not-connected-sometimes");
  }

 private:
  std::string CauseOf(const Error& error, const mail::ImapOptions& options) const {
    const bool tokens = options.login.tokens != nullptr;
    if (probe_.failed_at == Layer::kToken && tokens) {
      return TokenCause(error, options.login.tokens->GetStatus(), account_.auth);
    }
    if (const std::string_view cause = TroubleCause(probe_.trouble, tokens); !cause.empty()) {
      return std::string(cause);
    }
    if (const std::string_view cause = KindCause(error.kind()); !cause.empty()) return std::string(cause);
    switch (probe_.failed_at) {
      case Layer::kFolders: return "folders-unlisted";
      case Layer::kMessage: return "inbox-unreadable";
      default: return "login-unexpected";
    }
  }

  // People with a login of their own, and with a mailbox that no administrator looks after, need other words.
  std::string Advise(const std::string& cause, bool person, const Facts& facts) const {
    std::string advice;
    if (account_.provider == "outlook.com") advice = AdviceFor(cause + "-consumer", account_, facts);
    if (advice.empty() && person) advice = AdviceFor(cause + "-person", account_, facts);
    return advice.empty() ? AdviceFor(cause, account_, facts) : advice;
  }

  Subject& subject_;
  const config::Account& account_;
  const ProbeReport& probe_;
};

}  // namespace

std::string AddressHint(const std::string& address) {
  if (address.find('\\') != std::string::npos) {
    return "\"user\\shared\" is not understood any more: write the shared mailbox's own address.";
  }
  const std::string local = address.substr(0, address.find('@'));
  if (local.find('+') != std::string::npos) {
    return "With a + in it, this is hardly a mailbox's primary address.";
  }
  if (base::AsciiLower(address).ends_with(".onmicrosoft.com")) {
    return "Mailboxes with a domain of their own have it in their primary address, and onmicrosoft.com in an alias.";
  }
  return "";
}

MailboxResult CheckMailbox(const Context& context, Subject& subject, const config::Account& account,
                           const config::MailboxConfig& mailbox, bool person, const Facts& facts) {
  context.ThrowIfCancelled();
  const mail::ImapOptions options = context.means.options(account, mailbox);
  Facts filled = facts;
  filled.Set("mailbox", mailbox.address);
  filled.Set("host", account.imap.host);
  filled.Set("port", std::to_string(account.imap.port));
  MailboxResult result;
  result.probe = mail::ProbeMailbox(options, context.means.environment, context.wake);
  context.ThrowIfCancelled();
  const ProbeReport& probe = result.probe;
  result.opened = !probe.error;
  result.refused = probe.error && probe.error->kind() == ErrorKind::kLoginRefused && probe.failed_at <= Layer::kLogin;
  MailboxCheck check(subject, account, probe);
  if (probe.failed_at > Layer::kLogin) check.Login(filled);
  if (probe.error) check.Fail(options, person, filled);
  return result;
}

}  // namespace mailboxfs::check
