#include "curl_handle.h"

#include <arpa/inet.h>
#include <sys/socket.h>

#include <algorithm>
#include <new>
#include <optional>

#include "mailboxfs/base/encoding.h"
#include "mailboxfs/base/log.h"

namespace mailboxfs::net {
namespace {

using base::Error;
using base::ErrorKind;

// libcurl 7.88 leaves its sockets open in children, where they would keep the connection alive.
curl_socket_t OpenSocket(void* /*data*/, curlsocktype /*purpose*/, curl_sockaddr* address) {
  const int fd = ::socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
  return fd < 0 ? CURL_SOCKET_BAD : fd;
}

bool IsTlsCode(CURLcode code) {
  switch (code) {
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CRL_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_INVALIDCERTSTATUS:
    case CURLE_SSL_SHUTDOWN_FAILED:
    case CURLE_USE_SSL_FAILED: return true;
    default: return false;
  }
}

ErrorKind KindOf(CURLcode code, std::string_view text) {
  switch (code) {
    case CURLE_OPERATION_TIMEDOUT: return ErrorKind::kTimeout;
    case CURLE_URL_MALFORMAT: return ErrorKind::kConfig;
    // URLs' schemes are checked before: this is a server that does not answer in HTTP.
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_WEIRD_SERVER_REPLY: return ErrorKind::kServer;
    case CURLE_OUT_OF_MEMORY:
    case CURLE_FAILED_INIT:
    case CURLE_NOT_BUILT_IN: return ErrorKind::kInternal;
    case CURLE_SSL_CONNECT_ERROR:
      // libcurl's one code for "TLS failed" and for "the line broke during the handshake".
      for (const std::string_view broken :
           {"OpenSSL SSL_connect:", "Recv failure:", "Send failure:", "unexpected eof while reading"}) {
        if (base::ContainsIgnoreCase(text, broken)) return ErrorKind::kNetwork;
      }
      return ErrorKind::kTls;
    default: return IsTlsCode(code) ? ErrorKind::kTls : ErrorKind::kNetwork;
  }
}

std::string_view HintFor(CURLcode code, std::string_view text) {
  const auto says = [&](std::string_view words) { return base::ContainsIgnoreCase(text, words); };
  switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST: return "; check the host name and this machine's DNS";
    case CURLE_COULDNT_RESOLVE_PROXY: return "; check the proxy settings in the environment";
    case CURLE_SSL_CACERT_BADFILE: return "; check \"ca_file\": it must be a readable PEM file";
    case CURLE_SSL_CONNECT_ERROR:
      return says("wrong version number") ? "; the server does not speak TLS on this port: check \"port\" and \"tls\""
                                          : "";
    case CURLE_PEER_FAILED_VERIFICATION: break;
    default: return "";
  }
  if (says("subject name")) return "; the certificate is for another name: check the host name";
  if (says("expired") || says("not yet valid")) {
    return "; compare the certificate's dates with this machine's clock";
  }
  return "; if the server uses a private or self-signed certificate, set \"ca_file\" to the PEM file of its CA";
}

struct Address {
  std::optional<uint32_t> v4;  // In the host's byte order.
  std::optional<in6_addr> v6;
};

// Neither is set if `host` is a name.
Address ParseAddress(std::string_view host) {
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  const std::string text(host);
  Address address;
  in_addr v4{};
  in6_addr v6{};
  if (::inet_pton(AF_INET, text.c_str(), &v4) == 1) address.v4 = ntohl(v4.s_addr);
  if (::inet_pton(AF_INET6, text.c_str(), &v6) == 1) address.v6 = v6;
  return address;
}

}  // namespace

void CurlList::Append(const char* line) {
  curl_slist* list = curl_slist_append(list_.get(), line);
  if (list == nullptr) throw std::bad_alloc();
  static_cast<void>(list_.release());
  list_.reset(list);
}

CurlUrl::CurlUrl(const std::string& url) : url_(curl_url()) {
  if (!url_) throw std::bad_alloc();
  const CURLUcode code = curl_url_set(url_.get(), CURLUPART_URL, url.c_str(), CURLU_NON_SUPPORT_SCHEME);
  if (code != CURLUE_OK) {
    // Without the text: what is no URL could hold anything, a password as well.
    throw Error(ErrorKind::kConfig, base::Format("this is not a URL: {}", curl_url_strerror(code)));
  }
}

std::string CurlUrl::Part(CURLUPart part) const {
  char* text = nullptr;
  if (curl_url_get(url_.get(), part, &text, 0) != CURLUE_OK) return "";
  const std::unique_ptr<char, decltype(&curl_free)> owner(text, curl_free);
  return text;
}

CurlEasy::CurlEasy() : error_text_(std::make_unique<std::array<char, CURL_ERROR_SIZE>>()), easy_(curl_easy_init()) {
  if (!easy_) throw Error(ErrorKind::kInternal, "libcurl cannot make a handle");
  SetPointer(CURLOPT_ERRORBUFFER, error_text_->data());
}

void CurlEasy::Check(CURLoption option, CURLcode code) {
  if (code == CURLE_OK) return;
  throw Error(ErrorKind::kInternal,
              base::Format("libcurl refuses option {}: {}", static_cast<int>(option), curl_easy_strerror(code)));
}

long CurlEasy::GetLong(CURLINFO info) const noexcept {
  long value = 0;
  return curl_easy_getinfo(get(), info, &value) == CURLE_OK ? value : 0;
}

curl_off_t CurlEasy::GetTime(CURLINFO info) const noexcept {
  curl_off_t value = 0;
  return curl_easy_getinfo(get(), info, &value) == CURLE_OK ? value : 0;
}

curl_socket_t CurlEasy::GetSocket() const noexcept {
  curl_socket_t socket = CURL_SOCKET_BAD;
  return curl_easy_getinfo(get(), CURLINFO_ACTIVESOCKET, &socket) == CURLE_OK ? socket : CURL_SOCKET_BAD;
}

std::string CurlEasy::ErrorText(CURLcode code) const {
  // The server's certificate may have put its own words in here.
  std::string_view text = error_text_->data();
  // What is wrong with a proxy's address is quoted with the password in it.
  const bool quotes_proxy =
      code == CURLE_COULDNT_RESOLVE_PROXY ||
      (!IsTlsCode(code) && base::ContainsIgnoreCase(text, "proxy") && text.find_first_of("'/@") != text.npos);
  if (quotes_proxy && code == CURLE_COULDNT_RESOLVE_PROXY) text = {};
  if (quotes_proxy && !text.empty()) text = "the proxy's address is wrong; check the proxy settings in the environment";
  return base::Printable(text.empty() ? curl_easy_strerror(code) : text);
}

CurlMulti::CurlMulti() : multi_(curl_multi_init()) {
  if (!multi_) throw Error(ErrorKind::kInternal, "libcurl cannot make a multi handle");
}

CurlTransfer::CurlTransfer() {
  easy_.Set(CURLOPT_NOSIGNAL, 1);
  easy_.Set(CURLOPT_QUICK_EXIT, 1);
  easy_.Set(CURLOPT_SSL_VERIFYPEER, 1);
  easy_.Set(CURLOPT_SSL_VERIFYHOST, 2);
  easy_.Set(CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2);
  easy_.Set(CURLOPT_FOLLOWLOCATION, 0);
  easy_.SetPointer(CURLOPT_OPENSOCKETFUNCTION, &OpenSocket);
}

CurlTransfer::~CurlTransfer() {
  if (added_) curl_multi_remove_handle(multi_.get(), easy_.get());
}

void CurlTransfer::TrustOnly(const std::string& ca_file) {
  easy_.Set(CURLOPT_CAINFO, ca_file);
  // Else libcurl would trust the system's directory, too.
  easy_.SetPointer<char>(CURLOPT_CAPATH, nullptr);
}

CURLcode CurlTransfer::Run(std::string_view what, const base::Deadline& deadline, const base::WakeEvent& wake) {
  const base::Clock& clock = base::Clock::System();
  const auto check = [](CURLMcode code) {
    if (code != CURLM_OK) throw Error(ErrorKind::kInternal, base::Format("libcurl: {}", curl_multi_strerror(code)));
  };
  if (deadline.Passed(clock.Now())) throw TimeoutError(what);
  // libcurl shares this out among the server's addresses, so that a dead one leaves time for the next.
  constexpr int kMaxMillis = 24 * 3600 * 1000;
  easy_.Set(CURLOPT_CONNECTTIMEOUT_MS, std::max(1, deadline.PollMillis(clock.Now(), kMaxMillis)));
  check(curl_multi_add_handle(multi_.get(), easy_.get()));
  added_ = true;
  for (;;) {
    if (wake.IsSet()) throw Error(ErrorKind::kCancelled, base::Format("cannot {}: cancelled", what));
    int running = 0;
    check(curl_multi_perform(multi_.get(), &running));
    int queued = 0;
    const CURLMsg* message = curl_multi_info_read(multi_.get(), &queued);
    if (message != nullptr && message->msg == CURLMSG_DONE) {
      if (message->data.result == CURLE_OPERATION_TIMEDOUT) throw TimeoutError(what);
      return message->data.result;
    }
    if (deadline.Passed(clock.Now())) throw TimeoutError(what);
    curl_waitfd extra{wake.fd(), CURL_WAIT_POLLIN, 0};
    check(curl_multi_poll(multi_.get(), &extra, 1, deadline.PollMillis(clock.Now()), nullptr));
  }
}

Error CurlTransfer::TimeoutError(std::string_view what) const {
  const bool resolved = easy_.GetTime(CURLINFO_NAMELOOKUP_TIME_T) > 0;
  const std::string_view phase = resolved ? "the server did not answer in time" : "the name was not resolved in time";
  return {ErrorKind::kTimeout, base::Format("cannot {}: {}", what, phase)};
}

Error TransferError(std::string_view what, CURLcode code, const CurlEasy& easy) {
  const std::string text = easy.ErrorText(code);
  return {KindOf(code, text), base::Format("cannot {}: {}{}", what, text, HintFor(code, text))};
}

bool IsLoopbackHost(std::string_view host) {
  const Address address = ParseAddress(host);
  if (address.v4) return (*address.v4 >> 24U) == 127;
  if (address.v6) return IN6_IS_ADDR_LOOPBACK(&*address.v6) != 0;
  return base::EqualsIgnoreCase(host, "localhost");
}

bool IsLinkLocalHost(std::string_view host) {
  const Address address = ParseAddress(host);
  if (address.v4) return (*address.v4 >> 16U) == 0xa9fe;
  return address.v6 && IN6_IS_ADDR_LINKLOCAL(&*address.v6) != 0;
}

}  // namespace mailboxfs::net
