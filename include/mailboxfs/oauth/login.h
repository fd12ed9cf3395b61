#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "mailboxfs/base/clock.h"
#include "mailboxfs/base/fd.h"
#include "mailboxfs/base/secret.h"
#include "mailboxfs/net/http_client.h"
#include "mailboxfs/oauth/grants.h"

// Logins that need a person, who is asked once; what remains is a refresh token in a file.
namespace mailboxfs::oauth {

// Shows a login's progress to a person. Called in the thread that logs in.
class LoginDisplay {
 public:
  virtual ~LoginDisplay() = default;
  // `message`: the server's own words, printable; may be empty.
  virtual void ShowDeviceCode(const std::string& address, const std::string& code, const std::string& message,
                              std::chrono::seconds valid_for) = 0;
  virtual void ShowAddress(const std::string& address) = 0;
  virtual void ShowWaiting(std::chrono::seconds left) = 0;  // About once for each poll.
};

struct InteractiveLogin {
  Authority authority;
  Client client;
  std::string scope;
  std::string file;  // Where the refresh token goes, see LoginFile.
  // Authorization code only.
  uint16_t redirect_port = 0;                                             // 0: any free one.
  std::vector<std::pair<std::string, std::string>> authorization_fields;  // Further query parameters.
};

// RFC 8628. Returns when the refresh token is in the file. Throws Error: kLoginRefused (declined, expired, or no
// refresh token was given: the text says what to do), kConfig, kNetwork, kTls, kServer, kThrottled, kTimeout,
// kCancelled, kDisk.
AccessToken LogInWithDeviceCode(const InteractiveLogin& login, net::HttpClient& http, const base::Clock& clock,
                                LoginDisplay& display, const base::WakeEvent& wake);

// RFC 6749 section 4.1 with PKCE (RFC 7636, S256) and a redirect to this machine (RFC 8252 section 7.3). The same
// errors.
AccessToken LogInWithBrowser(const InteractiveLogin& login, net::HttpClient& http, const base::Clock& clock,
                             LoginDisplay& display, const base::Deadline& deadline, const base::WakeEvent& wake);

}  // namespace mailboxfs::oauth
