#pragma once

#include <string>

#include "curl_handle.h"
#include "mailboxfs/net/transport.h"

namespace mailboxfs::net {

// Makes `transfer` one that only connects and shakes hands; returns "host:port". Throws Error(kConfig) for what
// is no host and port, and for one without TLS that is not this machine.
std::string SetUpConnect(CurlTransfer& transfer, const Endpoint& endpoint);

}  // namespace mailboxfs::net
