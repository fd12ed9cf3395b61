#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "mailboxfs/base/error.h"
#include "mailboxfs/mail/imap_source.h"

namespace mailboxfs::mail {

// What one login to one mailbox showed, layer by layer, for `mailboxfs check`. Stops at the
// first layer that fails; `failed_at` names it.
struct ProbeReport {
  enum class Layer { kConnect, kGreeting, kToken, kLogin, kFolders, kMessage, kDone };
  Layer failed_at = Layer::kDone;
  base::Status error;                     // Set unless kDone.
  std::string greeting;                   // Printable.
  std::string mechanism;                  // "XOAUTH2", "OAUTHBEARER", "PLAIN", "LOGIN".
  std::vector<std::string> capabilities;  // After login.
  size_t folders = 0;
  uint32_t inbox_messages = 0;
  bool first_message_read = false;  // False if INBOX is empty.
  uint64_t first_message_size = 0;  // Exact.
  uint64_t first_message_estimate = 0;
};

// Blocking; call from a thread of its own or the command line. Uses one connection, logs out.
ProbeReport ProbeMailbox(const ImapOptions& options, const ImapEnvironment& environment);

}  // namespace mailboxfs::mail
