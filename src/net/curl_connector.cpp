#include <poll.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "connect_setup.h"
#include "curl_handle.h"
#include "mailboxfs/base/log.h"
#include "mailboxfs/net/transport.h"

namespace mailboxfs::net {
namespace {

using base::Error;
using base::ErrorKind;

class CurlTransport final : public Transport {
 public:
  CurlTransport(std::unique_ptr<CurlTransfer> transfer, std::string server)
      : transfer_(std::move(transfer)), server_(std::move(server)), socket_(transfer_->easy().GetSocket()) {
    if (socket_ == CURL_SOCKET_BAD) {
      throw Error(ErrorKind::kNetwork, base::Format("connection to {} was closed at once", server_));
    }
  }

  void Write(std::string_view bytes, const base::Deadline& deadline, const base::WakeEvent& wake) override {
    while (!bytes.empty()) {
      CheckBounds(deadline, wake, "write to");
      size_t sent = 0;
      const CURLcode code = curl_easy_send(transfer_->easy().get(), bytes.data(), bytes.size(), &sent);
      if (code == CURLE_AGAIN) {
        Poll(POLLOUT, deadline, wake);
      } else if (code != CURLE_OK) {
        throw IoError("write to", code);
      }
      bytes.remove_prefix(sent);
    }
  }

  size_t Read(std::span<char> buffer, const base::Deadline& deadline, const base::WakeEvent& wake) override {
    for (;;) {
      CheckBounds(deadline, wake, "read from");
      if (const std::optional<size_t> count = TryRead(buffer)) return *count;
      Poll(POLLIN, deadline, wake);
    }
  }

  WaitResult Wait(const base::Deadline& deadline, const base::WakeEvent& wake) override {
    for (;;) {
      if (wake.IsSet()) return WaitResult::kWoken;
      // TLS may hold decrypted bytes that poll cannot see, or the socket bytes that give none.
      if (!ahead_.empty() || ended_) return WaitResult::kReadable;
      if (const std::optional<size_t> count = Receive(ahead_buffer_)) {
        ahead_ = std::span(ahead_buffer_).first(*count);
        ended_ = *count == 0;
        return WaitResult::kReadable;
      }
      if (deadline.Passed(Now())) return WaitResult::kTimeout;
      Poll(POLLIN, deadline, wake);
    }
  }

 private:
  static base::MonoTime Now() { return base::Clock::System().Now(); }

  // What is there without waiting; 0 is the end, nullopt "nothing now".
  std::optional<size_t> TryRead(std::span<char> buffer) {
    if (ended_) return 0;
    if (ahead_.empty()) return Receive(buffer);
    const size_t count = std::min(buffer.size(), ahead_.size());
    std::copy_n(ahead_.begin(), count, buffer.begin());
    ahead_ = ahead_.subspan(count);
    if (count == buffer.size()) return count;
    // The rest of what is there: Wait comes before nearly every Read.
    try {
      const std::optional<size_t> more = Receive(buffer.subspan(count));
      ended_ = more == size_t{0};
      return count + more.value_or(0);
    } catch (const Error& error) {
      failure_ = error;  // For the next call: what came before must not be lost, it may say why.
      return count;
    }
  }

  std::optional<size_t> Receive(std::span<char> buffer) {
    if (failure_) throw Error(*failure_);
    size_t count = 0;
    const CURLcode code = curl_easy_recv(transfer_->easy().get(), buffer.data(), buffer.size(), &count);
    if (code == CURLE_AGAIN) return std::nullopt;
    if (code != CURLE_OK) throw IoError("read from", code);
    return count;
  }

  void CheckBounds(const base::Deadline& deadline, const base::WakeEvent& wake, std::string_view what) const {
    if (wake.IsSet()) throw Error(ErrorKind::kCancelled, base::Format("cannot {} {}: cancelled", what, server_));
    if (deadline.Passed(Now())) {
      throw Error(ErrorKind::kTimeout, base::Format("cannot {} {}: no answer in time", what, server_));
    }
  }

  void Poll(short events, const base::Deadline& deadline, const base::WakeEvent& wake) const {
    std::array<pollfd, 2> entries{pollfd{socket_, events, 0}, pollfd{wake.fd(), POLLIN, 0}};
    if (::poll(entries.data(), entries.size(), deadline.PollMillis(Now())) < 0 && errno != EINTR) {
      throw base::ErrnoError(ErrorKind::kInternal, "poll", errno);
    }
  }

  Error IoError(std::string_view what, CURLcode code) const {
    return {ErrorKind::kNetwork,
            base::Format("cannot {} {}: connection lost: {}", what, server_, transfer_->easy().ErrorText(code))};
  }

  // Stays in its multi handle, which owns the connection.
  std::unique_ptr<CurlTransfer> transfer_;
  std::string server_;
  curl_socket_t socket_;
  // What Wait has read already.
  std::array<char, 256> ahead_buffer_{};
  std::span<char> ahead_;
  bool ended_ = false;
  std::optional<Error> failure_;
};

class CurlConnector final : public Connector {
 public:
  std::unique_ptr<Transport> Connect(const Endpoint& endpoint, const base::Deadline& deadline,
                                     const base::WakeEvent& wake) override {
    auto transfer = std::make_unique<CurlTransfer>();
    const std::string server = SetUpConnect(*transfer, endpoint);
    const std::string what = "connect to " + server;
    const CURLcode code = transfer->Run(what, deadline, wake);
    if (code != CURLE_OK) throw TransferError(what, code, transfer->easy());
    return std::make_unique<CurlTransport>(std::move(transfer), server);
  }
};

}  // namespace

std::unique_ptr<Connector> MakeCurlConnector() { return std::make_unique<CurlConnector>(); }

void InitNetwork() {
  if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) throw Error(ErrorKind::kInternal, "libcurl cannot start");
}

}  // namespace mailboxfs::net
