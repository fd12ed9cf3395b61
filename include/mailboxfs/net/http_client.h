#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "mailboxfs/base/clock.h"
#include "mailboxfs/base/fd.h"

namespace mailboxfs::net {

struct HttpRequest {
  enum class Method { kGet, kPost };
  Method method = Method::kPost;
  // https; or http to a loopback host, or by a direct GET to a link-local address (the metadata services of
  // clouds).
  std::string url;
  // kPost: unencoded; sent as application/x-www-form-urlencoded, each value percent-encoded. The client
  // wipes its encoded copy; these strings are the caller's to wipe.
  std::vector<std::pair<std::string, std::string>> form;
  std::vector<std::pair<std::string, std::string>> headers;
  bool direct = false;  // Never through a proxy.
  std::optional<std::string> ca_file;
};

struct HttpResponse {
  long status = 0;
  std::string body;                        // At most 1 MiB; more is an error.
  std::optional<std::string> retry_after;  // Raw header values.
  std::optional<std::string> date;
  std::string content_type;
};

// HTTP for token endpoints. Thread-safe. Redirects are not followed (they would carry the
// secret elsewhere): a 3xx is returned as it is.
class HttpClient {
 public:
  virtual ~HttpClient() = default;
  // Any HTTP status is an answer. Throws Error: kNetwork, kTls, kTimeout, kCancelled,
  // kServer (too large, or not HTTP), kConfig (not a URL that may be sent to).
  virtual HttpResponse Send(const HttpRequest& request, const base::Deadline& deadline,
                            const base::WakeEvent& wake) = 0;
};

std::unique_ptr<HttpClient> MakeCurlHttpClient();

// May secrets be sent there? https; or http to a loopback host. Reentrant.
bool IsSafeUrl(const std::string& url);

}  // namespace mailboxfs::net
