#include "service_account.h"

#include <string>

#include "endpoint.h"
#include "json_members.h"
#include "jwt.h"
#include "mailboxfs/base/encoding.h"
#include "mailboxfs/base/error.h"
#include "mailboxfs/base/log.h"
#include "mailboxfs/json/json.h"
#include "signing_key.h"

namespace mailboxfs::oauth {
namespace {

using base::Error;
using base::ErrorKind;
using std::chrono::seconds;

constexpr std::string_view kGrantType = "urn:ietf:params:oauth:grant-type:jwt-bearer";
constexpr seconds kGoogleLifetime{3600};  // The longest that Google takes.

// Google's file, as far as it is needed.
struct ServiceAccountKey {
  std::string client_email;
  std::string client_id;
  std::string key_id;
  std::string token_uri;
  base::Secret private_key;
};

ServiceAccountKey ParseKey(const base::Secret& text) {
  json::Value value = json::ParseLeniently(text.Reveal());
  ServiceAccountKey key;
  key.private_key = TakeSecret(value, "private_key");
  key.client_email = value.TextAt("client_email");
  key.client_id = value.TextAt("client_id");
  key.key_id = value.TextAt("private_key_id");
  key.token_uri = value.TextAt("token_uri");
  if (key.private_key.empty() || key.client_email.empty()) {
    throw Error(ErrorKind::kConfig,
                "service_account_key: this is not the JSON file of a service account's key (Google Cloud console: IAM, "
                "Service accounts, Keys, Add key, JSON); it has client_email and private_key");
  }
  return key;
}

base::Secret SignAssertion(const ServiceAccountKey& key, const ServiceAccount& grant, std::string_view audience,
                           base::WallTime now) {
  json::Value header = json::Value::MakeObject();
  header.Set("alg", AlgorithmName(SigningAlgorithm::kRs256));
  header.Set("typ", "JWT");
  if (!key.key_id.empty()) header.Set("kid", key.key_id);
  json::Value payload = json::Value::MakeObject();
  payload.Set("iss", key.client_email);
  payload.Set("scope", grant.scope);
  payload.Set("aud", audience);
  payload.Set("iat", UnixSeconds(now));
  payload.Set("exp", UnixSeconds(now + kGoogleLifetime));
  if (!grant.subject.empty()) payload.Set("sub", grant.subject);
  try {
    return SigningKey(key.private_key, {}).Sign(SigningAlgorithm::kRs256, json::Dump(header), json::Dump(payload));
  } catch (const Error& error) {
    throw error.WithContext("service_account_key");
  }
}

// Google's errors are few; its descriptions tell them apart.
std::string AdviseOnAccount(const ServiceAccountKey& key, const ServiceAccount& grant, const TokenRefusal& refusal) {
  const auto says = [&](std::string_view words) { return base::ContainsIgnoreCase(refusal.description, words); };
  if (refusal.error == "unauthorized_client" || refusal.error == "access_denied") {
    return base::Format(
        "domain-wide delegation is not configured for client id {} and scope {}: Google Admin console > Security > "
        "Access and data control > API controls > Domain-wide delegation",
        base::Printable(key.client_id.empty() ? key.client_email : key.client_id), base::Printable(grant.scope));
  }
  if (refusal.error != "invalid_grant") return "";
  if (says("timeframe")) return "check this machine's clock (NTP)";
  if (says("signature") || says("account not found")) {
    return base::Format(
        "the key or the service account {} was deleted: make a new key (Google Cloud console: IAM, "
        "Service accounts, Keys)",
        base::Printable(key.client_email));
  }
  return base::Format(
      "check that {} is a user of this Google Workspace, that the key has not been deleted, and this "
      "machine's clock (NTP)",
      base::Printable(grant.subject));
}

}  // namespace

void CheckServiceAccountKey(const ServiceAccount& account) {
  const ServiceAccountKey key = ParseKey(account.key());
  try {
    const SigningKey signs(key.private_key, base::Secret());
  } catch (const Error& error) {
    throw error.WithContext("service_account_key");
  }
  if (account.token_endpoint.empty() && key.token_uri.empty()) {
    throw Error(ErrorKind::kConfig, "service_account_key: it names no token_uri; set \"token_endpoint\"");
  }
}

TokenAnswer ServiceAccountRequest::Ask(const base::Deadline& deadline, const base::WakeEvent& wake) {
  const ServiceAccountKey key = ParseKey(grant_.key());
  Question question;
  question.url = grant_.token_endpoint.empty() ? key.token_uri : grant_.token_endpoint;
  if (question.url.empty()) throw Error(ErrorKind::kConfig, "service_account_key: it has no token_uri");
  const base::Secret assertion = SignAssertion(key, grant_, question.url, clock_.WallNow());
  question.ca_file = grant_.ca_file;
  question.fields.emplace_back("grant_type", kGrantType);
  question.secrets.emplace_back("assertion", &assertion);
  question.dated = true;
  question.advise = [&](const TokenRefusal& refusal) { return AdviseOnAccount(key, grant_, refusal); };
  return AskForToken(question, http_, clock_, deadline, wake);
}

}  // namespace mailboxfs::oauth
