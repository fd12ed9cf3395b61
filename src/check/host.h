#pragma once

#include <string_view>

#include "context.h"
#include "facts.h"
#include "mailboxfs/net/transport.h"
#include "report.h"

namespace mailboxfs::check {

// DNS, connection and TLS of one host: `prefix` "mail" gives "mail-dns", "mail-connection", "mail-tls". False if one
// of them failed.
bool CheckHost(const Context& context, Subject& subject, std::string_view prefix, const net::Endpoint& endpoint,
               const config::Account& account, Facts facts);

}  // namespace mailboxfs::check
