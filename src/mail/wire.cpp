#include "mail/wire.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include "mailboxfs/base/error.h"
#include "mailboxfs/base/log.h"

namespace mailboxfs::mail {
namespace {

using base::Error;
using base::ErrorKind;

constexpr size_t kChunkOctets = 64 * 1024;
// After a cancel a connection is worth this much waiting: a new one costs seconds.
constexpr uint64_t kDrainOctets = 256 * 1024;
constexpr base::Duration kDrainTime = std::chrono::seconds(2);

// Serves octets that were read too far, then the rest of the stream.
class PrefixedTransport final : public net::Transport {
 public:
  PrefixedTransport(std::string prefix, std::unique_ptr<net::Transport> inner)
      : prefix_(std::move(prefix)), inner_(std::move(inner)) {}

  void Write(std::string_view bytes, const base::Deadline& deadline, const base::WakeEvent& wake) override {
    inner_->Write(bytes, deadline, wake);
  }
  size_t Read(std::span<char> buffer, const base::Deadline& deadline, const base::WakeEvent& wake) override {
    if (used_ == prefix_.size()) return inner_->Read(buffer, deadline, wake);
    const size_t count = std::min(buffer.size(), prefix_.size() - used_);
    std::memcpy(buffer.data(), prefix_.data() + used_, count);
    used_ += count;
    return count;
  }
  net::WaitResult Wait(const base::Deadline& deadline, const base::WakeEvent& wake) override {
    if (used_ < prefix_.size()) return net::WaitResult::kReadable;
    return inner_->Wait(deadline, wake);
  }

 private:
  std::string prefix_;
  size_t used_ = 0;
  std::unique_ptr<net::Transport> inner_;
};

[[noreturn]] void ThrowCancelled() { throw Error(ErrorKind::kCancelled, "the task was cancelled"); }

}  // namespace

Wire::Wire(std::unique_ptr<net::Transport> transport, const base::Clock& clock, Signals& signals, base::Duration stall,
           MailboxState& mailbox)
    : transport_(std::move(transport)),
      clock_(clock),
      signals_(signals),
      stall_(stall),
      mailbox_(mailbox),
      buffer_(kChunkOctets) {}

void Wire::Send(std::string_view bytes) {
  last_octets_at_ = clock_.Now();
  try {
    transport_->Write(bytes, base::Deadline::After(clock_, stall_).Min(limit_), FatalEvent());
  } catch (...) {
    broken_ = true;
    throw;
  }
}

imap::Response Wire::Receive(imap::ResponseReader::BodyHandler* body) {
  try {
    return ReceiveUnguarded(body);
  } catch (...) {
    broken_ = true;
    throw;
  }
}

imap::Response Wire::ReceiveUnguarded(imap::ResponseReader::BodyHandler* body) {
  for (;;) {
    if (std::optional<imap::Response> response = reader_.Next(body)) return std::move(*response);
    if (!Feed()) Fill();
  }
}

std::optional<imap::Response> Wire::ReceiveUntil(const base::Deadline& until) {
  try {
    return ReceiveUntilUnguarded(until);
  } catch (...) {
    broken_ = true;
    throw;
  }
}

std::optional<imap::Response> Wire::ReceiveUntilUnguarded(const base::Deadline& until) {
  for (;;) {
    if (std::optional<imap::Response> response = reader_.Next(nullptr)) return response;
    if (Feed()) continue;
    if (transport_->Wait(until, signals_.wake) != net::WaitResult::kReadable) return std::nullopt;
    ReadSome(base::Deadline::After(clock_, stall_), signals_.wake);
  }
}

// Gives the reader what was read before; false if there is nothing left of it.
bool Wire::Feed() {
  if (pending_.empty()) return false;
  size_t count = pending_.size();
  if (line_by_line_) {
    const size_t line_end = pending_.find('\n');
    if (line_end != std::string_view::npos) count = line_end + 1;
  }
  reader_.Push(pending_.substr(0, count));
  pending_.remove_prefix(count);
  return true;
}

void Wire::Fill() {
  const base::Deadline deadline = base::Deadline::After(clock_, stall_).Min(limit_);
  for (;;) {
    const bool interruptible = interrupt_ != nullptr && !draining_ && !deaf_;
    const base::WakeEvent& event = interruptible ? signals_.wake : FatalEvent();
    switch (transport_->Wait(deadline.Min(drain_until_), event)) {
      case net::WaitResult::kReadable: return ReadSome(deadline.Min(drain_until_), event);
      case net::WaitResult::kWoken: OnWoken(); break;
      case net::WaitResult::kTimeout:
        if (draining_) ThrowCancelled();
        if (interruptible) mailbox_.OnStalled();
        throw Error(ErrorKind::kTimeout, "no answer from the server in time");
    }
  }
}

void Wire::ReadSome(const base::Deadline& deadline, const base::WakeEvent& event) {
  const size_t count = transport_->Read(std::span<char>(buffer_), deadline, event);
  if (count == 0) throw Error(ErrorKind::kNetwork, "the server closed the connection");
  last_octets_at_ = clock_.Now();
  mailbox_.OnReceived(count, last_octets_at_);
  if (octets_ahead_ > 0) mailbox_.OnAnswered(last_octets_at_);
  pending_ = std::string_view(buffer_.data(), count);
  if (draining_) {
    drained_ += count;
    if (drained_ > kDrainOctets) ThrowCancelled();
  }
}

void Wire::OnWoken() {
  // Cleared before asking: what is set later wakes again.
  signals_.wake.Clear();
  if (signals_.stop.IsSet()) ThrowCancelled();
  if (!interrupt_->Cancelled()) return;
  // Nobody waits any more because nothing has come.
  if (clock_.Now() - last_octets_at_ >= stall_ / 2) mailbox_.OnStalled();
  if (octets_ahead_ > kDrainOctets) ThrowCancelled();
  draining_ = true;
  drained_ = 0;
  drain_until_ = base::Deadline::After(clock_, kDrainTime);
}

void Wire::ThrowIfCancelled() {
  if (deaf_) return;
  if (signals_.stop.IsSet()) ThrowCancelled();
  if (interrupt_ != nullptr && interrupt_->Cancelled()) ThrowCancelled();
}

void Wire::EndDraining() {
  draining_ = false;
  drain_until_ = base::Deadline::Never();
}

void Wire::StartDeflate() {
  transport_ = net::WrapDeflate(std::make_unique<PrefixedTransport>(std::string(pending_), std::move(transport_)));
  pending_ = {};
  line_by_line_ = false;
}

}  // namespace mailboxfs::mail
