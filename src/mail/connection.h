#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mail/mailbox_state.h"
#include "mail/wire.h"
#include "mailboxfs/base/error.h"
#include "mailboxfs/base/secret.h"
#include "mailboxfs/imap/command.h"
#include "mailboxfs/imap/response.h"
#include "mailboxfs/mail/imap_source.h"
#include "mailboxfs/model/types.h"

namespace mailboxfs::mail {

// What a connection borrows; must outlive it.
struct ConnectionContext {
  const ImapOptions& options;
  const ImapEnvironment& environment;
  MailboxState& mailbox;
  Signals& signals;
};

// One command and what to do with its answers. A value; the handlers run on the connection's thread.
struct Request {
  std::string_view name;  // For people: "UID FETCH".
  imap::Command command;
  bool fetch_is_news = false;  // FETCH was not asked for: flags have changed.
  bool secret = false;         // Never shown, wiped after it was sent.
  // Not to be shown even if the server repeats it or a part of it; borrowed, may be null.
  const base::Secret* hidden = nullptr;
  const base::Secret* hidden_response = nullptr;
  std::function<void(imap::UntaggedData&)> on_data;                   // May move from its argument.
  std::function<void(const imap::StatusResponse&)> on_status;         // Untagged OK, NO, BAD.
  std::function<base::Secret(const std::string& text)> on_challenge;  // SASL; the answer without CRLF.
  std::function<void()> on_continuation;                              // IDLE: the server is ready.
  imap::ResponseReader::BodyHandler* body = nullptr;
};

// One IMAP connection: a blocking dialogue, one command at a time, on the thread that calls.
// Thread-bound. Methods throw Error; after one that left broken() true only destruction is
// allowed. Commands never change anything at the server: EXAMINE and BODY.PEEK only.
class Connection {
 public:
  struct Examined {
    std::string folder_id;
    model::FolderState state;
  };

  Connection(std::unique_ptr<net::Transport> transport, const ConnectionContext& context);

  // --- Dialogue -------------------------------------------------------------------------
  std::string NextTag();
  // Sends the command and handles all answers up to the tagged one, which may be NO or BAD. Throws kThrottled, nothing
  // sent, while the account keeps a pause that was asked for elsewhere.
  imap::StatusResponse Run(Request& request);
  // Throws the error that a NO or BAD means; `what` says what was tried ("listing the folders").
  void RequireOk(const imap::StatusResponse& status, std::string_view what);
  // Takes note of a response that no command asked for; true if the folder's content changed.
  // Throws at BYE.
  bool NoteUnsolicited(const imap::Response& response);

  // --- Login (used by OpenConnection) ---------------------------------------------------
  // Reads the greeting; true: PREAUTH, no login needed.
  bool ReadGreeting();
  void RefreshCapabilities();
  // A login is about to change what the server can do; until it says so, the old list is all there is.
  void DoubtCapabilities() { capabilities_current_ = false; }
  bool capabilities_current() const { return capabilities_current_; }
  void SetToken(const oauth::AccessToken& token) { token_ = token; }
  void Identify();
  void Compress();

  // --- Operations -----------------------------------------------------------------------
  // See MailSource::ListFolders. `between`: called where another command may be sent.
  std::vector<model::FolderInfo> ListFolders(const std::vector<std::string>& known,
                                             const std::function<void()>& between = nullptr);
  // EXAMINEs the folder, also if it is open already.
  const Examined& Examine(const std::string& folder_id);
  // EXAMINEs it only if another folder is open.
  const Examined& EnsureExamined(const std::string& folder_id);
  void Noop(const std::function<void()>& on_change);
  // IDLE (RFC 2177) until `until` or the wake signal; false: the server refused it.
  bool Idle(const base::Deadline& until, const std::function<void()>& on_change);
  // The same without a command: takes note of what the server says on its own.
  void WaitIdle(const base::Deadline& until, const std::function<void()>& on_change);
  // Says goodbye within Timeouts::logout; never throws. Only destruction is allowed after it.
  void Logout() noexcept;

  // --- State ----------------------------------------------------------------------------
  bool Has(std::string_view capability) const;
  const std::vector<std::string>& capabilities() const { return capabilities_; }
  const std::optional<Examined>& examined() const { return examined_; }
  // Messages in the open folder, as last told.
  uint32_t exists() const { return exists_; }
  const std::string& greeting() const { return greeting_; }
  const std::string& server() const { return server_; }
  // When the token that this connection was opened with ends.
  base::MonoTime token_expires() const { return token_ ? token_->expires : base::MonoTime::max(); }
  // How this server wants to be spoken to; known as far as it has said what it is.
  const model::ServerProfile& profile() const;
  size_t max_command_octets() const;
  size_t header_batch() const;
  // RFC822.SIZE is the size: this kind of server says so, or the configuration, and it was never wrong.
  bool exact_sizes() const;
  Wire& wire() { return wire_; }
  bool broken() const { return wire_.broken(); }
  // It still works, but the server may hold something against it: nothing but Logout is to follow.
  void Retire() { retired_ = true; }
  bool retired() const { return retired_; }
  // The server said itself why it ended the connection, or that it cannot serve anybody.
  bool told_why() const { return told_why_; }
  const ConnectionContext& context() const { return context_; }

 private:
  void LogCommand(const Request& request, const std::string& tag) const;
  static void Scrub(const Request& request, imap::StatusResponse& status);
  imap::StatusResponse Converse(Request& request, const std::string& tag);
  void SendPiece(Request& request, size_t piece);
  void Answer(Request& request, size_t& piece, const imap::ContinuationRequest& continuation);
  void OnUntaggedStatus(const imap::StatusResponse& status);
  void ExpectNewToken();
  void SetCapabilities(std::vector<std::string> capabilities);
  bool NoteData(const imap::UntaggedData& data);
  void OnBye(const imap::StatusResponse& status);
  void LimitGoodbye();
  std::vector<imap::ListData> List(std::string_view pattern);
  // False: the server says that there is no such folder. Throws if it cannot tell now.
  bool MayExist(const std::string& folder_id);
  // Those of `known` that are not listed though nobody says that they are gone; those that are listed
  // as not selectable become selectable.
  std::vector<model::FolderInfo> FindUnlisted(const std::vector<std::string>& known,
                                              const std::function<void()>& between,
                                              std::vector<imap::ListData>* listed);
  void Deliver(const imap::Response& response, const std::function<void()>& on_change);

  ConnectionContext context_;
  const unsigned number_;
  Wire wire_;
  unsigned last_tag_ = 0;
  std::vector<std::string> capabilities_;
  bool capabilities_current_ = false;
  std::optional<Examined> examined_;
  uint32_t exists_ = 0;  // Of the open folder, as last told.
  std::string greeting_;
  std::string server_;
  std::optional<oauth::AccessToken> token_;
  bool logging_out_ = false;
  bool retired_ = false;
  bool told_why_ = false;
  unsigned bads_ = 0;          // Answered so far.
  bool noted_change_ = false;  // In the open folder, and not told yet.
};

}  // namespace mailboxfs::mail
