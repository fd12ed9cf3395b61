// The quiet part of a connection's life: NOOP, IDLE, waiting, LOGOUT.
#include <utility>

#include "mail/connection.h"
#include "mail/refusal.h"
#include "mailboxfs/base/encoding.h"
#include "mailboxfs/base/log.h"

namespace mailboxfs::mail {

void Connection::Noop(const std::function<void()>& on_change) {
  Request request;
  request.fetch_is_news = true;
  request.name = "NOOP";
  request.command = imap::CommandBuilder(NextTag(), "NOOP").Finish();
  RequireOk(Run(request), "keeping the connection alive");
  if (std::exchange(noted_change_, false) && examined_) on_change();
}

void Connection::Deliver(const imap::Response& response, const std::function<void()>& on_change) {
  if (NoteUnsolicited(response) && examined_) on_change();
}

void Connection::WaitIdle(const base::Deadline& until, const std::function<void()>& on_change) {
  while (const std::optional<imap::Response> response = wire_.ReceiveUntil(until)) Deliver(*response, on_change);
}

bool Connection::Idle(const base::Deadline& until, const std::function<void()>& on_change) {
  Request request;
  request.name = "IDLE";
  request.command = imap::CommandBuilder(NextTag(), "IDLE").Finish();
  request.fetch_is_news = true;
  bool ready = false;
  // Exchange sends EXISTS before the continuation, mostly with the count that is known.
  request.on_continuation = [&] {
    if (ready) throw base::Error(base::ErrorKind::kProtocol, "the server accepted one IDLE twice");
    ready = true;
    if (std::exchange(noted_change_, false)) on_change();
    WaitIdle(until, on_change);
    if (context_.signals.stop.IsSet()) LimitGoodbye();
    wire_.Send("DONE\r\n");
  };
  const imap::StatusResponse status = Run(request);
  if (std::exchange(noted_change_, false)) on_change();
  if (ThrottlePause(status) || IsNotConnected(status)) RequireOk(status, "waiting for news");
  return status.condition == imap::Condition::kOk;
}

void Connection::LimitGoodbye() {
  if (logging_out_) return;
  logging_out_ = true;
  wire_.SetInterrupt(nullptr);
  wire_.IgnoreSignals();
  wire_.SetLimit(base::Deadline::After(context_.environment.clock, context_.options.timeouts.logout));
}

void Connection::Logout() noexcept {
  try {
    if (broken()) return;
    LimitGoodbye();
    Request request;
    request.name = "LOGOUT";
    request.command = imap::CommandBuilder(NextTag(), "LOGOUT").Finish();
    Run(request);
  } catch (const std::exception& error) {
    // Nothing depends on the goodbye.
    base::LogDebug("{} #{}: no clean logout: {}", context_.options.name, number_, error.what());
  }
}

}  // namespace mailboxfs::mail
