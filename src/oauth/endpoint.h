#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "mailboxfs/base/clock.h"
#include "mailboxfs/base/fd.h"
#include "mailboxfs/base/secret.h"
#include "mailboxfs/net/http_client.h"
#include "token_response.h"

namespace mailboxfs::oauth {

// One question to an OAuth server.
struct Question {
  std::string purpose = "get an access token from";  // For texts.
  std::string url;
  net::HttpRequest::Method method = net::HttpRequest::Method::kPost;
  std::vector<std::pair<std::string, std::string>> headers{};
  bool direct = false;
  std::optional<std::string> ca_file{};
  std::vector<std::pair<std::string, std::string>> fields{};           // Nothing secret.
  std::vector<std::pair<std::string, const base::Secret*>> secrets{};  // Borrowed; the copies are wiped.
  Adviser advise{};
  bool dated = false;  // See ResponseContext.
};

struct EndpointAnswer {
  EndpointOutcome outcome;
  std::optional<std::chrono::seconds> clock_skew;
};

// Both throw what HttpClient::Send does, with what was tried and where in the text. Reentrant.
EndpointAnswer AskEndpoint(const Question& question, net::HttpClient& http, const base::Clock& clock,
                           const base::Deadline& deadline, const base::WakeEvent& wake);
TokenAnswer AskForToken(const Question& question, net::HttpClient& http, const base::Clock& clock,
                        const base::Deadline& deadline, const base::WakeEvent& wake);

// The URL for texts, without the parts that could hold a secret. Reentrant.
std::string ShownUrl(std::string_view url);

}  // namespace mailboxfs::oauth
