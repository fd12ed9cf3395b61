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
  std::string url;  // https, or http to a loopback host only.
  // Sent as application/x-www-form-urlencoded, each value percent-encoded. Wiped after use.
  std::vector<std::pair<std::string, std::string>> form;
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
  // POSTs the form. Throws Error: kNetwork, kTls, kTimeout, kCancelled; any HTTP status is an answer.
  virtual HttpResponse Post(const HttpRequest& request, const base::Deadline& deadline,
                            const base::WakeEvent& wake) = 0;
};

std::unique_ptr<HttpClient> MakeCurlHttpClient();

}  // namespace mailboxfs::net
