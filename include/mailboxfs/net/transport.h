#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "mailboxfs/base/clock.h"
#include "mailboxfs/base/fd.h"

namespace mailboxfs::net {

enum class Tls { kImplicit, kNone };

struct Endpoint {
  std::string host;
  uint16_t port = 0;
  Tls tls = Tls::kImplicit;
  std::optional<std::string> ca_file;  // PEM; the system's store if not set.
};

enum class WaitResult { kReadable, kWoken, kTimeout };

// A stream of bytes to a server. Thread-bound: one thread at a time. All methods throw
// Error: kTimeout at the deadline, kCancelled when `wake` is (or becomes) set, kNetwork
// or kTls otherwise. After an error only destruction is allowed.
class Transport {
 public:
  virtual ~Transport() = default;
  // Writes all of `bytes`.
  virtual void Write(std::string_view bytes, const base::Deadline& deadline, const base::WakeEvent& wake) = 0;
  // Reads at least one byte into `buffer`, which is not empty; 0 means that the server closed the
  // stream. TLS that was cut off without its closing alert looks the same: completeness is for the
  // protocol above to tell.
  virtual size_t Read(std::span<char> buffer, const base::Deadline& deadline, const base::WakeEvent& wake) = 0;
  // Waits until Read would not block, or would give the end. Does not throw for time-out or wake.
  virtual WaitResult Wait(const base::Deadline& deadline, const base::WakeEvent& wake) = 0;
};

// Connects, shakes hands, and verifies certificate and name. A connect time of its own is
// the caller's deadline; a set `wake` ends it at once.
class Connector {
 public:
  virtual ~Connector() = default;
  // Thread-safe.
  virtual std::unique_ptr<Transport> Connect(const Endpoint& endpoint, const base::Deadline& deadline,
                                             const base::WakeEvent& wake) = 0;
};

// libcurl CONNECT_ONLY: proxies from the environment, happy eyeballs, TLS >= 1.2.
std::unique_ptr<Connector> MakeCurlConnector();

// DEFLATE in both directions over `inner` (RFC 4978: raw deflate, flushed at each Write).
// Inflating is incremental and bounded by the reader's buffer.
std::unique_ptr<Transport> WrapDeflate(std::unique_ptr<Transport> inner);

// Call once in main before threads start.
void InitNetwork();

}  // namespace mailboxfs::net
