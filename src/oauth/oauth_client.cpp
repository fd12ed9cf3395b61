#include "oauth_client.h"

#include "mailboxfs/base/encoding.h"
#include "mailboxfs/base/log.h"

namespace mailboxfs::oauth {
namespace {

constexpr std::chrono::hours kExpiresSoon{30 * 24};
constexpr std::chrono::hours kWarnAgain{24};

}  // namespace

// A question with the proof that it borrows. Neither copied nor moved.
class OauthClient::Proven {
 public:
  Proven(const OauthClient& client, const std::string& url, const GrantForm& form)
      : proof(ProveClient(client.client_.authentication, client.client_.id,
                          // Whatever endpoint it is for (RFC 7523 section 3).
                          client.authority().token_endpoint.empty() ? url : client.authority().token_endpoint,
                          client.clock_.WallNow())) {
    question.url = url;
    question.ca_file = client.authority().ca_file;
    if (!form.grant_type.empty()) question.fields.emplace_back("grant_type", form.grant_type);
    question.fields.emplace_back("client_id", client.client_.id);
    for (const auto& field : form.fields) question.fields.push_back(field);
    for (const auto& field : proof.fields) question.fields.push_back(field);
    question.secrets = form.secrets;
    if (!proof.secret_field.empty()) question.secrets.emplace_back(proof.secret_field, &proof.secret);
    question.dated = proof.dated;
    question.advise = [this, advise = form.advise](const TokenRefusal& refusal) {
      std::string advice = advise ? advise(refusal) : "";
      return advice.empty() ? AdviseOnProof(proof, refusal) : advice;
    };
  }
  Proven(const Proven&) = delete;
  Proven& operator=(const Proven&) = delete;

  ClientProof proof;
  Question question;
};

OauthClient::OauthClient(Authority authority, Client client, net::HttpClient& http, const base::Clock& clock)
    : discovery_(std::move(authority), http, clock), client_(std::move(client)), http_(http), clock_(clock) {}

TokenAnswer OauthClient::AskForToken(const GrantForm& form, const base::Deadline& deadline,
                                     const base::WakeEvent& wake) {
  if (auto failure = discovery_.Find(&Authority::token_endpoint, deadline, wake)) return {std::move(*failure)};
  const Proven proven(*this, authority().token_endpoint, form);
  WarnOfExpiry(proven.proof);
  return oauth::AskForToken(proven.question, http_, clock_, deadline, wake);
}

EndpointAnswer OauthClient::Ask(std::string Authority::*endpoint, const std::string& purpose, const GrantForm& form,
                                const base::Deadline& deadline, const base::WakeEvent& wake) {
  if (auto failure = discovery_.Find(endpoint, deadline, wake)) return {std::move(*failure), std::nullopt};
  Proven proven(*this, authority().*endpoint, form);
  proven.question.purpose = purpose;
  return AskEndpoint(proven.question, http_, clock_, deadline, wake);
}

void OauthClient::WarnOfExpiry(const ClientProof& proof) {
  if (!proof.expires || *proof.expires - clock_.WallNow() > kExpiresSoon) return;
  const base::MonoTime now = clock_.Now();
  if (warned_ && now - *warned_ < kWarnAgain) return;
  warned_ = now;
  const auto left = std::chrono::floor<std::chrono::hours>(*proof.expires - clock_.WallNow()).count();
  if (left < 0) {
    base::LogWarning("the certificate of client {} has expired: make a new one and upload it",
                     base::Printable(client_.id));
  } else {
    base::LogWarning("the certificate of client {} expires in {} days: make a new one and upload it",
                     base::Printable(client_.id), left / 24);
  }
}

}  // namespace mailboxfs::oauth
