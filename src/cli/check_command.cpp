#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <tuple>
#include <utility>

#include "commands.h"
#include "mailboxfs/base/error.h"
#include "mailboxfs/base/log.h"
#include "mailboxfs/cli/exit_code.h"
#include "mailboxfs/config/config.h"
#include "mailboxfs/mail/probe.h"
#include "mailboxfs/net/transport.h"
#include "services.h"
#include "status_report.h"

namespace mailboxfs::cli {
namespace {

using base::Error;
using base::ErrorKind;
using mail::ProbeReport;

enum class Verdict { kOk, kWarning, kFailed };

constexpr std::string_view VerdictName(Verdict verdict) {
  switch (verdict) {
    case Verdict::kOk: return "ok";
    case Verdict::kWarning: return "warning";
    case Verdict::kFailed: return "failed";
  }
  return "failed";
}

// Collects the verdicts: one line each, with what to do below it; or the same as JSON.
class Findings {
 public:
  explicit Findings(bool json) : json_(json) {}

  // `id` is stable; `subject` says where ("contoso", "contoso/sales@example.org").
  void Add(std::string_view id, std::string_view subject, Verdict verdict, std::string_view evidence,
           std::string_view advice = "") {
    if (json_) {
      json::Value check = json::Value::MakeObject();
      check.Set("id", id);
      check.Set("subject", subject);
      check.Set("verdict", VerdictName(verdict));
      check.Set("evidence", evidence);
      if (!advice.empty()) check.Set("advice", advice);
      checks_.Append(std::move(check));
    } else {
      std::printf("%-8s %s: %s: %s\n", std::string(VerdictName(verdict)).c_str(), std::string(subject).c_str(),
                  std::string(id).c_str(), std::string(evidence).c_str());
      if (!advice.empty()) std::printf("         -> %s\n", std::string(advice).c_str());
      std::fflush(stdout);
    }
    if (verdict == Verdict::kWarning) exit_code_ = std::max<int>(exit_code_, kExitFailure);
  }

  void Fail(std::string_view id, std::string_view subject, const Error& error, std::string_view advice) {
    Add(id, subject, Verdict::kFailed, error.what(), advice);
    exit_code_ = std::max(exit_code_, ExitCodeFor(error.kind()));
  }

  int Finish() {
    if (json_) {
      json::Value document = json::Value::MakeObject();
      document.Set("checks", std::move(checks_));
      document.Set("exit_code", exit_code_);
      std::printf("%s\n", json::Dump(document, 2).c_str());
    }
    return exit_code_;
  }

 private:
  bool json_;
  int exit_code_ = kExitOk;
  json::Value checks_{json::Value::Array{}};
};

void CheckMachine(const config::Config& config, Findings* findings) {
  if (::access("/dev/fuse", R_OK | W_OK) == 0) {
    findings->Add("fuse", "machine", Verdict::kOk, "/dev/fuse can be used");
  } else {
    findings->Fail("fuse", "machine", base::ErrnoError(ErrorKind::kConfig, "/dev/fuse cannot be used", errno),
                   "install fuse3, load the module (modprobe fuse); in a container pass --device /dev/fuse");
  }
  for (const auto& [id, key, directory] : {std::tuple("state-directory", "state.directory", config.state_directory),
                                           std::tuple("cache-directory", "cache.directory", config.cache_directory)}) {
    // The first component that exists must be writable: mounting makes the rest.
    std::string existing = directory;
    struct stat info {};
    while (existing.size() > 1 && ::stat(existing.c_str(), &info) != 0 && errno == ENOENT) {
      const size_t slash = existing.rfind('/');
      existing = slash == 0 || slash == std::string::npos ? "/" : existing.substr(0, slash);
    }
    int errnum = ::access(existing.c_str(), W_OK | X_OK) == 0 ? 0 : errno;
    if (::stat(existing.c_str(), &info) == 0 && !S_ISDIR(info.st_mode)) errnum = ENOTDIR;
    if (errnum == 0) {
      findings->Add(id, "machine", Verdict::kOk, directory);
    } else {
      findings->Fail(id, "machine", base::ErrnoError(ErrorKind::kConfig, existing, errnum),
                     base::Format("make it a directory that this user can write to, or set another {}", key));
    }
  }
}

// False if there is no token: the account's mailboxes cannot be checked then.
bool CheckToken(Services* services, const config::Config& config, const config::Account& account, Findings* findings) {
  const std::shared_ptr<oauth::TokenSource> tokens = services->TokensFor(account);
  if (!tokens) return true;
  const base::WakeEvent never;
  try {
    tokens->Get(base::Deadline::After(base::Clock::System(), config.timeouts.login), never);
    findings->Add(
        "token", account.name, Verdict::kOk,
        base::Format("{} gave a token for {} s", account.auth.token_endpoint, tokens->GetStatus().expires_in_seconds));
    return true;
  } catch (const Error& error) {
    std::string advice = "see what the token endpoint says";
    if (error.kind() == ErrorKind::kLoginRefused) {
      advice = "check tenant, client_id, client_secret (its Value, not its ID) and scope of this account";
    } else if (error.kind() == ErrorKind::kTls) {
      advice = "check the clock and ca_file; a proxy that opens TLS needs its CA in auth.ca_file";
    } else if (error.kind() == ErrorKind::kConfig) {
      advice = "make the secret readable for this user only";
    } else {
      advice =
          base::Format("check that {} can be reached from here (DNS, firewall, proxy)", account.auth.token_endpoint);
    }
    findings->Fail("token", account.name, error, advice);
    return false;
  }
}

struct LayerText {
  ProbeReport::Layer layer;
  std::string_view id;
  std::string evidence;
  std::string_view advice;
};

std::vector<LayerText> DescribeLayers(const ProbeReport& report, const config::Account& account) {
  using Layer = ProbeReport::Layer;
  const std::string message = report.inbox_messages == 0 ? std::string("INBOX is empty")
                              : report.first_message_read
                                  ? base::Format("first message read: {} bytes (the server's estimate: {})",
                                                 report.first_message_size, report.first_message_estimate)
                                  : std::string("no message could be read");
  return {
      {Layer::kConnect, "connect",
       base::Format("{}:{} is reached{}", account.imap.host, account.imap.port,
                    account.imap.tls ? ", its certificate is valid" : " without TLS"),
       "check imap.host and imap.port, DNS, firewall and proxy; for a private CA set imap.ca_file"},
      {Layer::kGreeting, "greeting", report.greeting, "an IMAP server must answer here; is it the right port?"},
      {Layer::kToken, "token-for-mailbox", "have a token", "see the account's token check"},
      {Layer::kLogin, "login", base::Format("logged in with {}", report.mechanism),
       account.auth.method == config::AuthMethod::kPassword
           ? "check the user name, the secret's source and the secret; some servers want an app password"
           : "Microsoft 365: New-ServicePrincipal must have the Object ID of the Enterprise application, "
             "Add-MailboxPermission FullAccess must be given for this mailbox, IMAP must be enabled for it "
             "(Set-CASMailbox -ImapEnabled $true), and the address must be the primary one; new grants can take an "
             "hour"},
      {Layer::kFolders, "folders", base::Format("{} folders", report.folders),
       "the login works, but the folder list does not; see the server's answer"},
      {Layer::kMessage, "message", message,
       "the folder list works, but reading INBOX does not; see the server's answer"},
  };
}

void CheckMailbox(Services* services, const config::Config& config, const config::Account& account,
                  const config::MailboxConfig& mailbox, Findings* findings) {
  const ProbeReport report =
      mail::ProbeMailbox(services->MakeOptions(config, account, mailbox), services->environment());
  const std::string subject = account.name + "/" + mailbox.address;
  for (const LayerText& layer : DescribeLayers(report, account)) {
    const bool one_message =
        layer.layer == ProbeReport::Layer::kMessage && report.error && report.error->kind() == ErrorKind::kUnfetchable;
    if (layer.layer == report.failed_at && one_message) {
      findings->Add(layer.id, subject, Verdict::kWarning, report.error->what(),
                    "the server cannot deliver this one message; reading it gives EIO, the others are not concerned");
      return;
    }
    if (layer.layer == report.failed_at) {
      findings->Fail(layer.id, subject,
                     report.error.value_or(Error(ErrorKind::kInternal, "the check stopped here without a reason")),
                     layer.advice);
      return;
    }
    if (layer.layer == ProbeReport::Layer::kToken) continue;
    findings->Add(layer.id, subject, Verdict::kOk, layer.evidence);
  }
  if (report.first_message_read && report.first_message_size != report.first_message_estimate) {
    findings->Add("size-estimate", subject, Verdict::kOk,
                  "this server estimates sizes; files show the exact size from their first opening on");
  }
}

bool Wanted(const std::vector<std::string>& wanted, const config::MailboxConfig& mailbox) {
  return wanted.empty() || std::find(wanted.begin(), wanted.end(), mailbox.address) != wanted.end() ||
         std::find(wanted.begin(), wanted.end(), mailbox.name) != wanted.end();
}

void RefuseUnknownMailboxes(const config::Config& config, const std::vector<std::string>& wanted) {
  for (const std::string& name : wanted) {
    const bool known = std::any_of(config.accounts.begin(), config.accounts.end(), [&](const config::Account& account) {
      return std::any_of(account.mailboxes.begin(), account.mailboxes.end(),
                         [&](const config::MailboxConfig& mailbox) { return Wanted({name}, mailbox); });
    });
    if (!known) {
      throw Error(ErrorKind::kConfig,
                  base::Format("{}: no mailbox \"{}\"; name one by its address or directory", config.path, name));
    }
  }
}

}  // namespace

int RunCheck(const CheckArguments& arguments) {
  base::InitLog({base::LogLevel::kError, true, false});
  Findings findings(arguments.json);
  config::Config config;
  std::string advice = "mailboxfs.conf(5) describes every key";
  try {
    config = config::Load(arguments.config.value_or(config::DefaultPath()));
    advice = "mailboxfs check --help says how to name mailboxes";
    RefuseUnknownMailboxes(config, arguments.mailboxes);
  } catch (const Error& error) {
    findings.Fail("configuration", "configuration", error, advice);
    return findings.Finish();
  }
  findings.Add("configuration", "configuration", Verdict::kOk, config.path);
  net::InitNetwork();
  CheckMachine(config, &findings);
  Services services(config.max_connections);
  for (const config::Account& account : config.accounts) {
    const bool any = std::any_of(account.mailboxes.begin(), account.mailboxes.end(),
                                 [&](const auto& mailbox) { return Wanted(arguments.mailboxes, mailbox); });
    if (!any || !CheckToken(&services, config, account, &findings)) continue;
    for (const config::MailboxConfig& mailbox : account.mailboxes) {
      if (Wanted(arguments.mailboxes, mailbox)) CheckMailbox(&services, config, account, mailbox, &findings);
    }
  }
  return findings.Finish();
}

}  // namespace mailboxfs::cli
