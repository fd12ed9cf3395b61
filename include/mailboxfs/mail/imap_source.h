#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "mailboxfs/base/clock.h"
#include "mailboxfs/base/secret.h"
#include "mailboxfs/mail/connection_budget.h"
#include "mailboxfs/mail/governor.h"
#include "mailboxfs/model/mail_source.h"
#include "mailboxfs/model/server_profile.h"
#include "mailboxfs/net/transport.h"
#include "mailboxfs/oauth/token_source.h"

namespace mailboxfs::mail {

// How one mailbox is logged in to.
struct Login {
  std::string user;                            // SASL user: the mailbox's primary address.
  std::shared_ptr<oauth::TokenSource> tokens;  // Set: XOAUTH2 or OAUTHBEARER.
  std::function<base::Secret()> password;      // Else: AUTH=PLAIN or LOGIN.
};

// Every wait of the network draws on one of these.
struct Timeouts {
  base::Duration connect = std::chrono::seconds(20);   // DNS, TCP, TLS.
  base::Duration login = std::chrono::seconds(60);     // Greeting to the probe after AUTHENTICATE (Exchange is slow).
  base::Duration stall = std::chrono::seconds(30);     // No byte for so long: the connection is dead.
  base::Duration idle = std::chrono::minutes(5);       // An unused connection is closed.
  base::Duration keepalive = std::chrono::minutes(9);  // IDLE is renewed, or NOOP sent.
  base::Duration logout = std::chrono::seconds(2);
  base::Duration retry = std::chrono::seconds(1);  // Before the first new attempt; doubled up to 30 s.
};

// Which folders are not shown: shell patterns (fnmatch(3), `*` goes over slashes) for the decoded path, or that of an
// ancestor; `include` goes before `exclude`, and both before what is hidden by default.
struct FolderRules {
  std::vector<std::string> exclude, include;
};

struct ImapOptions {
  std::string name;  // "account/address", for log lines.
  net::Endpoint endpoint;
  Login login;
  size_t connections = 4;  // At most, for this mailbox.
  Timeouts timeouts;
  bool compress = true;  // COMPRESS=DEFLATE where offered.
  bool idle = true;      // IDLE where offered.
  model::ProfileOverrides profile;
  FolderRules folders;
  // The account's; null: the mailbox is an account of its own.
  std::shared_ptr<Governor> governor;
};

// What stays the same for all sources; borrowed, must outlive them. `random` gives values
// in [0, 1) for jitter and is called from several threads.
struct ImapEnvironment {
  net::Connector& connector;
  ConnectionBudget& budget;
  const base::Clock& clock;
  std::function<double()> random;
};

// MailSource over IMAP4rev1. Makes no connection before the first task; none of its commands
// changes anything at the server (EXAMINE, BODY.PEEK).
std::unique_ptr<model::MailSource> MakeImapSource(ImapOptions options, const ImapEnvironment& environment);

}  // namespace mailboxfs::mail
