// The first words of a connection: greeting, capabilities, ID, COMPRESS.
#include <variant>

#include "mail/connection.h"
#include "mail/refusal.h"
#include "mailboxfs/base/encoding.h"
#include "mailboxfs/base/log.h"

namespace mailboxfs::mail {

using base::Error;
using base::ErrorKind;

bool Connection::ReadGreeting() {
  const imap::Response response = wire_.Receive(nullptr);
  const auto* status = std::get_if<imap::StatusResponse>(&response);
  if (status == nullptr || !status->tag.empty()) {
    throw Error(ErrorKind::kProtocol, "the server's first line is not an IMAP greeting");
  }
  greeting_ = base::Printable(status->text);
  server_ = greeting_;
  switch (status->condition) {
    case imap::Condition::kOk: OnUntaggedStatus(*status); return false;
    case imap::Condition::kPreauth:
      // A local relay is made for one mailbox; of a server nobody knows whose mail it would show.
      if (context_.options.endpoint.tls != net::Tls::kNone) {
        throw Error(ErrorKind::kLoginRefused,
                    "the server says that we are logged in before we have said as whom (PREAUTH); whose mail this is "
                    "cannot be known, so nothing is read: make the server ask for a login");
      }
      OnUntaggedStatus(*status);
      return true;
    case imap::Condition::kBye: {
      const std::optional<base::Duration> pause = ThrottlePause(*status);
      if (pause) context_.mailbox.AskPause(*pause);
      throw Error(pause ? ErrorKind::kThrottled : ErrorKind::kServer,
                  "the server turned the connection away: " + QuoteStatus(*status));
    }
    default: throw Error(ErrorKind::kProtocol, "the server's greeting is none: " + QuoteStatus(*status));
  }
}

void Connection::RefreshCapabilities() {
  Request request;
  request.name = "CAPABILITY";
  request.command = imap::CommandBuilder(NextTag(), "CAPABILITY").Finish();
  const imap::StatusResponse status = Run(request);
  // The probe that follows a login tells these two apart from plain refusals.
  if (!IsNotConnected(status)) RequireOk(status, "asking for the server's capabilities");
}

void Connection::Identify() {
  if (!Has("ID")) return;
  Request request;
  request.name = "ID";
  request.command = imap::CommandBuilder(NextTag(), "ID")
                        .Raw("(\"name\" \"mailboxfs\" \"version\" \"" MAILBOXFS_VERSION "\")")
                        .Finish();
  request.on_data = [this](const imap::UntaggedData& data) {
    const auto* id = std::get_if<imap::IdData>(&data);
    if (id == nullptr) return;
    std::string text;
    for (const auto& [field, value] : id->fields) {
      if (base::EqualsIgnoreCase(field, "name") || base::EqualsIgnoreCase(field, "version")) {
        text += (text.empty() ? "" : " ") + base::Printable(value);
      }
    }
    if (!text.empty()) server_ = text;
  };
  // ID is a courtesy; its refusal means nothing.
  Run(request);
}

void Connection::Compress() {
  if (!context_.options.compress || !Has("COMPRESS=DEFLATE")) return;
  Request request;
  request.name = "COMPRESS";
  request.command = imap::CommandBuilder(NextTag(), "COMPRESS").Raw("DEFLATE").Finish();
  // DEFLATE data may follow the tagged OK in the same packet.
  wire_.SetLineByLine(true);
  const imap::StatusResponse status = Run(request);
  if (status.condition == imap::Condition::kOk) {
    wire_.StartDeflate();
  } else {
    wire_.SetLineByLine(false);
    base::LogInfo("{}: no compression: {}", context_.options.name, QuoteStatus(status));
  }
}

}  // namespace mailboxfs::mail
