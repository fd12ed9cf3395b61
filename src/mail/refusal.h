#pragma once

#include <optional>
#include <string>

#include "mailboxfs/base/clock.h"
#include "mailboxfs/base/secret.h"
#include "mailboxfs/imap/response.h"

// What a server means by NO, BAD and BYE, as far as it is in the code and the text. All reentrant.
namespace mailboxfs::mail {

inline constexpr base::Duration kLongestPause = std::chrono::minutes(10);
inline constexpr base::Duration kDefaultPause = std::chrono::seconds(30);

// `NO [UNAVAILABLE] text`, printable, for messages to people.
std::string QuoteStatus(const imap::StatusResponse& status);
// The server's words with the secret redacted; none of them if a part of the secret is left in them.
std::string WithoutSecret(std::string text, const base::Secret& secret);
// The pause that a throttling answer asks for, at most kLongestPause; nullopt: it is no such answer.
std::optional<base::Duration> ThrottlePause(const imap::StatusResponse& status);
// A refusal that says nothing about the login: too many connections, server trouble (RFC 5530).
bool IsTransient(const imap::StatusResponse& status);
// A NO that says of what was asked for that it does not exist.
bool IsAbsence(const imap::StatusResponse& status);
// Exchange: the token is good, the mailbox is not open.
bool IsNotConnected(const imap::StatusResponse& status);
// The token that the session was opened with has expired.
bool IsTokenExpired(const imap::StatusResponse& status);

// Whom a refused FETCH of one message speaks of, as far as the words tell.
enum class Blame {
  kMessage,    // Another try is no use.
  kMomentary,  // The server has trouble now; with this message, or with all.
  kSession,    // The command, or what the server thinks of this connection; with this message, or with all.
  kServer,     // The login, the account or the server.
};
Blame BlameOf(const imap::StatusResponse& status);

}  // namespace mailboxfs::mail
