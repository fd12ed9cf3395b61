#include "auth.h"

#include <algorithm>
#include <array>

#include "checks.h"
#include "file_checks.h"
#include "mailboxfs/base/encoding.h"
#include "mailboxfs/base/error.h"
#include "mailboxfs/base/log.h"
#include "paths.h"
#include "secret_source.h"

namespace mailboxfs::config {

using base::Format;

namespace {

struct Method {
  std::string_view name;
  AuthMethod method;
  std::array<std::string_view, 6> keys;  // Beside "method".
};

constexpr Method kMethods[] = {
    {"client-credentials",
     AuthMethod::kClientCredentials,
     {"tenant", "client_id", "client_secret", "token_endpoint", "scope", "ca_file"}},
    {"password", AuthMethod::kPassword, {"user", "password"}},
};

std::string MethodNames() {
  std::string names;
  for (const Method& method : kMethods) names += Format("{}{}", names.empty() ? "" : ", ", method.name);
  return names;
}

const Method& ParseMethod(const Node& auth, const Provider& provider) {
  const std::optional<Node> given = auth.Get("method");
  if (!given && provider.method.empty()) {
    auth.Require("method", Format("the known methods are {}", MethodNames()));
  }
  const std::string_view name = given ? std::string_view(given->Text()) : provider.method;
  const auto* found =
      std::find_if(std::begin(kMethods), std::end(kMethods), [&](const Method& method) { return method.name == name; });
  if (found == std::end(kMethods)) {
    given->Fail(Format("\"{}\" is unknown; the known methods are {}", Quote(name), MethodNames()));
  }
  return *found;
}

void RefuseForeignKeys(const Node& auth, const Method& method) {
  for (const Node& member : auth.Children()) {
    if (member.value().IsNull() || member.key() == "method") continue;
    if (std::find(method.keys.begin(), method.keys.end(), member.key()) == method.keys.end()) {
      member.Fail(Format("is not used by the method \"{}\"; remove it, or change \"method\"", method.name));
    }
  }
}

std::string ParseTenant(const Node& auth, const Provider& provider) {
  const std::optional<Node> node = auth.Get("tenant");
  if (!node) return {};
  const std::string& tenant = node->Text();
  for (const std::string_view shared : {"common", "organizations", "consumers"}) {
    if (base::EqualsIgnoreCase(tenant, shared)) {
      node->Fail(
          Format("\"{}\" stands for any tenant, and an application that logs in as itself belongs to one; write "
                 "the tenant's ID or domain",
                 shared));
    }
  }
  const bool valid = !tenant.empty() && std::all_of(tenant.begin(), tenant.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
  });
  const bool whole = !provider.tenant_is_guid_or_domain || LooksLikeGuid(tenant) || tenant.find('.') != tenant.npos;
  if (!valid || !whole) {
    node->Fail("is no tenant; write its ID (a GUID) or a domain such as contoso.onmicrosoft.com");
  }
  return tenant;
}

std::string ParseTokenEndpoint(const Node& auth, const Provider& provider, const std::string& tenant) {
  const std::optional<Node> given = auth.Get("token_endpoint");
  if (!given && provider.token_endpoint.empty()) {
    auth.Require("token_endpoint", "write the URL that gives tokens, or name a \"provider\" that presets it");
  }
  std::string url = given ? given->Text() : std::string(provider.token_endpoint);
  constexpr std::string_view kPlaceholder = "{tenant}";
  for (size_t at = url.find(kPlaceholder); at != std::string::npos; at = url.find(kPlaceholder, at)) {
    if (tenant.empty()) {
      auth.Require("tenant",
                   "write the tenant's ID (a GUID) or a domain such as contoso.onmicrosoft.com; the token "
                   "endpoint needs it");
    }
    url.replace(at, kPlaceholder.size(), tenant);
    at += tenant.size();
  }
  const std::string problem = TokenEndpointProblem(url);
  if (given && !problem.empty()) given->Fail(problem);
  return url;
}

std::string ParseScope(const Node& auth, const Provider& provider) {
  const std::optional<Node> node = auth.Get("scope");
  if (!node) return std::string(provider.scope);
  const std::string& scope = node->Text();
  if (HasControlCharacter(scope)) node->Fail("contains a control character; remove it");
  const auto matches = [&](std::string_view known) { return base::EqualsIgnoreCase(scope, known); };
  if (provider.scopes.empty() || std::any_of(provider.scopes.begin(), provider.scopes.end(), matches)) return scope;
  std::string others;
  for (const std::string_view known : provider.scopes) {
    if (known != provider.scope) others += Format("{}{}", others.empty() ? "" : ", ", known);
  }
  node->Fail(Format("\"{}\" gives no token that opens mailboxes; write {} (or one of {})", Quote(scope), provider.scope,
                    others));
}

void ParseClientCredentials(const Node& auth, const Provider& provider, AuthConfig* config) {
  config->tenant = ParseTenant(auth, provider);
  const Node client_id = auth.Require("client_id", "write the application's (client) ID");
  config->client_id = client_id.Text();
  if (config->client_id.empty()) client_id.Fail("is empty; write the application's (client) ID");
  if (HasSpace(config->client_id) || HasControlCharacter(config->client_id)) {
    client_id.Fail("contains white space or a control character; write only the application's (client) ID");
  }
  config->token_endpoint = ParseTokenEndpoint(auth, provider, config->tenant);
  config->scope = ParseScope(auth, provider);
  config->ca_file = GetCaFile(auth);
  const Node secret = auth.Require("client_secret", "say where it is, for example { \"file\": \"contoso.secret\" }");
  config->secret = ParseSecret(secret, provider.secret_is_never_guid);
}

void ParsePassword(const Node& auth, size_t mailboxes, AuthConfig* config) {
  if (const std::optional<Node> user = auth.Get("user")) {
    if (user->Text().empty()) user->Fail("is empty; write the user name, or remove it to use the mailbox's address");
    if (HasControlCharacter(user->Text())) user->Fail("contains a control character; remove it");
    if (mailboxes > 1) {
      user->Fail(
          Format("one user cannot log in to {} mailboxes; make an account for each, or remove it to use the "
                 "mailbox's address",
                 mailboxes));
    }
    config->user = user->Text();
  }
  const Node secret = auth.Require("password", "say where it is, for example { \"file\": \"mail.secret\" }");
  config->secret = ParseSecret(secret, /*never_guid=*/false);
}

}  // namespace

std::optional<std::string> GetCaFile(const Node& node) {
  const std::optional<Node> ca_file = node.Get("ca_file");
  if (!ca_file) return std::nullopt;
  std::string path;
  try {
    path = ResolvePath(ca_file->Text(), node.file().directory);
  } catch (const base::Error& error) {
    ca_file->Fail(error.what());
  }
  const std::string problem = CertificateFileProblem(path);
  if (!problem.empty()) ca_file->Fail(Format("{}; name a file of certificates in PEM form", problem));
  return path;
}

AuthConfig ParseAuth(const Node& account, const Provider& provider, size_t mailboxes) {
  const Node auth = account.Require("auth", R"(write for example { "method": "client-credentials", ... })");
  const Method& method = ParseMethod(auth, provider);
  RefuseForeignKeys(auth, method);
  AuthConfig config;
  config.method = method.method;
  switch (method.method) {
    case AuthMethod::kClientCredentials: ParseClientCredentials(auth, provider, &config); break;
    case AuthMethod::kPassword: ParsePassword(auth, mailboxes, &config); break;
  }
  return config;
}

}  // namespace mailboxfs::config
