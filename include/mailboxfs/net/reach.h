#pragma once

#include <string>
#include <vector>

#include "mailboxfs/base/clock.h"
#include "mailboxfs/base/error.h"
#include "mailboxfs/base/fd.h"
#include "mailboxfs/net/transport.h"

namespace mailboxfs::net {

// How far a connection comes, layer by layer, for `mailboxfs check`. All texts are printable, without the login of
// a proxy. What is not known is empty.
struct ReachReport {
  enum class Layer { kDns, kConnection, kTls, kDone };
  Layer failed_at = Layer::kDone;
  base::Status error;                  // Set unless kDone.
  std::vector<std::string> addresses;  // All that this machine's resolver knows, IPv6 too.
  std::string address;                 // The one in use; behind a proxy, the proxy's.
  std::string proxy;                   // Of the environment: "http://proxy.example.org:3128".
  std::string tls;                     // "TLSv1.3"; empty without TLS.
  // Of the server's certificate, also if it was not accepted.
  std::string subject, issuer, not_after;
  // The server and this machine have IPv6, but only IPv4 works: why not the other.
  std::string ipv6_problem;
};

// Connects as Connector does, shakes hands and hangs up; nothing is sent. Throws Error: kCancelled, kConfig (not
// an endpoint to connect to); all else is in the report. Thread-safe.
ReachReport Reach(const Endpoint& endpoint, const base::Deadline& deadline, const base::WakeEvent& wake);

}  // namespace mailboxfs::net
