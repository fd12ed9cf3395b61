#pragma once

#include <string>

#include "context.h"
#include "facts.h"
#include "mailboxfs/mail/probe.h"
#include "report.h"

namespace mailboxfs::check {

struct MailboxResult {
  bool opened = false;
  bool refused = false;  // The login: somebody must act.
  mail::ProbeReport probe;
};

// One mailbox: the login, and what it shows of the mailbox. `person`: the token is one of a person.
MailboxResult CheckMailbox(const Context& context, Subject& subject, const config::Account& account,
                           const config::MailboxConfig& mailbox, bool person, const Facts& facts);

// What is odd about an address that cannot log in; empty: nothing.
std::string AddressHint(const std::string& address);

}  // namespace mailboxfs::check
