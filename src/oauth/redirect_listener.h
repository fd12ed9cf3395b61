#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mailboxfs/base/clock.h"
#include "mailboxfs/base/fd.h"
#include "mailboxfs/base/secret.h"

namespace mailboxfs::oauth {

// Where the browser comes back to with the answer to a login: a web server for one page on this machine (RFC 8252
// section 7.3). Listens on 127.0.0.1 and, if there is such a thing, on ::1; "localhost" is either. Thread-bound.
class RedirectListener {
 public:
  // 0: any port that is free. Throws Error: kConfig (somebody else has the port), kNetwork.
  explicit RedirectListener(uint16_t port);
  ~RedirectListener();
  RedirectListener(const RedirectListener&) = delete;
  RedirectListener& operator=(const RedirectListener&) = delete;

  uint16_t port() const { return port_; }
  // "http://localhost:PORT/"
  std::string Url() const;
  // Serves browsers until one brings the authorization code with our `state` (RFC 6749 section 4.1.2). Whatever
  // else comes, or comes slowly, is turned away. Throws Error: kLoginRefused (the answer is an error), kServer (one
  // that passes), kTimeout, kCancelled. Calls `still_waiting` at once and then about every 5 s.
  base::Secret WaitForCode(const base::Secret& state, const base::Clock& clock, const base::Deadline& deadline,
                           const base::WakeEvent& wake, const std::function<void()>& still_waiting = nullptr);

 private:
  struct Browser;

  void Wait(const base::Clock& clock, const base::Deadline& deadline, const base::WakeEvent& wake) const;
  void Accept(base::MonoTime now);
  std::optional<base::Secret> Serve(const base::Secret& state, base::MonoTime now);

  uint16_t port_ = 0;
  std::vector<base::UniqueFd> listeners_;
  std::vector<Browser> browsers_;
};

}  // namespace mailboxfs::oauth
