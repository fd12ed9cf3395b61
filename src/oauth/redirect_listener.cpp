#include "redirect_listener.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "mailboxfs/base/error.h"
#include "mailboxfs/base/log.h"
#include "redirect_request.h"

namespace mailboxfs::oauth {
namespace {

using base::Error;
using base::ErrorKind;
using base::UniqueFd;

constexpr std::chrono::seconds kSayInterval{5};
constexpr size_t kMaxHead = size_t{32} << 10U;
constexpr size_t kMaxBrowsers = 16;
constexpr std::chrono::seconds kBrowserPatience{10};
constexpr int kBacklog = 64;
constexpr int kPortTries = 20;

// Port 0: any. Empty if it cannot be had; then errno says why.
UniqueFd Listen(int family, uint16_t port) {
  UniqueFd fd(::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return fd;
  const int on = 1;
  ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_storage address{};
  socklen_t size = sizeof(sockaddr_in);
  if (family == AF_INET6) {
    ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    auto& v6 = reinterpret_cast<sockaddr_in6&>(address);
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(port);
    v6.sin6_addr = in6addr_loopback;
    size = sizeof(sockaddr_in6);
  } else {
    auto& v4 = reinterpret_cast<sockaddr_in&>(address);
    v4.sin_family = AF_INET;
    v4.sin_port = htons(port);
    v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  }
  const bool listens =
      ::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), size) == 0 && ::listen(fd.get(), kBacklog) == 0;
  if (listens) return fd;
  const int why = errno;
  fd.Reset();
  errno = why;
  return UniqueFd();
}

uint16_t PortOf(const UniqueFd& fd) {
  sockaddr_in address{};
  socklen_t size = sizeof address;
  if (::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    throw base::ErrnoError(ErrorKind::kNetwork, "getsockname", errno);
  }
  return ntohs(address.sin_port);
}

[[noreturn]] void FailToListen(uint16_t port, int errnum) {
  if (errnum == EADDRINUSE && port != 0) {
    throw Error(ErrorKind::kConfig, base::Format("redirect_port: another program has port {}; choose another one, or "
                                                 "leave it out",
                                                 port));
  }
  throw base::ErrnoError(ErrorKind::kNetwork, "cannot listen for the browser on this machine", errnum);
}

void SendText(int fd, std::string_view text) {
  // A page fits into the socket's buffer; a browser that does not take it has shown its answer already.
  static_cast<void>(::send(fd, text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT));
  ::shutdown(fd, SHUT_WR);
}

}  // namespace

// A connection, and what has come of its request. Its bytes, which hold the code, are wiped.
struct RedirectListener::Browser {
  enum class State { kReading, kComplete, kGone };

  Browser(UniqueFd socket, base::MonoTime until) : fd(std::move(socket)), ends(until), head(kMaxHead, '\0') {}
  ~Browser() { base::WipeMemory(head.data(), head.capacity()); }
  Browser(Browser&&) noexcept = default;
  Browser& operator=(Browser&&) noexcept = default;
  Browser(const Browser&) = delete;
  Browser& operator=(const Browser&) = delete;

  std::string_view text() const { return std::string_view(head).substr(0, size); }
  State Read() {
    const ssize_t got = ::recv(fd.get(), head.data() + size, head.size() - size, MSG_DONTWAIT);
    if (got < 0) return errno == EAGAIN || errno == EINTR ? State::kReading : State::kGone;
    if (got == 0) return State::kGone;
    size += static_cast<size_t>(got);
    if (text().find("\r\n\r\n") != std::string_view::npos) return State::kComplete;
    return size < head.size() ? State::kReading : State::kGone;
  }

  UniqueFd fd;
  base::MonoTime ends;
  std::string head;
  size_t size = 0;
};

RedirectListener::RedirectListener(uint16_t port) {
  for (int i = 0; listeners_.empty(); ++i) {
    UniqueFd v4 = Listen(AF_INET, port);
    if (!v4) FailToListen(port, errno);
    port_ = PortOf(v4);
    UniqueFd v6 = Listen(AF_INET6, port_);
    // Somebody else there could get what is meant for us.
    if (!v6 && errno == EADDRINUSE) {
      if (port != 0 || i == kPortTries) FailToListen(port_, EADDRINUSE);
      continue;
    }
    listeners_.push_back(std::move(v4));
    if (v6) listeners_.push_back(std::move(v6));
  }
}

RedirectListener::~RedirectListener() = default;

std::string RedirectListener::Url() const { return base::Format("http://localhost:{}/", port_); }

base::Secret RedirectListener::WaitForCode(const base::Secret& state, const base::Clock& clock,
                                           const base::Deadline& deadline, const base::WakeEvent& wake,
                                           const std::function<void()>& still_waiting) {
  base::MonoTime say_next = clock.Now();
  for (;;) {
    if (wake.IsSet()) throw Error(ErrorKind::kCancelled, "waiting for the browser was cancelled");
    if (deadline.Passed(clock.Now())) {
      throw Error(ErrorKind::kTimeout, "nobody has logged in in time; try again");
    }
    if (still_waiting && clock.Now() >= say_next) {
      still_waiting();
      say_next = clock.Now() + kSayInterval;
    }
    Wait(clock, still_waiting ? deadline.Min(base::Deadline::At(say_next)) : deadline, wake);
    const base::MonoTime now = clock.Now();
    Accept(now);
    if (std::optional<base::Secret> code = Serve(state, now)) return std::move(*code);
  }
}

// Until something has come, or somebody's time is up.
void RedirectListener::Wait(const base::Clock& clock, const base::Deadline& deadline,
                            const base::WakeEvent& wake) const {
  std::vector<pollfd> entries{pollfd{wake.fd(), POLLIN, 0}};
  base::Deadline until = deadline;
  for (const UniqueFd& listener : listeners_) entries.push_back({listener.get(), POLLIN, 0});
  for (const Browser& browser : browsers_) {
    entries.push_back({browser.fd.get(), POLLIN, 0});
    until = until.Min(base::Deadline::At(browser.ends));
  }
  if (::poll(entries.data(), entries.size(), until.PollMillis(clock.Now())) < 0 && errno != EINTR) {
    throw base::ErrnoError(ErrorKind::kInternal, "poll", errno);
  }
}

void RedirectListener::Accept(base::MonoTime now) {
  for (const UniqueFd& listener : listeners_) {
    for (;;) {
      UniqueFd fd(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
      if (!fd) break;
      // The one that has said nothing for longest.
      if (browsers_.size() == kMaxBrowsers) browsers_.erase(browsers_.begin());
      browsers_.emplace_back(std::move(fd), now + kBrowserPatience);
    }
  }
}

std::optional<base::Secret> RedirectListener::Serve(const base::Secret& state, base::MonoTime now) {
  for (auto browser = browsers_.begin(); browser != browsers_.end();) {
    const Browser::State read = browser->Read();
    if (read == Browser::State::kReading && now < browser->ends) {
      ++browser;
      continue;
    }
    if (read == Browser::State::kComplete) {
      auto answer = ParseRedirect(browser->text(), state);
      SendText(browser->fd.get(), RedirectPage(answer));
      if (auto* redirect = std::get_if<RedirectAnswer>(&answer)) {
        browsers_.erase(browser);
        if (redirect->error.empty()) return std::move(redirect->code);
        const bool passes = redirect->error == "server_error" || redirect->error == "temporarily_unavailable";
        throw Error(passes ? ErrorKind::kServer : ErrorKind::kLoginRefused,
                    base::Format("the login was refused: {}{}{}; log in again", redirect->error,
                                 redirect->description.empty() ? "" : ": ", redirect->description));
      }
    }
    browser = browsers_.erase(browser);
  }
  return std::nullopt;
}

}  // namespace mailboxfs::oauth
