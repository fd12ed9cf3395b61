#pragma once

#include <memory>
#include <string>

#include "mail/connection.h"
#include "mailboxfs/mail/probe.h"

namespace mailboxfs::mail {

// How far a login came, for `mailboxfs check`.
struct LoginTrace {
  ProbeReport::Layer layer = ProbeReport::Layer::kConnect;  // Being tried.
  std::string greeting;
  std::string mechanism;
  bool not_connected = false;  // The login was accepted, the mailbox not opened.
  bool reached = false;        // The server has greeted us.
  // Given back when it has: whoever waits for one shall not wait for a slow login.
  std::unique_ptr<ConnectionBudget::Place> turn;
};

// Connects, logs in, and proves that the mailbox really answers. If a token is refused and the
// source has another, that is tried once on a fresh connection. Throws Error: as net::Connector and
// oauth::TokenSource do, kLoginRefused, kUnsupported (no common way to log in), kThrottled
// (MailboxState knows the pause), kServer (trouble that may pass: try again), kProtocol,
// kTimeout, kCancelled.
std::unique_ptr<Connection> OpenConnection(const ConnectionContext& context, LoginTrace& trace);

}  // namespace mailboxfs::mail
