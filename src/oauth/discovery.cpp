#include "discovery.h"

#include <array>
#include <string_view>
#include <utility>

#include "endpoint.h"
#include "json_members.h"
#include "mailboxfs/base/encoding.h"
#include "mailboxfs/base/error.h"
#include "mailboxfs/base/log.h"

namespace mailboxfs::oauth {
namespace {

using base::Error;
using base::ErrorKind;

struct Member {
  std::string Authority::*endpoint;
  std::string_view document;  // Its name in the issuer's document (RFC 8414 section 2, RFC 8628 section 4).
  std::string_view key;       // And in the configuration.
};

constexpr std::array kMembers = {
    Member{&Authority::token_endpoint, "token_endpoint", "token_endpoint"},
    Member{&Authority::authorization_endpoint, "authorization_endpoint", "authorization_endpoint"},
    Member{&Authority::device_endpoint, "device_authorization_endpoint", "device_endpoint"},
};

std::string_view KeyOf(std::string Authority::*endpoint) {
  for (const Member& member : kMembers) {
    if (member.endpoint == endpoint) return member.key;
  }
  return "";
}

std::string_view WithoutSlash(std::string_view url) {
  if (!url.empty() && url.back() == '/') url.remove_suffix(1);
  return url;
}

// The configuration's fault, or the document's; asked again later.
TokenFailure Failure(const std::string& text, long status) {
  TokenRefusal refusal;
  refusal.cause = "unexpected-answer";
  refusal.http_status = status;
  return {Error(ErrorKind::kConfig, text), Pause::kBackoff, {}, status == 0 ? std::nullopt : std::optional(refusal)};
}

}  // namespace

std::optional<TokenFailure> Discovery::Find(std::string Authority::*endpoint, const base::Deadline& deadline,
                                            const base::WakeEvent& wake) {
  if (!(authority_.*endpoint).empty()) return std::nullopt;
  if (authority_.issuer.empty()) {
    return Failure(base::Format("\"{}\" is not set, and there is no \"issuer\" that could tell it", KeyOf(endpoint)),
                   0);
  }
  return Read(endpoint, deadline, wake);
}

std::optional<TokenFailure> Discovery::Read(std::string Authority::*endpoint, const base::Deadline& deadline,
                                            const base::WakeEvent& wake) {
  Question question;
  question.purpose = "read the issuer's document at";
  question.method = net::HttpRequest::Method::kGet;
  question.url = std::string(WithoutSlash(authority_.issuer)) + "/.well-known/openid-configuration";
  question.ca_file = authority_.ca_file;
  question.advise = [](const TokenRefusal& refusal) {
    const bool absent = refusal.http_status == 404 || refusal.http_status / 100 == 3;
    return absent ? "check \"issuer\", or set the endpoints themselves" : "";
  };
  const EndpointAnswer answer = AskEndpoint(question, http_, clock_, deadline, wake);
  if (const auto* failure = std::get_if<TokenFailure>(&answer.outcome)) return *failure;
  const auto& document = std::get<json::Value>(answer.outcome);
  const std::string_view issuer = document.TextAt("issuer");
  if (issuer.empty()) {
    return Failure(base::Format("{} is no OpenID configuration; check \"issuer\"", ShownUrl(question.url)), 200);
  }
  // Section 4.3: whoever may answer in another's name could have the secret sent anywhere.
  if (WithoutSlash(issuer) != WithoutSlash(authority_.issuer)) {
    return Failure(base::Format("the document of the issuer {} says that it is {}'s; set \"issuer\" to that, if it is "
                                "right",
                                ShownUrl(authority_.issuer), ShownUrl(issuer)),
                   200);
  }
  Authority found = authority_;
  for (const Member& member : kMembers) {
    const std::string url(document.TextAt(member.document));
    if (!(found.*member.endpoint).empty() || url.empty()) continue;
    if (!net::IsSafeUrl(url) || !IsTokenText(url)) {
      return Failure(base::Format("the {} that the issuer names is {}: only https is allowed; set \"{}\"",
                                  member.document, ShownUrl(url), member.key),
                     200);
    }
    found.*member.endpoint = url;
  }
  // Not kept then: it may be a proxy's half of one, or be mended.
  if ((found.*endpoint).empty()) {
    return Failure(base::Format("the issuer {} does not offer this: its document has no such endpoint; use another "
                                "\"method\", or set \"{}\"",
                                ShownUrl(authority_.issuer), KeyOf(endpoint)),
                   200);
  }
  authority_ = std::move(found);
  return std::nullopt;
}

}  // namespace mailboxfs::oauth
