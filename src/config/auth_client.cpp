#include "auth_client.h"

#include <algorithm>
#include <array>

#include "auth.h"
#include "checks.h"
#include "mailboxfs/base/encoding.h"
#include "mailboxfs/base/log.h"
#include "mailboxfs/config/answers.h"
#include "secret_source.h"

namespace mailboxfs::config {

using base::Format;

namespace {

// Of what stands between two slashes of a URL.
std::string PathPartProblem(std::string_view part) {
  const bool valid = !part.empty() && std::all_of(part.begin(), part.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
  });
  return valid ? "" : "is no tenant; write its ID (a GUID) or a domain such as contoso.onmicrosoft.com";
}

constexpr std::string_view kTenantTodo =
    "write the tenant's ID (a GUID) or a domain such as contoso.onmicrosoft.com; the token endpoint needs it";

// With {tenant} replaced.
std::string FillIn(const Node& auth, std::string url, const std::string& tenant) {
  constexpr std::string_view kPlaceholder = "{tenant}";
  for (size_t at = url.find(kPlaceholder); at != std::string::npos; at = url.find(kPlaceholder, at)) {
    if (tenant.empty()) auth.Require("tenant", kTenantTodo);
    url.replace(at, kPlaceholder.size(), tenant);
    at += tenant.size();
  }
  return url;
}

std::string ParseAddress(const Node& auth, std::string_view key, std::string_view preset, const std::string& tenant) {
  const std::optional<Node> given = auth.Get(key);
  // Whoever names an issuer of their own does not want the provider's addresses.
  if (!given && auth.Get("issuer")) return {};
  std::string url = FillIn(auth, given ? given->Text() : std::string(preset), tenant);
  if (!given) return url;
  if (const std::string problem = TokenEndpointProblem(url); !problem.empty()) given->Fail(problem);
  return url;
}

CertificateConfig ParseCertificate(const Node& auth, const Node& certificate) {
  CertificateConfig config;
  const std::optional<Node> key = auth.Get("private_key");
  // Without a key of its own it holds the key, too.
  config.certificate = ParseSecretFile(certificate, /*lines=*/true, /*shared=*/key.has_value());
  config.private_key = key ? ParseSecret(*key, {.lines = true}) : config.certificate;
  if (const std::optional<Node> passphrase = auth.Get("private_key_passphrase")) {
    config.passphrase = ParseSecret(*passphrase, {});
  }
  if (const std::optional<Node> algorithm = auth.Get("assertion_algorithm")) {
    config.rs256 = algorithm->Text() == "RS256";
    if (!config.rs256 && algorithm->Text() != "PS256") {
      algorithm->Fail(Format("\"{}\" is unknown; write \"PS256\" or \"RS256\"", Quote(algorithm->Text())));
    }
  }
  return config;
}

void RefuseLooseCertificateKeys(const Node& auth) {
  for (const char* key : {"private_key", "private_key_passphrase", "assertion_algorithm"}) {
    if (const std::optional<Node> node = auth.Get(key)) {
      node->Fail("is used with \"certificate\" only; add that, or remove this");
    }
  }
}

}  // namespace

void ParseTenant(const Node& auth, const Provider& provider, TenantRule rule, AuthConfig* config) {
  config->tenant = provider.tenant;
  const std::optional<Node> node = auth.Get("tenant");
  if (!node) return;
  const std::string& tenant = node->Text();
  constexpr std::array<std::string_view, 3> kShared = {"common", "organizations", "consumers"};
  const bool shared = std::any_of(kShared.begin(), kShared.end(),
                                  [&](std::string_view name) { return base::EqualsIgnoreCase(tenant, name); });
  if (rule == TenantRule::kOne || !shared) {
    const bool microsoft = provider.vendor == Vendor::kMicrosoft;
    // Elsewhere a tenant is whatever the address needs.
    const std::string problem = microsoft || shared ? TenantProblem(tenant) : PathPartProblem(tenant);
    if (!problem.empty()) node->Fail(problem);
  }
  config->tenant = tenant;
}

void ParseAddresses(const Node& auth, const Provider& provider, AuthConfig* config) {
  if (const std::optional<Node> issuer = auth.Get("issuer")) {
    config->issuer = FillIn(auth, issuer->Text(), config->tenant);
    const std::string problem = TokenEndpointProblem(config->issuer);
    if (!problem.empty()) issuer->Fail(problem);
  }
  config->token_endpoint = ParseAddress(auth, "token_endpoint", provider.token_endpoint, config->tenant);
  if (config->token_endpoint.empty() && config->issuer.empty()) {
    auth.Require(
        "token_endpoint",
        "write the URL that gives tokens, or \"issuer\", from which it is found out, or name a \"provider\" that "
        "presets it");
  }
  // A token endpoint of one's own goes with addresses of one's own.
  const bool own = auth.Get("token_endpoint").has_value();
  const auto parse = [&](std::string_view key, std::string_view preset) {
    return ParseAddress(auth, key, own ? std::string_view() : preset, config->tenant);
  };
  if (config->method == AuthMethod::kAuthorizationCode) {
    config->authorization_endpoint = parse("authorization_endpoint", provider.authorization_endpoint);
    if (config->authorization_endpoint.empty() && config->issuer.empty()) {
      auth.Require("authorization_endpoint", "write the URL that a browser is sent to, or \"issuer\"");
    }
  }
  if (config->method == AuthMethod::kDeviceCode) {
    config->device_endpoint = parse("device_endpoint", provider.device_endpoint);
    if (config->device_endpoint.empty() && config->issuer.empty()) {
      auth.Require("device_endpoint", "write the URL that gives device codes, or \"issuer\"");
    }
  }
}

void ParseScope(const Node& auth, const Provider& provider, std::string_view preset, AuthConfig* config) {
  const std::optional<Node> node = auth.Get("scope");
  if (const std::optional<Node> resource = auth.Get("resource")) {
    if (node) resource->Fail("cannot be used together with \"scope\"; keep one of them");
    if (resource->Text().empty() || HasSpace(resource->Text()) || HasControlCharacter(resource->Text())) {
      resource->Fail("is no resource; write for example \"https://outlook.office365.com\"");
    }
    config->resource = resource->Text();
    return;
  }
  config->scope = node ? node->Text() : std::string(preset);
  if (!node) return;
  if (HasControlCharacter(config->scope)) node->Fail("contains a control character; remove it");
  const bool as_itself = config->method == AuthMethod::kClientCredentials;
  const auto matches = [&](std::string_view known) { return base::EqualsIgnoreCase(config->scope, known); };
  const auto known = provider.app_scopes;
  if (!as_itself || known.empty() || std::any_of(known.begin(), known.end(), matches)) return;
  std::string others;
  for (const std::string_view scope : known) {
    if (scope != provider.app_scope) others += Format("{}{}", others.empty() ? "" : ", ", scope);
  }
  node->Fail(Format("\"{}\" gives no token that opens mailboxes; write {} (or one of {})", Quote(config->scope),
                    provider.app_scope, others));
}

void ParseClientId(const Node& auth, const Provider& provider, AuthConfig* config) {
  const Node client_id = auth.Require("client_id", "write the application's (client) ID");
  config->client_id = client_id.Text();
  const bool plain =
      !config->client_id.empty() && !HasSpace(config->client_id) && !HasControlCharacter(config->client_id);
  if (plain && provider.vendor != Vendor::kMicrosoft) return;
  if (const std::string problem = ClientIdProblem(config->client_id); !problem.empty()) client_id.Fail(problem);
}

void ParseClientProof(const Node& auth, const Provider& provider, bool required, AuthConfig* config) {
  const std::optional<Node> certificate = auth.Get("certificate");
  const std::optional<Node> federated = auth.Get("federated_token_file");
  const std::optional<Node> secret = auth.Get("client_secret");
  for (const std::optional<Node>& other : {secret, federated}) {
    if (certificate && other) other->Fail("cannot be used together with \"certificate\"; keep one of them");
  }
  if (secret && federated) federated->Fail("cannot be used together with \"client_secret\"; keep one of them");
  if (!certificate) RefuseLooseCertificateKeys(auth);
  if (certificate) {
    config->certificate = ParseCertificate(auth, *certificate);
  } else if (federated) {
    config->federated_token = ParseSecretFile(*federated, /*lines=*/true, /*shared=*/true);
  } else if (secret) {
    config->client_secret = ParseSecret(*secret, {.never_guid = provider.vendor == Vendor::kMicrosoft});
  } else if (required) {
    auth.Require("client_secret",
                 "say where it is, for example { \"file\": \"contoso.secret\" }; or use \"certificate\" or "
                 "\"federated_token_file\"");
  }
}

}  // namespace mailboxfs::config
