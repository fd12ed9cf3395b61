#include <string>
#include <string_view>
#include <utility>

#include "caching_token_source.h"
#include "mailboxfs/base/encoding.h"
#include "mailboxfs/base/log.h"
#include "mailboxfs/oauth/token_source.h"
#include "token_response.h"

namespace mailboxfs::oauth {
namespace {

using base::Error;
using base::ErrorKind;

// A request whose form is wiped when it dies. Neither copied nor moved.
struct SecretRequest {
  SecretRequest() = default;
  ~SecretRequest() {
    for (auto& [name, value] : http.form) base::WipeMemory(value.data(), value.capacity());
  }
  SecretRequest(const SecretRequest&) = delete;
  SecretRequest& operator=(const SecretRequest&) = delete;

  net::HttpRequest http;
};

// The URL for texts, without the parts that could hold a secret.
std::string ShownEndpoint(std::string_view url) {
  url = url.substr(0, url.find_first_of("?#"));
  const size_t scheme = url.find("://");
  const size_t authority = scheme == std::string_view::npos ? 0 : scheme + 3;
  const size_t user_end = url.substr(0, url.find('/', authority)).rfind('@');
  std::string shown(url.substr(0, authority));
  shown += url.substr(user_end == std::string_view::npos ? authority : user_end + 1);
  return base::Printable(shown);
}

// Asks by RFC 6749 section 4.4. Thread-bound.
class ClientCredentialsRequest {
 public:
  ClientCredentialsRequest(ClientCredentials credentials, net::HttpClient& http, const base::Clock& clock)
      : credentials_(std::move(credentials)),
        http_(http),
        clock_(clock),
        shown_endpoint_(ShownEndpoint(credentials_.token_endpoint)) {}

  TokenAnswer operator()(const base::Deadline& deadline, const base::WakeEvent& wake) const {
    const base::Secret secret = credentials_.secret();
    if (secret.empty()) throw Error(ErrorKind::kConfig, "the client secret is empty; check \"client_secret\"");
    net::HttpResponse response = Post(secret, deadline, wake);
    TokenAnswer answer = ParseTokenResponse(response, {shown_endpoint_, secret, clock_.WallNow()});
    base::WipeMemory(response.body.data(), response.body.capacity());
    return answer;
  }

 private:
  net::HttpResponse Post(const base::Secret& secret, const base::Deadline& deadline,
                         const base::WakeEvent& wake) const {
    SecretRequest request;
    request.http.url = credentials_.token_endpoint;
    request.http.ca_file = credentials_.ca_file;
    // Room first: a vector that grows would leave unwiped short strings behind.
    request.http.form.reserve(4);
    request.http.form.emplace_back("grant_type", "client_credentials");
    request.http.form.emplace_back("client_id", credentials_.client_id);
    if (!credentials_.scope.empty()) request.http.form.emplace_back("scope", credentials_.scope);
    request.http.form.emplace_back("client_secret", secret.Reveal());
    try {
      return http_.Post(request.http, deadline, wake);
    } catch (const Error& error) {
      throw error.WithContext(base::Format("cannot get an access token from {}", shown_endpoint_));
    }
  }

  ClientCredentials credentials_;
  net::HttpClient& http_;
  const base::Clock& clock_;
  std::string shown_endpoint_;
};

}  // namespace

std::unique_ptr<TokenSource> MakeClientCredentialsSource(ClientCredentials credentials, net::HttpClient& http,
                                                         const base::Clock& clock, std::function<double()> random) {
  return std::make_unique<CachingTokenSource>(ClientCredentialsRequest(std::move(credentials), http, clock), clock,
                                              std::move(random));
}

}  // namespace mailboxfs::oauth
