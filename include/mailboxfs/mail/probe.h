#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "mailboxfs/base/clock.h"
#include "mailboxfs/base/error.h"
#include "mailboxfs/base/fd.h"
#include "mailboxfs/mail/imap_source.h"
#include "mailboxfs/model/types.h"

namespace mailboxfs::mail {

// What logging in to one mailbox and reading a little of it showed, layer by layer, for `mailboxfs check`. Stops at
// the first layer that fails; `failed_at` names it. All texts are printable.
struct ProbeReport {
  enum class Layer { kConnect, kGreeting, kToken, kLogin, kFolders, kMessage, kDone };
  Layer failed_at = Layer::kDone;
  base::Status error;  // Set unless kDone.

  // Why there is no session, as far as the server's words tell.
  enum class Trouble {
    kNone,
    kRefused,          // NO to the login.
    kNotConnected,     // Exchange: the login is accepted, the mailbox not opened.
    kUnavailable,      // Trouble at the server.
    kTooMany,          // Connections.
    kThrottled,        // `pause` says for how long.
    kClosed,           // BYE, or an end without a word.
    kNoTokenLogin,     // Neither XOAUTH2 nor OAUTHBEARER is offered.
    kNoPasswordLogin,  // LOGINDISABLED.
    kNotImap,
    kAllInUse,  // The environment has no place for one more connection.
    kOther,
  };
  Trouble trouble = Trouble::kNone;
  base::Duration pause{};  // That the server asked for.

  // Logins that the server accepted, and those of them that opened the mailbox. More than one is tried when the
  // first does not.
  unsigned logins = 0;
  unsigned connected = 0;

  std::string greeting;
  std::string server;                             // As it names itself by ID, else the greeting.
  std::string mechanism;                          // "XOAUTH2", "OAUTHBEARER", "PLAIN", "LOGIN".
  std::vector<std::string> capabilities;          // After login.
  const model::ServerProfile* profile = nullptr;  // What kind of server it is, once it has said so.

  size_t folders = 0;
  std::vector<std::string> hidden;  // Those of them that a mount does not show; printable.
  uint32_t inbox_messages = 0;
  struct Sample {
    model::Uid uid = 0;
    std::optional<uint64_t> estimate;  // RFC822.SIZE.
    std::optional<uint64_t> size;      // Exact: it was read.
    std::string problem;               // Else why it cannot be.
  };
  std::vector<Sample> samples;  // Of INBOX, small ones.
  std::string cut_short;        // Why no more were read, and IDLE was not tried; empty: all were.
  std::optional<bool> idle;     // Set if IDLE is offered: whether it is accepted.
};

// So many logins tell a mailbox that is never opened from one that was not this time.
inline constexpr unsigned kProbeLogins = 5;
inline constexpr size_t kProbeSamples = 5;
inline constexpr uint64_t kProbeSampleOctets = uint64_t{1} << 20U;
// For all samples together.
inline constexpr std::chrono::seconds kProbeSampleTime{60};

// Blocking; call from a thread of its own or the command line. Uses one connection at a time, logs out. A set `wake`
// ends it soon, with Error(kCancelled) in the report.
ProbeReport ProbeMailbox(const ImapOptions& options, const ImapEnvironment& environment, const base::WakeEvent& wake);

}  // namespace mailboxfs::mail
