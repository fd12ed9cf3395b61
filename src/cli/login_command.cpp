#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <string>

#include "commands.h"
#include "mailboxfs/base/clock.h"
#include "mailboxfs/base/encoding.h"
#include "mailboxfs/base/error.h"
#include "mailboxfs/base/log.h"
#include "mailboxfs/cli/exit_code.h"
#include "mailboxfs/config/config.h"
#include "mailboxfs/net/http_client.h"
#include "mailboxfs/net/transport.h"
#include "mailboxfs/oauth/claims.h"
#include "mailboxfs/oauth/login.h"
#include "token_sources.h"

namespace mailboxfs::cli {
namespace {

using base::Error;
using base::ErrorKind;
using std::chrono::seconds;

// So long a browser window may stay open.
constexpr std::chrono::minutes kBrowserPatience{15};
constexpr seconds kPlainProgress{60};

const config::Account& FindAccount(const config::Config& config, const std::string& name) {
  std::string known;
  for (const config::Account& account : config.accounts) {
    if (account.name == name) return account;
    known += base::Format("{}{}", known.empty() ? "" : ", ", account.name);
  }
  throw Error(ErrorKind::kConfig,
              base::Format("{}: no account \"{}\"; the accounts are {}", config.path, base::Printable(name), known));
}

// The redirect comes back to this port of this machine; empty if the address does not tell.
std::string PortOf(const std::string& address) {
  constexpr std::string_view kRedirect = "redirect_uri=http%3A%2F%2Flocalhost%3A";
  const size_t at = address.find(kRedirect);
  if (at == std::string::npos) return {};
  const size_t begin = at + kRedirect.size();
  return address.substr(begin, address.find_first_not_of("0123456789", begin) - begin);
}

// What a person at a terminal, or in front of a log, sees.
class TerminalDisplay final : public oauth::LoginDisplay {
 public:
  void ShowDeviceCode(const std::string& address, const std::string& code, const std::string& message,
                      seconds valid_for) override {
    if (!message.empty()) std::printf("%s\n\n", message.c_str());
    std::printf("  address: %s\n  code:    %s\n\nThe code is valid for %lld minutes.\n", address.c_str(), code.c_str(),
                static_cast<long long>(std::chrono::ceil<std::chrono::minutes>(valid_for).count()));
    std::fflush(stdout);
  }

  void ShowAddress(const std::string& address) override {
    std::printf("Open this address in a browser on this machine:\n\n%s\n\n", address.c_str());
    const std::string port = PortOf(address);
    if (!port.empty()) {
      std::printf("(From another machine, first: ssh -L %s:localhost:%s THIS_MACHINE)\n", port.c_str(), port.c_str());
    }
    std::fflush(stdout);
  }

  void ShowWaiting(seconds left) override {
    if (terminal_) {
      std::printf("\rWaiting for the login, %lld s left ... ", static_cast<long long>(left.count()));
      open_line_ = true;
    } else if (!shown_ || *shown_ - left >= kPlainProgress) {
      std::printf("waiting for the login, %lld s left\n", static_cast<long long>(left.count()));
      shown_ = left;
    }
    std::fflush(stdout);
  }

  void EndLine() {
    if (open_line_) std::printf("\n");
    open_line_ = false;
  }

 private:
  const bool terminal_ = ::isatty(STDOUT_FILENO) == 1;
  bool open_line_ = false;
  std::optional<seconds> shown_;
};

oauth::InteractiveLogin LoginOf(const config::AuthConfig& auth) {
  return {AuthorityOf(auth), ClientOf(auth),     auth.scope,
          auth.login_file,   auth.redirect_port, auth.authorization_fields};
}

oauth::AccessToken LogIn(const config::AuthConfig& auth, TerminalDisplay* display) {
  const std::unique_ptr<net::HttpClient> http = net::MakeCurlHttpClient();
  const base::Clock& clock = base::Clock::System();
  const base::WakeEvent never;  // Ctrl-C ends the process.
  try {
    const oauth::AccessToken token =
        auth.method == config::AuthMethod::kDeviceCode
            ? oauth::LogInWithDeviceCode(LoginOf(auth), *http, clock, *display, never)
            : oauth::LogInWithBrowser(LoginOf(auth), *http, clock, *display,
                                      base::Deadline::After(clock, kBrowserPatience), never);
    display->EndLine();
    return token;
  } catch (...) {
    display->EndLine();
    throw;
  }
}

}  // namespace

int RunLogin(const LoginArguments& arguments) {
  base::InitLog({base::LogLevel::kWarning, true, false});
  const config::Config config = config::Load(arguments.config.value_or(config::DefaultPath()));
  CheckCredentials(config);
  const config::Account& account = FindAccount(config, arguments.account);
  if (!config::IsInteractive(account.auth.method)) {
    throw Error(ErrorKind::kConfig,
                base::Format("{}: account {} has the method \"{}\", which needs no login by a person; see whether it "
                             "works with: {}",
                             config.path, account.name, config::MethodName(account.auth.method), config.check_command));
  }
  net::InitNetwork();
  TerminalDisplay display;
  const oauth::AccessToken token = LogIn(account.auth, &display);
  const std::optional<oauth::Claims> claims = oauth::ReadClaims(token.value);
  const std::string user = claims && !claims->user.empty() ? " as " + claims->user : "";
  std::printf("Logged in%s. The login is kept in %s; mounts use it from now on.\nSee what it opens with: %s\n",
              user.c_str(), account.auth.login_file.c_str(), config.check_command.c_str());
  return kExitOk;
}

}  // namespace mailboxfs::cli
