#include "outcomes.h"

#include <algorithm>

#include "mailboxfs/base/log.h"

namespace mailboxfs::tree {
namespace {

using base::ErrorKind;
using store::Outcome;

constexpr int64_t kLongest = 24L * 60 * 60;

ErrorKind KindOf(Outcome::Kind kind) {
  switch (kind) {
    case Outcome::Kind::kStub: return ErrorKind::kStub;
    case Outcome::Kind::kFailed: return ErrorKind::kMessageFailed;
    case Outcome::Kind::kUnfetchable: break;
  }
  return ErrorKind::kUnfetchable;
}

Outcome::Kind KindOf(ErrorKind kind) {
  if (kind == ErrorKind::kStub) return Outcome::Kind::kStub;
  return kind == ErrorKind::kMessageFailed ? Outcome::Kind::kFailed : Outcome::Kind::kUnfetchable;
}

// What a server cannot convert it will hardly learn to; what it refuses may pass.
int64_t PauseAfter(Outcome::Kind kind, unsigned tries) {
  int64_t pause = kind == Outcome::Kind::kFailed ? 30 : 15L * 60;
  for (unsigned i = 1; i < tries && pause < kLongest; ++i) pause *= 2;
  return std::min(pause, kLongest);
}

}  // namespace

std::string_view OutcomeName(Outcome::Kind kind) { return base::ErrorKindName(KindOf(kind)); }

base::Status Outcomes::Known(const store::Node& message) {
  const std::optional<Outcome> outcome = context_->index.GetOutcome(message.ino);
  const int64_t now = context_->WallSeconds();
  // A clock that was set back must not keep a message away for longer than any pause is.
  if (!outcome || now >= outcome->retry_at || outcome->retry_at - now > kLongest) return std::nullopt;
  return base::Error(KindOf(outcome->kind), base::Format("{}; the server is asked again in {} s at the earliest",
                                                         outcome->error, outcome->retry_at - now));
}

void Outcomes::OnFailure(const store::Node& message, const MailboxState& mailbox, const base::Error& error) {
  if (!model::ConcernsMessageAlone(error.kind())) return;
  try {
    Outcome outcome = context_->index.GetOutcome(message.ino).value_or(Outcome());
    const bool first = ++outcome.tries == 1;
    outcome.kind = KindOf(error.kind());
    outcome.failed_at = context_->WallSeconds();
    const int64_t pause = PauseAfter(outcome.kind, outcome.tries);
    outcome.retry_at = outcome.failed_at + pause;
    outcome.error = error.what();
    context_->index.SetOutcome(message.ino, outcome);
    base::Log(first ? base::LogLevel::kWarning : base::LogLevel::kInfo,
              "{}: {}: {}; reading it gives EIO, and the server is not asked again for {} s. See whether another mail "
              "program can open it; 'mailboxfs status' lists all of them",
              mailbox.name, message.name, error.what(), pause);
  } catch (const base::Error& failure) {
    base::LogWarning("{}: {}: that it cannot be fetched was not noted: {}", mailbox.name, message.name, failure.what());
  }
}

void Outcomes::OnSuccess(Ino message) {
  try {
    if (context_->index.GetOutcome(message)) context_->index.ClearOutcome(message);
  } catch (const base::Error& failure) {
    base::LogWarning("inode {}: that it can be fetched again was not noted: {}", message, failure.what());
  }
}

}  // namespace mailboxfs::tree
