#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "mailboxfs/base/clock.h"
#include "mailboxfs/base/secret.h"
#include "mailboxfs/json/json.h"
#include "mailboxfs/model/server_profile.h"

namespace mailboxfs::config {

// Where a secret comes from; one of them. Read anew each time it is needed.
struct SecretSpec {
  enum class Kind { kFile, kEnvironment, kCommand, kCredential, kLiteral };
  Kind kind = Kind::kFile;
  std::string value;                 // Path, variable or credential name.
  std::vector<std::string> command;  // kCommand: argv; no shell.
  base::Secret literal;              // kLiteral.
  bool lines = false;                // May have several lines, as PEM does.
  bool shared = false;               // kFile: others may read it.
  std::string where;                 // "accounts.contoso.auth.client_secret (FILE line N)" for messages.
};

// Throws Error(kConfig), one line: missing, empty, unreadable, or a file that group or others
// can read. One trailing newline is removed. A command gets 30 s.
base::Secret ReadSecret(const SecretSpec& spec);

struct ImapConfig {
  std::string host;
  uint16_t port = 993;
  bool tls = true;
  std::optional<std::string> ca_file;
  unsigned connections = 4;
  model::ProfileOverrides profile;
};

// Which folders are not shown, beyond those that the kind of server has by default: shell patterns (fnmatch(3), `*`
// goes over slashes) for a folder's path or an ancestor's. `include` goes before everything.
struct FoldersConfig {
  std::vector<std::string> exclude, include;
};

// How an account gets what it logs in with. All but the last give tokens.
enum class AuthMethod {
  kClientCredentials,
  kManagedIdentity,
  kDeviceCode,
  kAuthorizationCode,
  kRefreshToken,
  kServiceAccount,
  kTokenCommand,
  kPassword,
};

// "client-credentials", ...: the word in the file.
std::string_view MethodName(AuthMethod method);
// A person logs in once, with `mailboxfs login`.
bool IsInteractive(AuthMethod method);

// PEM, read anew for each token.
struct CertificateConfig {
  SecretSpec certificate;
  SecretSpec private_key;  // May be the same file.
  std::optional<SecretSpec> passphrase;
  bool rs256 = false;  // Sign with RS256 instead of PS256.
};

// What a method does not use is empty.
struct AuthConfig {
  AuthMethod method = AuthMethod::kClientCredentials;
  std::string tenant, client_id, scope;
  std::string resource;  // Sent instead of `scope` if set.
  // URLs, {tenant} replaced; what is empty is found out from the issuer.
  std::string token_endpoint, authorization_endpoint, device_endpoint, issuer;
  std::vector<std::pair<std::string, std::string>> authorization_fields;  // Further query parameters of the provider.
  // How the client shows who it is: one of them, or none (a public client).
  std::optional<SecretSpec> client_secret;
  std::optional<SecretSpec> federated_token;
  std::optional<CertificateConfig> certificate;

  std::optional<SecretSpec> refresh_token;                      // kRefreshToken: the first one.
  std::optional<SecretSpec> service_account_key;                // kServiceAccount: JSON.
  std::optional<std::pair<std::string, std::string>> identity;  // kManagedIdentity: form field and value.
  std::vector<std::string> command;                             // kTokenCommand: argv; {mailbox} not yet replaced.
  uint16_t redirect_port = 0;                                   // kAuthorizationCode: 0 is any.
  std::string login_file;  // kDeviceCode, kAuthorizationCode, kRefreshToken: where the newest refresh token is.

  std::optional<SecretSpec> password;  // kPassword.
  std::optional<std::string> user;     // kPassword: the user name if not the address.
  std::optional<std::string> ca_file;
};

struct MailboxConfig {
  std::string address;
  std::string name;  // Directory name.
};

// Whose servers these are, as far as advice differs.
enum class Vendor { kOther, kMicrosoft, kGoogle, kFastmail, kYahoo, kApple };

struct Account {
  std::string name;
  std::string provider;
  Vendor vendor = Vendor::kOther;
  std::string login_command;         // `mailboxfs login` for this account, quoted for a shell.
  std::string exchange_environment;  // Connect-ExchangeOnline's -ExchangeEnvironmentName; empty: the default.
  std::string graph_environment;     // Connect-MgGraph's -Environment; empty: the default.
  ImapConfig imap;
  FoldersConfig folders;
  AuthConfig auth;
  std::vector<MailboxConfig> mailboxes;
};

struct Config {
  std::string path;  // Absolute, as given; for messages and the fsname.
  std::vector<Account> accounts;
  std::string cache_directory;               // Resolved.
  std::string check_command;                 // "mailboxfs check -c FILE", for a shell.
  std::string state_directory;               // Resolved.
  uint64_t cache_size = 0;                   // Bytes.
  uint64_t read_ahead = uint64_t{8} << 20U;  // Bytes, for each reader; 0: none.
  std::string names = "{date}_{subject}.{uid}.eml";
  unsigned max_connections = 64;  // "connections": over all mailboxes.
  base::Duration refresh_interval = std::chrono::seconds(60);
  struct Timeouts {
    base::Duration connect = std::chrono::seconds(20), login = std::chrono::seconds(60),
                   stall = std::chrono::seconds(30), total = std::chrono::minutes(10), idle = std::chrono::minutes(5);
  } timeouts;
};

// Reads and checks the whole file. Every mistake is one Error(kConfig):
// "FILE:LINE: key: what is wrong; what to do". Secrets are checked for being readable too.
Config Load(const std::string& path);

// Default file: $XDG_CONFIG_HOME/mailboxfs/config.json, ~/.config/..., /etc/mailboxfs/config.json.
std::string DefaultPath();
// Where a new one belongs: in the user's own place; root's in /etc, unless root has one of its own, which would hide
// it.
std::string PathForNew(bool root);

// What the provider's tokens are for, as a configuration would say it; empty: not known. Reentrant.
std::string PresetScope(const std::string& provider, bool person);
std::string PresetResource(const std::string& provider);

// All keys the schema knows, dotted ("accounts.*.imap.host"), for the man page's test.
std::vector<std::string> SchemaKeys();

}  // namespace mailboxfs::config
