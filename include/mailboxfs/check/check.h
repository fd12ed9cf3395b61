#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "mailboxfs/base/error.h"
#include "mailboxfs/base/fd.h"
#include "mailboxfs/config/config.h"
#include "mailboxfs/mail/imap_source.h"
#include "mailboxfs/net/http_client.h"
#include "mailboxfs/net/reach.h"

// Every layer from this machine to the first message, each with what to do if it fails.
namespace mailboxfs::check {

enum class Verdict { kOk, kInfo, kWarning, kFailed };

// "ok", "info", "warning", "failed".
std::string_view VerdictName(Verdict verdict);

// What one check found. All texts are printable and without secrets; `advice` may have several lines, of which those
// to be pasted (PowerShell, shell) begin with four spaces.
struct Finding {
  std::string id;       // Stable: "token".
  std::string subject;  // "machine", "contoso", "contoso/sales@example.org".
  Verdict verdict = Verdict::kOk;
  std::string evidence;
  std::string advice;
  std::string cause;  // Stable: why it failed, "secret-wrong"; may be empty.
};

// What the checks go through: that of a mount, or made for them.
struct Means {
  // Reentrant; the token source is in there.
  std::function<mail::ImapOptions(const config::Account&, const config::MailboxConfig&)> options;
  mail::ImapEnvironment environment;
  net::HttpClient& http;
  std::function<net::ReachReport(const net::Endpoint&, const base::Deadline&, const base::WakeEvent&)> reach =
      &net::Reach;
};

struct Request {
  std::vector<std::string> mailboxes;  // Addresses or directory names; empty: all.
  bool mounted = false;                // By the daemon of a mount: what mounting needs is proven.
};

// What a failure of this kind makes of the exit code of `mailboxfs check`, where 1 is for warnings. Reentrant.
int ExitCodeFor(base::ErrorKind kind) noexcept;
// The same for the other commands, where 1 is for what has no other code. Reentrant.
int CommandExitCodeFor(base::ErrorKind kind) noexcept;

// Runs them, gives each finding as it comes, and returns the exit code of `mailboxfs check`: 0 ok, 1 warnings, 2
// configuration, 3 login, 4 network; of several the first of 2, 3, 4, 1. An account's (a mailbox's) first fatal layer
// ends its checks; the next one goes on. A set `wake` ends it soon, by Error(kCancelled). Throws Error(kConfig) for a
// mailbox that is not configured. Reentrant.
int Run(const config::Config& config, const Request& request, const Means& means, const base::WakeEvent& wake,
        const std::function<void(const Finding&)>& report);

}  // namespace mailboxfs::check
