#include "connect_setup.h"

#include <algorithm>
#include <string_view>

#include "mailboxfs/base/encoding.h"
#include "mailboxfs/base/log.h"

namespace mailboxfs::net {
namespace {

using base::Error;
using base::ErrorKind;

// "host:port" as it stands in a URL. Throws Error(kConfig) for what would change the URL's meaning.
std::string Authority(const Endpoint& endpoint) {
  const std::string& host = endpoint.host;
  const bool bad = host.empty() || std::any_of(host.begin(), host.end(), [](char c) {
                     return static_cast<unsigned char>(c) <= ' ' ||
                            std::string_view("/?#@\\\"<>[]").find(c) != std::string_view::npos;
                   });
  if (bad || endpoint.port == 0) {
    throw Error(ErrorKind::kConfig, base::Format("\"{}:{}\" is not a host name and port to connect to",
                                                 base::Printable(host), endpoint.port));
  }
  const bool is_v6 = host.find(':') != std::string::npos;
  return is_v6 ? base::Format("[{}]:{}", host, endpoint.port) : base::Format("{}:{}", host, endpoint.port);
}

}  // namespace

std::string SetUpConnect(CurlTransfer& transfer, const Endpoint& endpoint) {
  std::string server = Authority(endpoint);
  const bool loopback = IsLoopbackHost(endpoint.host);
  if (endpoint.tls == Tls::kNone && !loopback) {
    throw Error(
        ErrorKind::kConfig,
        base::Format("refusing to connect to {} without TLS: \"tls\": \"none\" is for this machine only", server));
  }
  CurlEasy& easy = transfer.easy();
  const std::string scheme = endpoint.tls == Tls::kNone ? "http" : "https";
  easy.Set(CURLOPT_URL, scheme + "://" + server + "/");
  easy.Set(CURLOPT_PROTOCOLS_STR, scheme);
  easy.Set(CURLOPT_CONNECT_ONLY, 1);
  easy.Set(CURLOPT_SSL_ENABLE_ALPN, 0);
  easy.Set(CURLOPT_TCP_NODELAY, 1);
  easy.Set(CURLOPT_TCP_KEEPALIVE, 1);
  easy.Set(CURLOPT_TCP_KEEPIDLE, 60);
  easy.Set(CURLOPT_TCP_KEEPINTVL, 20);
  if (endpoint.ca_file) transfer.TrustOnly(*endpoint.ca_file);
  // libcurl would take the environment's proxy for this machine's own services, too.
  if (loopback) easy.Set(CURLOPT_NOPROXY, "*");
  return server;
}

}  // namespace mailboxfs::net
