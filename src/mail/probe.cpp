#include "mailboxfs/mail/probe.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <variant>

#include "mail/body_command.h"
#include "mail/connection.h"
#include "mail/login.h"
#include "mailboxfs/base/log.h"
#include "mailboxfs/imap/mailbox_name.h"

namespace mailboxfs::mail {
namespace {

using base::Error;
using base::ErrorKind;

// Counts a body and forgets it.
class CountingSink final : public model::BodySink {
 public:
  void Begin(uint64_t size, bool /*identified*/) override { size_ = size; }
  void Write(std::string_view /*bytes*/) override {}
  uint64_t size() const { return size_; }

 private:
  uint64_t size_ = 0;
};

struct FirstMessage {
  model::Uid uid = 0;
  std::optional<uint64_t> size;
};

FirstMessage FindFirstMessage(Connection& connection) {
  FirstMessage first;
  Request request;
  request.name = "FETCH";
  request.command = imap::CommandBuilder(connection.NextTag(), "FETCH").Raw("1").Raw("(UID RFC822.SIZE)").Finish();
  request.on_data = [&first](const imap::UntaggedData& data) {
    const auto* fetch = std::get_if<imap::FetchData>(&data);
    if (fetch == nullptr || fetch->sequence != 1) return;
    if (fetch->uid) first.uid = *fetch->uid;
    if (fetch->rfc822_size) first.size = *fetch->rfc822_size;
  };
  connection.RequireOk(connection.Run(request), "asking for the first message");
  if (first.uid == 0) throw Error(ErrorKind::kProtocol, "the server counts messages in INBOX but names none");
  return first;
}

void ReadFirstMessage(Connection& connection, const std::string& inbox, ProbeReport& report) {
  const model::FolderState state = connection.Examine(inbox).state;
  report.inbox_messages = state.exists;
  if (state.exists == 0) return;
  const FirstMessage first = FindFirstMessage(connection);
  report.first_message_estimate = first.size.value_or(0);
  const model::BodyRequest request{inbox, state.uid_validity, first.uid, first.size};
  CountingSink sink;
  BodyCommand(connection, request, sink).Run();
  report.first_message_read = true;
  report.first_message_size = sink.size();
}

// As often as it takes to tell a mailbox that is never opened from one that was not opened this time.
std::unique_ptr<Connection> OpenWithVerdict(const ConnectionContext& context, LoginTrace& trace) {
  for (;;) {
    try {
      return OpenConnection(context, trace);
    } catch (const Error& error) {
      if (!trace.not_connected || error.kind() == ErrorKind::kLoginRefused) throw;
      base::LogDebug("{}", error.what());
    }
  }
}

void Probe(const ConnectionContext& context, LoginTrace& trace, ProbeReport& report) {
  const std::unique_ptr<Connection> connection = OpenWithVerdict(context, trace);
  report.capabilities = connection->capabilities();
  trace.layer = ProbeReport::Layer::kFolders;
  const std::vector<model::FolderInfo> folders = connection->ListFolders({});
  report.folders = folders.size();
  const auto inbox = std::find_if(folders.begin(), folders.end(),
                                  [](const model::FolderInfo& folder) { return imap::IsInbox(folder.id); });
  trace.layer = ProbeReport::Layer::kMessage;
  ReadFirstMessage(*connection, inbox == folders.end() ? "INBOX" : inbox->id, report);
  trace.layer = ProbeReport::Layer::kDone;
  connection->Logout();
}

}  // namespace

ProbeReport ProbeMailbox(const ImapOptions& options, const ImapEnvironment& environment) {
  ProbeReport report;
  MailboxState mailbox(environment.clock.Now());
  Signals signals;
  LoginTrace trace;
  try {
    const auto deadline = base::Deadline::After(environment.clock, options.timeouts.connect);
    const auto place = environment.budget.Acquire(environment.clock, deadline, [] { return false; });
    if (place == nullptr) throw Error(ErrorKind::kTimeout, "all connections that are allowed in total are in use");
    Probe({options, environment, mailbox, signals}, trace, report);
  } catch (...) {
    report.error = base::CurrentError();
  }
  report.failed_at = trace.layer;
  report.greeting = trace.greeting;
  report.mechanism = trace.mechanism;
  return report;
}

}  // namespace mailboxfs::mail
