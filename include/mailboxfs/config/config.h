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

namespace mailboxfs::config {

// Where a secret comes from; one of them. Read anew each time it is needed.
struct SecretSpec {
  enum class Kind { kFile, kEnvironment, kCommand, kCredential, kLiteral };
  Kind kind = Kind::kFile;
  std::string value;                 // Path, variable or credential name.
  std::vector<std::string> command;  // kCommand: argv; no shell.
  base::Secret literal;              // kLiteral.
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
};

enum class AuthMethod { kClientCredentials, kPassword };

struct AuthConfig {
  AuthMethod method = AuthMethod::kClientCredentials;
  std::string tenant, client_id, token_endpoint, scope;  // token_endpoint: {tenant} replaced.
  SecretSpec secret;                                     // client_secret or password.
  std::optional<std::string> user;                       // Password: the user name if not the address.
  std::optional<std::string> ca_file;
};

struct MailboxConfig {
  std::string address;
  std::string name;  // Directory name.
};

struct Account {
  std::string name;
  std::string provider;
  ImapConfig imap;
  AuthConfig auth;
  std::vector<MailboxConfig> mailboxes;
};

struct Config {
  std::string path;  // Absolute, as given; for messages and the fsname.
  std::vector<Account> accounts;
  std::string cache_directory;  // Resolved.
  std::string state_directory;  // Resolved.
  uint64_t cache_size = 0;      // Bytes.
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

// All keys the schema knows, dotted ("accounts.*.imap.host"), for the man page's test.
std::vector<std::string> SchemaKeys();

}  // namespace mailboxfs::config
