#include "mailboxfs/net/reach.h"

#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <memory>
#include <string_view>
#include <thread>

#include "connect_setup.h"
#include "curl_handle.h"
#include "mailboxfs/base/encoding.h"
#include "mailboxfs/base/held_signals.h"
#include "mailboxfs/base/log.h"
#include "mailboxfs/base/mutex.h"

namespace mailboxfs::net {
namespace {

using base::Error;
using base::ErrorKind;
using Layer = ReachReport::Layer;

// What is only good to know may not take longer.
constexpr base::Duration kSideShow = std::chrono::seconds(5);

// scheme://host:port of a proxy's address, which may hold a password and be no URL at all.
std::string WithoutLogin(std::string_view variable, std::string_view address) {
  try {
    const bool has_scheme = address.find("://") != std::string_view::npos;
    const CurlUrl url((has_scheme ? "" : "http://") + std::string(address));
    const std::string port = url.Part(CURLUPART_PORT);
    return base::Printable(url.Part(CURLUPART_SCHEME) + "://" + url.Part(CURLUPART_HOST) +
                           (port.empty() ? "" : ":" + port));
  } catch (const Error&) {
    return base::Format("the one in {}", base::Printable(variable));
  }
}

// What libcurl says of a connection in words, as there is no other way to ask. Absent words are no error.
class Notes {
 public:
  const std::string& tls() const { return tls_; }
  const std::string& proxy() const { return proxy_; }
  bool no_route() const { return no_route_; }
  bool has_met() const { return has_met_; }  // TCP is there.

  static int OnText(CURL* /*easy*/, curl_infotype type, char* data, size_t size, Notes* notes) noexcept {
    if (type != CURLINFO_TEXT) return 0;
    try {
      notes->Read(std::string_view(data, size));
    } catch (...) {
      return 0;  // A note less.
    }
    return 0;
  }

 private:
  void Read(std::string_view line) {
    constexpr std::string_view kTls = "SSL connection using ";
    constexpr std::string_view kProxy = "Uses proxy env variable ";
    constexpr std::string_view kValue = " == '";
    if (line.starts_with(kTls)) {
      line.remove_prefix(kTls.size());
      tls_ = base::Printable(line.substr(0, line.find_first_of(" /\n")));
    }
    if (line.starts_with(kProxy)) {
      line.remove_prefix(kProxy.size());
      const size_t value = line.find(kValue);
      const std::string_view name = line.substr(0, value);
      if (value == std::string_view::npos || base::EqualsIgnoreCase(name, "no_proxy")) return;
      line.remove_prefix(value + kValue.size());
      proxy_ = WithoutLogin(name, line.substr(0, line.rfind('\'')));
    }
    if (line.starts_with("Connected to ")) has_met_ = true;
    if (line.find("Network is unreachable") != std::string_view::npos ||
        line.find("Cannot assign requested address") != std::string_view::npos) {
      no_route_ = true;
    }
  }

  std::string tls_, proxy_;
  bool no_route_ = false;
  bool has_met_ = false;
};

// One attempt to connect.
class Attempt {
 public:
  explicit Attempt(const Endpoint& endpoint) : server_(SetUpConnect(transfer_, endpoint)) {
    transfer_.easy().Set(CURLOPT_VERBOSE, 1);
    transfer_.easy().SetPointer(CURLOPT_DEBUGFUNCTION, &Notes::OnText);
    transfer_.easy().SetPointer(CURLOPT_DEBUGDATA, &notes_);
    transfer_.easy().Set(CURLOPT_CERTINFO, 1);
  }

  // nullopt: connected. Throws Error(kCancelled).
  base::Status Run(const base::Deadline& deadline, const base::WakeEvent& wake) {
    const std::string what = "connect to " + server_;
    try {
      code_ = transfer_.Run(what, deadline, wake);
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::kTimeout) throw;
      code_ = CURLE_OPERATION_TIMEDOUT;
      return error;
    }
    if (code_ == CURLE_OK) return std::nullopt;
    return TransferError(what, code_, transfer_.easy());
  }

  Layer failed_at(const Error& error) const {
    const CurlEasy& easy = transfer_.easy();
    if (code_ == CURLE_COULDNT_RESOLVE_HOST || code_ == CURLE_COULDNT_RESOLVE_PROXY) return Layer::kDns;
    if (error.kind() == ErrorKind::kTls) return Layer::kTls;
    if (code_ == CURLE_OPERATION_TIMEDOUT && easy.GetTime(CURLINFO_NAMELOOKUP_TIME_T) == 0) return Layer::kDns;
    // The proxy may be reached and the server behind it not.
    const bool has_met = notes_.has_met() && notes_.proxy().empty();
    return code_ == CURLE_SSL_CONNECT_ERROR || has_met ? Layer::kTls : Layer::kConnection;
  }

  void Describe(ReachReport& report) const {
    const char* address = nullptr;
    curl_easy_getinfo(transfer_.easy().get(), CURLINFO_PRIMARY_IP, &address);
    report.address = address == nullptr ? "" : address;
    report.tls = notes_.tls();
    report.proxy = notes_.proxy();
    DescribeCertificate(report);
  }

  void DescribeCertificate(ReachReport& report) const {
    const curl_certinfo* chain = nullptr;
    curl_easy_getinfo(transfer_.easy().get(), CURLINFO_CERTINFO, &chain);
    if (chain == nullptr || chain->num_of_certs < 1) return;
    for (const curl_slist* field = chain->certinfo[0]; field != nullptr; field = field->next) {
      const std::string_view line(field->data);
      for (const auto& [name, value] : {std::pair<std::string_view, std::string*>("Subject:", &report.subject),
                                        {"Issuer:", &report.issuer},
                                        {"Expire date:", &report.not_after}}) {
        if (line.starts_with(name)) *value = base::Printable(line.substr(name.size()));
      }
    }
  }

  CurlEasy& easy() { return transfer_.easy(); }
  const Notes& notes() const { return notes_; }
  bool untrusted() const { return code_ == CURLE_PEER_FAILED_VERIFICATION; }

 private:
  Notes notes_;  // Before what writes into it.
  CurlTransfer transfer_;
  const std::string server_;
  CURLcode code_ = CURLE_OK;
};

std::vector<std::string> LookUp(const std::string& host) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (::getaddrinfo(host.c_str(), nullptr, &hints, &found) != 0) return {};
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(found, &::freeaddrinfo);
  std::vector<std::string> addresses;
  for (const addrinfo* entry = found; entry != nullptr; entry = entry->ai_next) {
    std::array<char, NI_MAXHOST> text{};
    if (::getnameinfo(entry->ai_addr, entry->ai_addrlen, text.data(), text.size(), nullptr, 0, NI_NUMERICHOST) != 0) {
      continue;
    }
    if (std::find(addresses.begin(), addresses.end(), text.data()) == addresses.end()) {
      addresses.emplace_back(text.data());
    }
  }
  return addresses;
}

// The resolver cannot be interrupted: it is left to itself when it takes too long.
std::vector<std::string> Addresses(const std::string& host, const base::Deadline& deadline,
                                   const base::WakeEvent& wake) {
  struct Lookup {
    base::Mutex mutex;
    std::vector<std::string> addresses GUARDED_BY(mutex);
    base::WakeEvent done;
  };
  auto answer = std::make_shared<Lookup>();
  const auto look_up = [answer, host] {
    std::vector<std::string> addresses = LookUp(host);
    {
      const base::MutexLock lock(answer->mutex);
      answer->addresses = std::move(addresses);
    }
    answer->done.Set();
  };
  {
    // It can outlive this call; a signal that it took would pass by whoever holds signals back for a while.
    const base::HeldSignals inherited;
    std::thread(look_up).detach();
  }
  const base::Clock& clock = base::Clock::System();
  while (!answer->done.IsSet() && !wake.IsSet() && !deadline.Passed(clock.Now())) {
    std::array<pollfd, 2> events{pollfd{answer->done.fd(), POLLIN, 0}, pollfd{wake.fd(), POLLIN, 0}};
    if (::poll(events.data(), events.size(), deadline.PollMillis(clock.Now())) < 0 && errno != EINTR) break;
  }
  const base::MutexLock lock(answer->mutex);
  return answer->addresses;
}

bool IsV6(const std::string& address) { return address.find(':') != std::string::npos; }

// Who has signed the certificate that we do not accept. Nothing is sent over such a connection.
void LookAtUntrusted(const Endpoint& endpoint, const base::Deadline& deadline, const base::WakeEvent& wake,
                     ReachReport& report) {
  Attempt attempt(endpoint);
  attempt.easy().Set(CURLOPT_SSL_VERIFYPEER, 0);
  attempt.easy().Set(CURLOPT_SSL_VERIFYHOST, 0);
  if (!attempt.Run(deadline, wake)) attempt.DescribeCertificate(report);
}

std::string TryV6(const Endpoint& endpoint, const base::Deadline& deadline, const base::WakeEvent& wake) {
  Attempt attempt(endpoint);
  attempt.easy().Set(CURLOPT_IPRESOLVE, CURL_IPRESOLVE_V6);
  const base::Status failure = attempt.Run(deadline, wake);
  // A machine without IPv6 lacks nothing.
  return !failure || attempt.notes().no_route() ? "" : failure->what();
}

}  // namespace

ReachReport Reach(const Endpoint& endpoint, const base::Deadline& deadline, const base::WakeEvent& wake) {
  ReachReport report;
  Attempt attempt(endpoint);
  report.error = attempt.Run(deadline, wake);
  attempt.Describe(report);
  if (report.error) report.failed_at = attempt.failed_at(*report.error);
  const auto soon = base::Deadline::After(base::Clock::System(), kSideShow);
  if (report.failed_at != Layer::kDns) report.addresses = Addresses(endpoint.host, soon, wake);
  if (attempt.untrusted() && report.issuer.empty()) LookAtUntrusted(endpoint, soon, wake, report);
  const bool has_v6 = std::any_of(report.addresses.begin(), report.addresses.end(), &IsV6);
  if (!report.error && report.proxy.empty() && has_v6 && !IsV6(report.address)) {
    report.ipv6_problem = TryV6(endpoint, soon, wake);
  }
  if (wake.IsSet()) throw Error(ErrorKind::kCancelled, "cancelled");
  return report;
}

}  // namespace mailboxfs::net
