#include <algorithm>

#include "curl_handle.h"
#include "mailboxfs/base/encoding.h"
#include "mailboxfs/base/log.h"
#include "mailboxfs/base/secret.h"
#include "mailboxfs/net/http_client.h"

namespace mailboxfs::net {
namespace {

using base::Error;
using base::ErrorKind;

constexpr size_t kMaxBody = size_t{1} << 20U;

// Bytes that hold a secret: wiped when it dies and when it moves to a larger place.
class WipedBuffer {
 public:
  WipedBuffer() = default;
  ~WipedBuffer() { base::WipeMemory(bytes_.data(), bytes_.capacity()); }
  WipedBuffer(const WipedBuffer&) = delete;
  WipedBuffer& operator=(const WipedBuffer&) = delete;

  void Append(std::string_view text) {
    if (bytes_.size() + text.size() > bytes_.capacity()) {
      std::string larger;
      larger.reserve(std::max<size_t>(4096, 2 * (bytes_.size() + text.size())));
      larger = bytes_;
      base::WipeMemory(bytes_.data(), bytes_.capacity());
      bytes_ = std::move(larger);
    }
    bytes_ += text;
  }
  const std::string& bytes() const noexcept { return bytes_; }
  std::string Take() { return std::move(bytes_); }

 private:
  std::string bytes_;
};

void AppendForm(const HttpRequest& request, WipedBuffer& out) {
  for (const auto& [name, value] : request.form) {
    if (!out.bytes().empty()) out.Append("&");
    out.Append(base::PercentEncode(name));
    out.Append("=");
    // Byte by byte: the encoded pieces stay on the stack's short strings, none is left on the heap.
    for (size_t i = 0; i < value.size(); ++i) out.Append(base::PercentEncode(std::string_view(value).substr(i, 1)));
  }
}

// What the callbacks collect. They must not throw through libcurl.
struct Answer {
  HttpResponse response;
  WipedBuffer body;
  bool too_large = false;
};

size_t OnBody(const char* data, size_t /*size*/, size_t count, Answer* answer) noexcept {
  if (answer->body.bytes().size() + count > kMaxBody) {
    answer->too_large = true;
    return 0;
  }
  try {
    answer->body.Append(std::string_view(data, count));
  } catch (...) {
    return 0;  // libcurl then ends the transfer with CURLE_WRITE_ERROR.
  }
  return count;
}

std::string_view Trim(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  const size_t first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return "";
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

size_t OnHeader(const char* data, size_t /*size*/, size_t count, Answer* answer) noexcept {
  const std::string_view line(data, count);
  const size_t colon = line.find(':');
  try {
    if (line.substr(0, 5) == "HTTP/") {
      answer->response = HttpResponse{};  // An interim (1xx) answer's headers don't count.
    } else if (colon != std::string_view::npos) {
      const std::string_view name = Trim(line.substr(0, colon));
      const std::string value(Trim(line.substr(colon + 1)));
      if (base::EqualsIgnoreCase(name, "retry-after")) answer->response.retry_after = value;
      if (base::EqualsIgnoreCase(name, "date")) answer->response.date = value;
      if (base::EqualsIgnoreCase(name, "content-type")) answer->response.content_type = value;
    }
  } catch (...) {
    return 0;
  }
  return count;
}

bool IsSafe(const CurlUrl& url) {
  const std::string scheme = url.Part(CURLUPART_SCHEME);
  return scheme == "https" || (scheme == "http" && IsLoopbackHost(url.Part(CURLUPART_HOST)));
}

// The URL's host, for texts. Throws Error(kConfig) unless the request may go there.
std::string CheckUrl(const CurlUrl& url, const HttpRequest& request) {
  std::string host = url.Part(CURLUPART_HOST);
  const std::string scheme = url.Part(CURLUPART_SCHEME);
  // What the link's own services say is not secret until they have said it, and they speak no TLS.
  const bool link =
      scheme == "http" && request.direct && request.method == HttpRequest::Method::kGet && IsLinkLocalHost(host);
  if (!IsSafe(url) && !link) {
    throw Error(ErrorKind::kConfig, base::Format("refusing to send a secret to {}://{}: only https is allowed", scheme,
                                                 base::Printable(host)));
  }
  return host;
}

CurlList HeaderList(const HttpRequest& request) {
  CurlList headers;
  headers.Append("Accept: application/json");
  for (const auto& [name, value] : request.headers) {
    const std::string line = name + ": " + value;
    if (std::any_of(line.begin(), line.end(), [](char c) { return c < ' ' || c > '~'; })) {
      throw Error(ErrorKind::kInternal, "a request's header has a character that no header may have");
    }
    headers.Append(line.c_str());
  }
  return headers;
}

class CurlHttpClient final : public HttpClient {
 public:
  HttpResponse Send(const HttpRequest& request, const base::Deadline& deadline, const base::WakeEvent& wake) override {
    const CurlUrl url(request.url);
    const std::string host = CheckUrl(url, request);
    WipedBuffer form;
    AppendForm(request, form);
    const CurlList headers = HeaderList(request);
    Answer answer;
    // After what its handles borrow, so that it dies first.
    CurlTransfer transfer;
    CurlEasy& easy = transfer.easy();
    easy.Set(CURLOPT_URL, request.url);
    easy.Set(CURLOPT_PROTOCOLS_STR, url.Part(CURLUPART_SCHEME));
    easy.Set(CURLOPT_USERAGENT, "mailboxfs");
    easy.SetPointer(CURLOPT_HTTPHEADER, headers.get());
    if (request.method == HttpRequest::Method::kPost) {
      easy.SetPointer(CURLOPT_POSTFIELDS, form.bytes().c_str());
      easy.Set(CURLOPT_POSTFIELDSIZE, static_cast<long>(form.bytes().size()));
    }
    easy.Set(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1);
    easy.SetPointer(CURLOPT_WRITEFUNCTION, &OnBody);
    easy.SetPointer(CURLOPT_WRITEDATA, &answer);
    easy.SetPointer(CURLOPT_HEADERFUNCTION, &OnHeader);
    easy.SetPointer(CURLOPT_HEADERDATA, &answer);
    if (request.ca_file) transfer.TrustOnly(*request.ca_file);
    if (request.direct || IsLoopbackHost(host)) easy.Set(CURLOPT_NOPROXY, "*");
    const std::string what = "reach " + base::Printable(host);
    const CURLcode code = transfer.Run(what, deadline, wake);
    if (answer.too_large) {
      throw Error(ErrorKind::kServer, base::Format("cannot {}: its answer is larger than 1 MiB", what));
    }
    if (code != CURLE_OK) throw TransferError(what, code, easy);
    answer.response.status = easy.GetLong(CURLINFO_RESPONSE_CODE);
    answer.response.body = answer.body.Take();
    return std::move(answer.response);
  }
};

}  // namespace

std::unique_ptr<HttpClient> MakeCurlHttpClient() { return std::make_unique<CurlHttpClient>(); }

bool IsSafeUrl(const std::string& url) {
  try {
    return IsSafe(CurlUrl(url));
  } catch (const Error&) {
    return false;  // No URL at all.
  }
}

}  // namespace mailboxfs::net
