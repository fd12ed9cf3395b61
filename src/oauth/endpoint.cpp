#include "endpoint.h"

#include "clock_skew.h"
#include "mailboxfs/base/encoding.h"
#include "mailboxfs/base/error.h"
#include "mailboxfs/base/log.h"

namespace mailboxfs::oauth {
namespace {

// A request whose form is wiped when it dies. Neither copied nor moved.
class SecretRequest {
 public:
  explicit SecretRequest(const Question& question) {
    http.method = question.method;
    http.url = question.url;
    http.headers = question.headers;
    http.direct = question.direct;
    http.ca_file = question.ca_file;
    // Room first: a vector that grows would leave unwiped short strings behind.
    http.form.reserve(question.fields.size() + question.secrets.size());
    for (const auto& field : question.fields) http.form.push_back(field);
    for (const auto& [name, secret] : question.secrets) http.form.emplace_back(name, secret->Reveal());
  }
  ~SecretRequest() {
    for (auto& [name, value] : http.form) base::WipeMemory(value.data(), value.capacity());
  }
  SecretRequest(const SecretRequest&) = delete;
  SecretRequest& operator=(const SecretRequest&) = delete;

  net::HttpRequest http;
};

ResponseContext ContextOf(const Question& question) {
  ResponseContext context;
  context.action = base::Format("cannot {} {}", question.purpose, ShownUrl(question.url));
  for (const auto& [name, secret] : question.secrets) context.secrets.push_back(secret);
  context.advise = question.advise;
  context.dated = question.dated;
  return context;
}

EndpointAnswer Ask(const Question& question, ResponseContext& context, net::HttpClient& http, const base::Clock& clock,
                   const base::Deadline& deadline, const base::WakeEvent& wake) {
  const SecretRequest request(question);
  net::HttpResponse response;
  try {
    response = http.Send(request.http, deadline, wake);
  } catch (const base::Error& error) {
    throw error.WithContext(context.action);
  }
  context.now = clock.WallNow();
  EndpointAnswer answer{ReadResponse(response, context), ClockSkew(response, context.now)};
  base::WipeMemory(response.body.data(), response.body.capacity());
  return answer;
}

}  // namespace

std::string ShownUrl(std::string_view url) {
  url = url.substr(0, url.find_first_of("?#"));
  const size_t scheme = url.find("://");
  const size_t authority = scheme == std::string_view::npos ? 0 : scheme + 3;
  const size_t user_end = url.substr(0, url.find('/', authority)).rfind('@');
  std::string shown(url.substr(0, authority));
  shown += url.substr(user_end == std::string_view::npos ? authority : user_end + 1);
  return base::Printable(shown);
}

EndpointAnswer AskEndpoint(const Question& question, net::HttpClient& http, const base::Clock& clock,
                           const base::Deadline& deadline, const base::WakeEvent& wake) {
  ResponseContext context = ContextOf(question);
  return Ask(question, context, http, clock, deadline, wake);
}

TokenAnswer AskForToken(const Question& question, net::HttpClient& http, const base::Clock& clock,
                        const base::Deadline& deadline, const base::WakeEvent& wake) {
  ResponseContext context = ContextOf(question);
  EndpointAnswer answer = Ask(question, context, http, clock, deadline, wake);
  if (auto* failure = std::get_if<TokenFailure>(&answer.outcome)) return {std::move(*failure), answer.clock_skew};
  TokenAnswer token{TokenGrant{}, answer.clock_skew};
  token.outcome = ReadGrant(std::get<json::Value>(answer.outcome), context);
  return token;
}

}  // namespace mailboxfs::oauth
