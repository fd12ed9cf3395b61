#include "auth.h"

#include <algorithm>
#include <array>

#include "account.h"
#include "auth_client.h"
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

constexpr std::string_view kImdsEndpoint = "http://169.254.169.254/metadata/identity/oauth2/token";

struct Method {
  std::string_view name;
  AuthMethod method;
  std::array<std::string_view, 15> keys;  // Beside "method".
};

constexpr Method kMethods[] = {
    {"client-credentials",
     AuthMethod::kClientCredentials,
     {"tenant", "client_id", "client_secret", "certificate", "private_key", "private_key_passphrase",
      "assertion_algorithm", "federated_token_file", "token_endpoint", "issuer", "scope", "resource", "ca_file"}},
    {"managed-identity",
     AuthMethod::kManagedIdentity,
     {"client_id", "object_id", "resource_id", "resource", "token_endpoint"}},
    {"device-code",
     AuthMethod::kDeviceCode,
     {"tenant", "client_id", "client_secret", "certificate", "private_key", "private_key_passphrase",
      "assertion_algorithm", "device_endpoint", "token_endpoint", "issuer", "scope", "ca_file"}},
    {"authorization-code",
     AuthMethod::kAuthorizationCode,
     {"tenant", "client_id", "client_secret", "certificate", "private_key", "private_key_passphrase",
      "assertion_algorithm", "authorization_endpoint", "redirect_port", "token_endpoint", "issuer", "scope",
      "ca_file"}},
    {"refresh-token",
     AuthMethod::kRefreshToken,
     {"tenant", "client_id", "client_secret", "certificate", "private_key", "private_key_passphrase",
      "assertion_algorithm", "refresh_token", "token_endpoint", "issuer", "scope", "ca_file"}},
    {"service-account", AuthMethod::kServiceAccount, {"service_account_key", "token_endpoint", "scope", "ca_file"}},
    {"token-command", AuthMethod::kTokenCommand, {"command"}},
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

void ParseClientCredentials(const Node& auth, const Provider& provider, AuthConfig* config) {
  ParseTenant(auth, provider, TenantRule::kOne, config);
  ParseClientId(auth, provider, config);
  ParseAddresses(auth, provider, config);
  ParseScope(auth, provider, provider.app_scope, config);
  config->ca_file = GetCaFile(auth);
  ParseClientProof(auth, provider, /*required=*/true, config);
}

// The methods that end in a refresh token.
void ParseUserLogin(const Node& auth, const Provider& provider, AuthConfig* config) {
  ParseTenant(auth, provider, TenantRule::kShared, config);
  ParseClientId(auth, provider, config);
  ParseAddresses(auth, provider, config);
  ParseScope(auth, provider, provider.user_scope, config);
  config->ca_file = GetCaFile(auth);
  ParseClientProof(auth, provider, /*required=*/false, config);
  for (const auto& [name, value] : provider.authorization_fields) {
    config->authorization_fields.emplace_back(name, value);
  }
  // OpenID Connect Core section 11: only with this there is a refresh token. Microsoft's endpoints don't want it.
  const bool offline = config->scope.find("offline_access") != std::string::npos;
  if (provider.vendor == Vendor::kOther && offline) config->authorization_fields.emplace_back("prompt", "consent");
  if (const auto port = GetInteger(auth, "redirect_port", 1, 65535)) {
    config->redirect_port = static_cast<uint16_t>(*port);
  }
  if (config->method == AuthMethod::kRefreshToken) {
    const Node token = auth.Require("refresh_token", "say where it is, for example { \"file\": \"mail.token\" }");
    config->refresh_token = ParseSecret(token, {});
  }
}

void ParseManagedIdentity(const Node& auth, const Provider& provider, AuthConfig* config) {
  constexpr std::pair<std::string_view, std::string_view> kIdentities[] = {
      {"client_id", "client_id"}, {"object_id", "object_id"}, {"resource_id", "msi_res_id"}};
  for (const auto& [key, field] : kIdentities) {
    const std::optional<Node> node = auth.Get(key);
    if (!node) continue;
    if (config->identity) node->Fail("is a second way to name the identity; keep one of them");
    if (node->Text().empty() || HasControlCharacter(node->Text())) {
      node->Fail("is empty or contains a control character; write only the identity's ID, or remove it");
    }
    config->identity.emplace(field, node->Text());
    if (key == "client_id") config->client_id = node->Text();
  }
  ParseScope(auth, provider, "", config);
  if (config->resource.empty()) config->resource = provider.resource;
  if (config->resource.empty()) auth.Require("resource", "write for example \"https://outlook.office365.com\"");
  config->token_endpoint = kImdsEndpoint;
  if (const std::optional<Node> endpoint = auth.Get("token_endpoint")) {
    const std::string problem = MetadataEndpointProblem(endpoint->Text());
    if (!problem.empty()) endpoint->Fail(problem);
    config->token_endpoint = endpoint->Text();
  }
}

void ParseServiceAccount(const Node& auth, const Provider& provider, AuthConfig* config) {
  const Node key = auth.Require("service_account_key",
                                "say where Google's key file is, for example { \"file\": \"service-account.json\" }");
  config->service_account_key = ParseSecret(key, {.lines = true});
  ParseScope(auth, provider, provider.app_scope, config);
  if (config->scope.empty()) auth.Require("scope", "write for example \"https://mail.google.com/\"");
  config->ca_file = GetCaFile(auth);
  if (const std::optional<Node> endpoint = auth.Get("token_endpoint")) {
    const std::string problem = TokenEndpointProblem(endpoint->Text());
    if (!problem.empty()) endpoint->Fail(problem);
    config->token_endpoint = endpoint->Text();
  }
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
  config->password = ParseSecret(secret, {});
}

}  // namespace

std::string_view MethodName(AuthMethod method) {
  return std::find_if(std::begin(kMethods), std::end(kMethods),
                      [method](const Method& known) { return known.method == method; })
      ->name;
}

bool IsInteractive(AuthMethod method) {
  return method == AuthMethod::kDeviceCode || method == AuthMethod::kAuthorizationCode;
}

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
    case AuthMethod::kManagedIdentity: ParseManagedIdentity(auth, provider, &config); break;
    case AuthMethod::kDeviceCode:
    case AuthMethod::kAuthorizationCode:
    case AuthMethod::kRefreshToken: ParseUserLogin(auth, provider, &config); break;
    case AuthMethod::kServiceAccount: ParseServiceAccount(auth, provider, &config); break;
    case AuthMethod::kTokenCommand:
      config.command = ParseCommand(auth.Require(
          "command", "write the program that prints a token, for example [\"oama\", \"access\", \"{mailbox}\"]"));
      break;
    case AuthMethod::kPassword: ParsePassword(auth, mailboxes, &config); break;
  }
  return config;
}

}  // namespace mailboxfs::config
