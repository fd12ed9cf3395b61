#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "mail/mailbox_state.h"
#include "mailboxfs/base/clock.h"
#include "mailboxfs/base/fd.h"
#include "mailboxfs/imap/response_parser.h"
#include "mailboxfs/net/transport.h"

namespace mailboxfs::mail {

// How other threads reach the thread that owns a connection. Thread-safe.
struct Signals {
  base::WakeEvent wake;                   // Look around: the task was cancelled, or there is something to do.
  base::WakeEvent stop;                   // End at once; set for good. `wake` is set after it.
  std::atomic<bool> close_wanted{false};  // Somebody else wants the place of this connection.
};

// Tells a wait whether its result is still wanted.
class Interrupt {
 public:
  virtual ~Interrupt() = default;
  // Asked on the connection's thread after `wake` was set. True ends the command.
  virtual bool Cancelled() = 0;
};

// Bytes out, responses in: deadlines, cancelling, and the switch to DEFLATE, without any
// knowledge of commands. Thread-bound. All methods throw Error: kTimeout (no byte for the
// stall time, or the limit passed), kCancelled, kNetwork, kTls, kProtocol; an error in the
// middle makes the wire broken(), and then only destruction is allowed.
class Wire {
 public:
  // Borrows all but the transport.
  Wire(std::unique_ptr<net::Transport> transport, const base::Clock& clock, Signals& signals, base::Duration stall,
       MailboxState& mailbox);

  void Send(std::string_view bytes);
  // Waits for one response. BODY[] literals go to `body` if it is set.
  imap::Response Receive(imap::ResponseReader::BodyHandler* body);
  // Waits for one response while nothing is due; nullopt: `until` passed or `wake` is set.
  std::optional<imap::Response> ReceiveUntil(const base::Deadline& until);

  // An end for everything that follows, beside the stall time; Deadline::Never() lifts it.
  void SetLimit(const base::Deadline& limit) { limit_ = limit; }
  // From now on no event ends a wait, only the limit: for the last words.
  void IgnoreSignals() { deaf_ = true; }

  // Null: only `stop` ends a wait. Borrowed.
  void SetInterrupt(Interrupt* interrupt) { interrupt_ = interrupt; }
  // Throws kCancelled, the wire unharmed, if there is no use in sending a command.
  void ThrowIfCancelled();
  // Octets that will surely come before the running command can end; decides whether
  // reading on after a cancel is worth it.
  void SetOctetsAhead(uint64_t octets) { octets_ahead_ = octets; }
  // The command was cancelled; the rest of its answer is being read for the sake of the connection.
  bool draining() const { return draining_; }
  void EndDraining();

  // From now on take in one line at a time, so that nothing after it is taken for a response.
  void SetLineByLine(bool on) { line_by_line_ = on; }
  // All that comes after the last response is DEFLATE data, in both directions.
  void StartDeflate();

  bool broken() const { return broken_; }
  void SetBroken() { broken_ = true; }

 private:
  imap::Response ReceiveUnguarded(imap::ResponseReader::BodyHandler* body);
  std::optional<imap::Response> ReceiveUntilUnguarded(const base::Deadline& until);
  bool Feed();
  void Fill();
  void ReadSome(const base::Deadline& deadline, const base::WakeEvent& event);
  void OnWoken();
  const base::WakeEvent& FatalEvent() const { return deaf_ ? never_ : signals_.stop; }

  std::unique_ptr<net::Transport> transport_;
  const base::Clock& clock_;
  Signals& signals_;
  const base::Duration stall_;
  MailboxState& mailbox_;
  imap::ResponseReader reader_;
  std::vector<char> buffer_;
  std::string_view pending_;  // Part of `buffer_` that the reader has not been given.
  base::WakeEvent never_;
  base::Deadline limit_ = base::Deadline::Never();
  base::Deadline drain_until_ = base::Deadline::Never();
  Interrupt* interrupt_ = nullptr;
  base::MonoTime last_octets_at_;  // Sent or received.
  uint64_t octets_ahead_ = 0;
  uint64_t drained_ = 0;
  bool draining_ = false;
  bool line_by_line_ = false;
  bool deaf_ = false;
  bool broken_ = false;
};

}  // namespace mailboxfs::mail
