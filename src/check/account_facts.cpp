#include "account_facts.h"

#include <algorithm>
#include <array>
#include <utility>

#include "mailboxfs/base/encoding.h"
#include "mailboxfs/base/error.h"
#include "mailboxfs/base/log.h"
#include "mailboxfs/oauth/claims.h"

namespace mailboxfs::check {
namespace {

using config::AuthMethod;
using config::Vendor;

constexpr std::string_view kGoogleTokenUri = "https://oauth2.googleapis.com/token";

// A member of a JSON object whose value is plain text. The text around it is secret: it is not parsed, as that would
// leave copies behind.
std::string PlainMember(std::string_view json, std::string_view name) {
  const size_t key = json.find(base::Format("\"{}\"", name));
  if (key == std::string_view::npos) return "";
  json.remove_prefix(key + name.size() + 2);
  const size_t begin = json.find_first_not_of(" \t\r\n:");
  if (begin == std::string_view::npos || json[begin] != '"') return "";
  json.remove_prefix(begin + 1);
  const std::string_view value = json.substr(0, std::min<size_t>(json.find('"'), 200));
  return value.find('\\') == std::string_view::npos ? base::Printable(value) : "";
}

// nullopt: it cannot be read, or only by running a program, which may ask somebody.
std::optional<base::Secret> ReadQuietly(const std::optional<config::SecretSpec>& spec) {
  if (!spec || spec->kind == config::SecretSpec::Kind::kCommand) return std::nullopt;
  try {
    return config::ReadSecret(*spec);
  } catch (const base::Error& error) {
    base::LogDebug("{}", error.what());
    return std::nullopt;
  }
}

// Which key of the configuration says for whom tokens are, and what it should be.
void AddResourceSetting(const config::Account& account, Facts& facts) {
  const std::string scope = config::PresetScope(account.provider, SpeaksForPerson(account.auth));
  if (!account.auth.resource.empty() && account.vendor == Vendor::kMicrosoft) {
    facts.Set("resource_setting", "\"resource\" to " + config::PresetResource(account.provider));
  } else if (!scope.empty()) {
    facts.Set("resource_setting", "\"scope\" to " + scope);
  }
}

void AddConsent(const config::AuthConfig& auth, Facts& facts) {
  const std::optional<Url> authority = AuthorityOf(auth);
  if (!authority || auth.client_id.empty()) return;
  const bool own = !auth.tenant.empty() && !StandsForMany(auth.tenant);
  facts.Set("consent_url", base::Format("{}/{}/adminconsent?client_id={}", authority->Origin(),
                                        own ? auth.tenant : "organizations", base::PercentEncode(auth.client_id)));
}

}  // namespace

bool SpeaksForPerson(const config::AuthConfig& auth) {
  return config::IsInteractive(auth.method) || auth.method == AuthMethod::kRefreshToken;
}

bool StandsForMany(std::string_view tenant) {
  constexpr std::array<std::string_view, 3> kMany = {"common", "organizations", "consumers"};
  return std::any_of(kMany.begin(), kMany.end(),
                     [&](std::string_view name) { return base::EqualsIgnoreCase(name, tenant); });
}

bool HasTokenPerMailbox(const config::AuthConfig& auth) {
  if (auth.method == AuthMethod::kServiceAccount) return true;
  return auth.method == AuthMethod::kTokenCommand &&
         std::any_of(auth.command.begin(), auth.command.end(),
                     [](const std::string& word) { return word.find("{mailbox}") != std::string::npos; });
}

std::optional<Url> AuthorityOf(const config::AuthConfig& auth) {
  switch (auth.method) {
    case AuthMethod::kPassword:
    case AuthMethod::kTokenCommand:
    case AuthMethod::kManagedIdentity: return std::nullopt;
    default: break;
  }
  if (!auth.token_endpoint.empty()) return ParseUrl(auth.token_endpoint);
  if (!auth.issuer.empty()) return ParseUrl(auth.issuer);
  if (auth.method != AuthMethod::kServiceAccount) return std::nullopt;
  const std::optional<base::Secret> key = ReadQuietly(auth.service_account_key);
  const std::string uri = key ? PlainMember(key->Reveal(), "token_uri") : "";
  return ParseUrl(uri.empty() ? kGoogleTokenUri : uri);
}

Facts FactsOf(const config::Account& account) {
  const config::AuthConfig& auth = account.auth;
  Facts facts;
  facts.Set("account", account.name);
  facts.Set("login_command", account.login_command);
  facts.Set("tenant", auth.tenant);
  facts.Set("client_id", auth.client_id);
  facts.Set("app", auth.client_id);
  facts.Set("scope", auth.scope.empty() ? auth.resource : auth.scope);
  facts.Set("resource", auth.resource);
  facts.Set("expected_scope", config::PresetScope(account.provider, SpeaksForPerson(auth)));
  facts.Set("permission", SpeaksForPerson(auth) ? "Delegated permissions > IMAP.AccessAsUser.All"
                                                : "Application permissions > IMAP.AccessAsApp");
  facts.Set("connections", std::to_string(account.imap.connections));
  facts.Set("connect", account.exchange_environment.empty()
                           ? "Connect-ExchangeOnline"
                           : "Connect-ExchangeOnline -ExchangeEnvironmentName " + account.exchange_environment);
  facts.Set("connect_graph", account.graph_environment.empty()
                                 ? "Connect-MgGraph"
                                 : "Connect-MgGraph -Environment " + account.graph_environment);
  if (const std::optional<Url> authority = AuthorityOf(auth)) {
    facts.Set("token_host", authority->host);
    facts.Set("token_endpoint", authority->Origin() + authority->path);
  }
  AddResourceSetting(account, facts);
  AddConsent(auth, facts);
  return facts;
}

void AddServiceAccount(const config::AuthConfig& auth, Facts& facts) {
  const std::optional<base::Secret> key = ReadQuietly(auth.service_account_key);
  if (key) facts.Set("service_client", PlainMember(key->Reveal(), "client_id"));
}

void AddFederatedToken(const config::AuthConfig& auth, Facts& facts) {
  const std::optional<base::Secret> token = ReadQuietly(auth.federated_token);
  const std::optional<oauth::Claims> claims = token ? oauth::ReadClaims(*token) : std::nullopt;
  if (!claims) return;
  facts.Set("federated_issuer", claims->issuer);
  facts.Set("federated_subject", claims->subject);
  facts.Set("federated_audience", claims->audiences.empty() ? "" : claims->audiences.front());
}

std::string OddSecret(const config::AuthConfig& auth) {
  const std::optional<base::Secret> secret = ReadQuietly(auth.client_secret);
  if (!secret || secret->empty()) return "";
  const std::string_view text = secret->Reveal();
  constexpr std::string_view kAround = "\"' \t\r\n";
  if (LooksLikeGuid(text)) return "it looks like a secret's ID (a GUID), not like its Value";
  if (kAround.find(text.front()) != std::string_view::npos || kAround.find(text.back()) != std::string_view::npos) {
    return "it begins or ends with a quote or white space";
  }
  return "";
}

}  // namespace mailboxfs::check
