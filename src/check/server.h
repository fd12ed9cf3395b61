#pragma once

#include <string>
#include <vector>

#include "context.h"
#include "facts.h"
#include "mailboxfs/mail/probe.h"
#include "report.h"

namespace mailboxfs::check {

// What an opened mailbox is like: folders, sizes, messages, IDLE.
void CheckContents(const Context& context, Subject& subject, const mail::ProbeReport& probe);

// What the server is like, once for an account; `mailboxes` are those that were checked.
void CheckServer(const Context& context, Subject& subject, const config::Account& account,
                 const std::vector<const config::MailboxConfig*>& mailboxes, const mail::ProbeReport& probe);

}  // namespace mailboxfs::check
