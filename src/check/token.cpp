#include "token.h"

#include <sys/stat.h>

#include <algorithm>
#include <ctime>
#include <utility>

#include "account_facts.h"
#include "advice.h"
#include "clock.h"
#include "mailboxfs/base/encoding.h"
#include "mailboxfs/base/log.h"
#include "mailboxfs/oauth/grants.h"

namespace mailboxfs::check {
namespace {

using base::Error;
using base::ErrorKind;
using config::AuthMethod;

constexpr std::chrono::hours kCertificateNotice{30 * 24};
// Microsoft ends a login that was not used for 90 days.
constexpr std::chrono::hours kLoginNotice{60 * 24};

std::string Day(base::WallTime time) {
  const std::time_t unix_time = base::WallTime::clock::to_time_t(time);
  std::tm parts{};
  ::gmtime_r(&unix_time, &parts);
  return base::Format("{:04}-{:02}-{:02}", parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday);
}

bool IsCommand(const config::SecretSpec& spec) { return spec.kind == config::SecretSpec::Kind::kCommand; }

oauth::SecretReader ReaderOf(const config::SecretSpec& spec) {
  return [spec] { return config::ReadSecret(spec); };
}

// What the endpoint said, without what oauth makes of it: advice is given here.
std::string Quote(const Error& error, const oauth::TokenRefusal& refusal, const std::string& host) {
  if (refusal.error.empty() || error.kind() == ErrorKind::kThrottled) return error.what();
  std::string text = base::Format("{} says: HTTP {}: {}", host, refusal.http_status, refusal.error);
  if (!refusal.description.empty()) text += ": " + refusal.description;
  for (const auto& [name, id] : {std::pair<std::string_view, std::string_view>("trace_id", refusal.trace_id),
                                 {"correlation_id", refusal.correlation_id},
                                 {"timestamp", refusal.timestamp}}) {
    if (!id.empty()) text += base::Format("; {} {}", name, id);
  }
  return text;
}

// When the newest refresh token was stored; nullopt: none is.
std::optional<base::WallTime> LoginStored(const config::AuthConfig& auth) {
  // A refresh token of another program can be newer than the one that came of its forerunner.
  if (!config::IsInteractive(auth.method)) return std::nullopt;
  struct stat status {};
  if (auth.login_file.empty() || ::stat(auth.login_file.c_str(), &status) != 0) return std::nullopt;
  return base::WallTime(std::chrono::seconds(status.st_mtim.tv_sec));
}

void TellAgeOfLogin(Subject& subject, const config::Account& account, base::WallTime stored, base::WallTime now) {
  const auto age = std::max(std::chrono::duration_cast<std::chrono::seconds>(now - stored), std::chrono::seconds(0));
  std::string evidence = base::Format("the refresh token was stored {} ago", ForPeople(age));
  if (account.vendor == config::Vendor::kGoogle) {
    evidence += "; if the application is in \"Testing\", a login ends after 7 days";
  } else if (account.vendor == config::Vendor::kMicrosoft) {
    evidence += "; not used for 90 days, a login ends";
    if (age > kLoginNotice) {
      subject.Warn("login-age", evidence, "Mount it, or run this check, at least once a month.", "login-aging");
      return;
    }
  }
  subject.Info("login-age", evidence);
}

std::string SourceName(const config::AuthConfig& auth, const Facts& facts) {
  switch (auth.method) {
    case AuthMethod::kTokenCommand: return "the command";
    case AuthMethod::kManagedIdentity: return "the metadata service";
    default: {
      const std::string host = facts.Get("token_host");
      return host.empty() ? "the token endpoint" : host;
    }
  }
}

}  // namespace

bool CheckCertificate(const Context& context, Subject& subject, const config::Account& account, Facts& facts) {
  const std::optional<config::CertificateConfig>& config = account.auth.certificate;
  // Commands are run when a token is needed, and not before: they may ask somebody.
  if (!config || IsCommand(config->private_key) || (config->passphrase && IsCommand(*config->passphrase))) return true;
  oauth::CertificateFacts certificate;
  try {
    certificate =
        oauth::DescribeCertificate({ReaderOf(config->certificate), ReaderOf(config->private_key),
                                    config->passphrase ? ReaderOf(*config->passphrase) : oauth::SecretReader(),
                                    config->rs256 ? oauth::SigningAlgorithm::kRs256 : oauth::SigningAlgorithm::kPs256});
  } catch (const Error& error) {
    subject.Fail("certificate", "secret-unreadable", Exit::kConfig, error.what(),
                 AdviceFor("secret-unreadable", account, facts));
    return false;
  }
  facts.Set("thumbprint", certificate.sha1);
  const base::WallTime now = context.means.environment.clock.WallNow();
  const std::string evidence =
      base::Format("thumbprint {} (SHA-256 {}), valid from {} to {}", certificate.sha1, certificate.sha256,
                   Day(certificate.not_before), Day(certificate.not_after));
  const std::string advice = AdviceFor("certificate-expired", account, facts);
  if (certificate.not_after <= now) {
    subject.Fail("certificate", "certificate-expired", Exit::kLogin, evidence + ": it has expired", advice);
    return false;
  }
  if (certificate.not_after - now < kCertificateNotice) {
    const auto left = std::chrono::duration_cast<std::chrono::seconds>(certificate.not_after - now);
    subject.Warn("certificate", base::Format("{}: it ends in {}", evidence, ForPeople(left)), advice,
                 "certificate-expiring");
  } else if (certificate.not_before > now) {
    subject.Warn("certificate", evidence + ": it is not valid yet, or this machine's clock is wrong",
                 AdviceFor("clock-skew", account, facts), "clock-skew");
  } else {
    subject.Ok("certificate", evidence);
  }
  return true;
}

std::string TokenCause(const Error& error, const oauth::TokenStatus& status, const config::AuthConfig& auth) {
  if (status.last_refusal && !status.last_refusal->cause.empty()) return status.last_refusal->cause;
  const bool is_command = auth.method == AuthMethod::kTokenCommand;
  const bool is_identity = auth.method == AuthMethod::kManagedIdentity;
  switch (error.kind()) {
    case ErrorKind::kConfig: return is_command ? "command-failed" : "secret-unreadable";
    case ErrorKind::kDisk:
    case ErrorKind::kDiskFull: return "disk";
    case ErrorKind::kTimeout:
      if (is_command) return "command-timeout";
      return is_identity ? "no-metadata-service" : "timeout";
    case ErrorKind::kTls: return "tls";
    case ErrorKind::kNetwork:
      if (is_identity) return "no-metadata-service";
      return base::ContainsIgnoreCase(error.what(), "resolve") ? "dns" : "connection";
    case ErrorKind::kThrottled: return "throttled";
    case ErrorKind::kLoginRefused:
      if (is_command) return "command-failed";
      return SpeaksForPerson(auth) ? "login-needed" : "client-refused";
    default: return "unexpected-answer";
  }
}

TokenResult CheckToken(const Context& context, Subject& subject, const config::Account& account,
                       oauth::TokenSource& tokens, Facts& facts) {
  context.ThrowIfCancelled();
  TokenResult result;
  const std::string source = SourceName(account.auth, facts);
  // Whoever checks a mount has mended something, or wants to know how it is now.
  if (context.mounted) tokens.ForgetRefusal();
  // Before it is used, which may replace it.
  const std::optional<base::WallTime> stored = LoginStored(account.auth);
  try {
    result.token = tokens.Get(context.In(context.config.timeouts.login), context.wake);
    const oauth::TokenStatus status = tokens.GetStatus();
    result.clock_skew = status.clock_skew;
    result.expires_in = std::chrono::seconds(status.expires_in_seconds);
    subject.Ok("token", base::Format("{} gave a token for {} s", source, status.expires_in_seconds));
    if (stored) TellAgeOfLogin(subject, account, *stored, context.means.environment.clock.WallNow());
    return result;
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::kCancelled) throw;
    const oauth::TokenStatus status = tokens.GetStatus();
    result.clock_skew = status.clock_skew;
    const std::string cause = TokenCause(error, status, account.auth);
    std::string evidence = status.last_refusal ? Quote(error, *status.last_refusal, source) : error.what();
    Facts filled = facts;
    filled.Set("host", facts.Get("token_host"));
    if (const std::optional<Url> url = AuthorityOf(account.auth)) filled.Set("port", std::to_string(url->port));
    if (cause == "federation-mismatch") AddFederatedToken(account.auth, filled);
    if (account.auth.method == AuthMethod::kServiceAccount) AddServiceAccount(account.auth, filled);
    if (cause == "secret-wrong" || cause == "client-refused") {
      if (const std::string odd = OddSecret(account.auth); !odd.empty()) evidence += "; of the secret: " + odd;
    }
    subject.Fail("token", cause, ExitFor(error.kind()), evidence, AdviceFor(cause, account, filled));
    return result;
  }
}

}  // namespace mailboxfs::check
