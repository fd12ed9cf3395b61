#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "mailboxfs/base/clock.h"
#include "mailboxfs/base/fd.h"
#include "mailboxfs/base/secret.h"
#include "mailboxfs/net/http_client.h"
#include "mailboxfs/oauth/token_source.h"

// The ways to an access token, as values; MakeTokenSource makes them work.
namespace mailboxfs::oauth {

// Reads the secret anew; throws Error(kConfig).
using SecretReader = std::function<base::Secret()>;

// In the form body (RFC 6749 section 2.3.1).
struct ClientSecret {
  SecretReader secret;
};

// RFC 7518 section 3.1.
enum class SigningAlgorithm { kPs256, kRs256 };

// An assertion, signed anew for each request (RFC 7523 section 2.2; Microsoft's "certificate credentials").
struct ClientCertificate {
  SecretReader certificate;  // PEM.
  SecretReader private_key;  // PEM: PKCS#8 or PKCS#1, RSA, encrypted or not.
  SecretReader passphrase;   // Null: the key is not encrypted.
  SigningAlgorithm algorithm = SigningAlgorithm::kPs256;
};

// An assertion that somebody else has signed and replaces from time to time: workload identity federation.
struct FederatedToken {
  SecretReader token;
};

// A public client: nothing to show (RFC 6749 section 2.1).
struct NoAuthentication {};

// How the client shows the token endpoint who it is.
using ClientAuthentication = std::variant<NoAuthentication, ClientSecret, ClientCertificate, FederatedToken>;

// Throws Error(kConfig) if it cannot sign: what a reader throws, no key, no certificate, or not that of the key.
void CheckClientCertificate(const ClientCertificate& credential);

// For diagnosis. Throws as CheckClientCertificate.
struct CertificateFacts {
  std::string sha1, sha256;  // Thumbprints in upper case hexadecimal, as Microsoft's portal shows the first.
  base::WallTime not_before, not_after;
};
CertificateFacts DescribeCertificate(const ClientCertificate& credential);

// An authorization server's addresses. What is empty is read from the issuer's discovery document when it is
// needed (OpenID Connect Discovery 1.0 section 4), if there is an issuer.
struct Authority {
  std::string token_endpoint;  // Placeholders already filled in.
  std::string authorization_endpoint;
  std::string device_endpoint;
  std::string issuer;
  std::optional<std::string> ca_file;
};

struct Client {
  std::string id;
  ClientAuthentication authentication;
};

// RFC 6749 section 4.4.
struct ClientCredentials {
  Authority authority;
  Client client;
  std::string scope;
  std::string resource;  // Set: sent instead of `scope`, as Microsoft's v1 endpoints want it.
};

// RFC 6749 section 6. The token in the file is the newest; each new one is on the disk before the access token
// that came with it is used. Processes that share the file take turns.
struct RefreshToken {
  Authority authority;
  Client client;
  std::string scope;
  std::string file;      // See LoginFile.
  SecretReader initial;  // What to begin with, unless the file goes back to the same; null: only the file.
  std::string remedy;    // What a person should do when it is refused: "run: mailboxfs login contoso".
};

// Azure's instance metadata service. Not through a proxy.
struct ManagedIdentity {
  std::string endpoint;
  std::string resource;
  // Which of the machine's identities: ("client_id" | "object_id" | "msi_res_id", value).
  std::optional<std::pair<std::string, std::string>> identity;
};

// Google's domain-wide delegation: an assertion (RFC 7523 section 2.1) in the name of `subject`.
struct ServiceAccount {
  SecretReader key;            // Google's JSON file: client_email, private_key, private_key_id, token_uri.
  std::string token_endpoint;  // Empty: the key's token_uri.
  std::string scope;
  std::string subject;
  std::optional<std::string> ca_file;
};

// A program that prints a token, alone or in JSON ("access_token", "expires_in" or "expires_on"). If neither that nor
// the token itself says how long it lives, the program, which has a cache of its own, is asked again after a minute;
// sessions last until the server ends them, and the token serves until there is another one.
struct TokenCommand {
  // Runs it and gives its output. Throws Error: kConfig, kLoginRefused (it ran and failed), kTimeout, kCancelled.
  std::function<base::Secret(const base::Deadline&, const base::WakeEvent&)> run;
  std::string name;  // For texts.
};

// Throws Error(kConfig) if it is no key of a service account: what the reader throws, or not Google's JSON.
void CheckServiceAccountKey(const ServiceAccount& account);

using Grant = std::variant<ClientCredentials, RefreshToken, ManagedIdentity, ServiceAccount, TokenCommand>;

// `http` and `clock` are borrowed and must outlive the source. `random` gives values in [0, 1) for jitter.
std::unique_ptr<TokenSource> MakeTokenSource(Grant grant, net::HttpClient& http, const base::Clock& clock,
                                             std::function<double()> random);

}  // namespace mailboxfs::oauth
