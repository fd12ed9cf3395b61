#pragma once

#include <optional>
#include <string>

#include "context.h"

namespace mailboxfs::tree {

// Which messages cannot be fetched, and when each is asked for again: the first time soon, then less and less often,
// once a day at last. Kept in the index, so that the next mount, too, leaves the server alone. Thread-safe.
class Outcomes {
 public:
  explicit Outcomes(std::shared_ptr<Context> context) : context_(std::move(context)) {}

  // Set while `message` is not to be asked for: what fetching it ended with.
  base::Status Known(const store::Node& message);
  // A fetch has failed; for any error, most of which concern other things.
  void OnFailure(const store::Node& message, const MailboxState& mailbox, const base::Error& error);
  void OnSuccess(Ino message);

 private:
  const std::shared_ptr<Context> context_;
};

// For people and programs: "stub".
std::string_view OutcomeName(store::Outcome::Kind kind);

}  // namespace mailboxfs::tree
