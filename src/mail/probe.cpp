#include "mailboxfs/mail/probe.h"

#include <poll.h>

#include <algorithm>
#include <memory>
#include <utility>
#include <variant>

#include "mail/body_command.h"
#include "mail/connection.h"
#include "mail/login.h"
#include "mailboxfs/base/encoding.h"
#include "mailboxfs/base/log.h"
#include "mailboxfs/imap/mailbox_name.h"

namespace mailboxfs::mail {
namespace {

using base::Error;
using base::ErrorKind;
using Layer = ProbeReport::Layer;
using Sample = ProbeReport::Sample;
using Trouble = ProbeReport::Trouble;

// Of a large folder, the newest so many are asked for their sizes.
constexpr uint32_t kWindow = 200;
// Further logins when only the last of the sample was not connected.
constexpr unsigned kExtraLogins = 3;

// Counts a body and forgets it; ends what is larger than the server said.
class CountingSink final : public model::BodySink {
 public:
  void Begin(uint64_t size, bool /*identified*/) override {
    size_ = size;
    if (size > kProbeSampleOctets) throw Error(ErrorKind::kUnfetchable, "larger than the server said");
  }
  void Write(std::string_view /*bytes*/) override {}
  uint64_t size() const { return size_; }

 private:
  uint64_t size_ = 0;
};

// The newest messages with their sizes, in the server's order.
std::vector<Sample> ListSizes(Connection& connection, uint32_t exists) {
  std::vector<Sample> listed;
  const uint32_t first = exists > kWindow ? exists - kWindow + 1 : 1;
  Request request;
  request.name = "FETCH";
  request.command = imap::CommandBuilder(connection.NextTag(), "FETCH")
                        .Raw(first == exists ? std::to_string(first) : base::Format("{}:{}", first, exists))
                        .Raw("(UID RFC822.SIZE)")
                        .Finish();
  request.on_data = [&listed](const imap::UntaggedData& data) {
    const auto* fetch = std::get_if<imap::FetchData>(&data);
    if (fetch == nullptr || !fetch->uid || !fetch->rfc822_size || listed.size() > kWindow) return;
    listed.push_back({*fetch->uid, fetch->rfc822_size, std::nullopt, ""});
  };
  connection.RequireOk(connection.Run(request), "asking for the sizes of messages");
  if (listed.empty()) throw Error(ErrorKind::kProtocol, "the server counts messages in INBOX but names none");
  return listed;
}

// Small ones, spread evenly. Sizes may be estimates: what is near the limit could be above it.
std::vector<Sample> Choose(std::vector<Sample> listed) {
  std::erase_if(listed, [](const Sample& sample) { return sample.estimate.value_or(0) > kProbeSampleOctets / 2; });
  if (listed.size() <= kProbeSamples) return listed;
  std::vector<Sample> chosen;
  for (size_t i = 0; i < kProbeSamples; ++i) {
    chosen.push_back(std::move(listed[i * (listed.size() - 1) / (kProbeSamples - 1)]));
  }
  return chosen;
}

// False: it is gone, which is nobody's fault, or too large, which is in the report's `cut_short`.
bool ReadSample(Connection& connection, const std::string& inbox, const model::FolderState& state, Sample& sample,
                ProbeReport& report) {
  CountingSink sink;
  try {
    const model::BodyRequest request{inbox, state.uid_validity, sample.uid, sample.estimate};
    BodyCommand(connection, request, sink).Run();
    sample.size = sink.size();
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::kGone) return false;
    if (error.kind() == ErrorKind::kUnfetchable && sink.size() > kProbeSampleOctets) {
      report.cut_short = base::Format("the server sends {} bytes for UID {}, for which it told {}", sink.size(),
                                      sample.uid, sample.estimate.value_or(0));
      return false;
    }
    if (connection.broken() || (!model::ConcernsMessageAlone(error.kind()) && error.kind() != ErrorKind::kServer))
      throw;
    sample.problem = error.what();
  }
  return true;
}

void ReadSamples(Connection& connection, const std::string& inbox, ProbeReport& report) {
  const model::FolderState state = connection.Examine(inbox).state;
  report.inbox_messages = state.exists;
  if (state.exists == 0) return;
  for (Sample& sample : Choose(ListSizes(connection, state.exists))) {
    if (ReadSample(connection, inbox, state, sample, report)) report.samples.push_back(std::move(sample));
    if (!report.cut_short.empty()) return;
  }
}

// Sets the report's `cut_short` if they are too large or come too slowly, and the connection is broken then.
void ReadSamplesInTime(Connection& connection, const std::string& inbox, ProbeReport& report) {
  const base::Clock& clock = connection.context().environment.clock;
  const auto deadline = base::Deadline::After(clock, kProbeSampleTime);
  connection.wire().SetLimit(deadline);
  try {
    ReadSamples(connection, inbox, report);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::kTimeout || !deadline.Passed(clock.Now())) throw;
    report.cut_short = base::Format("the server took more than {} s to send them", kProbeSampleTime.count());
  }
  connection.wire().SetLimit(base::Deadline::Never());
}

// For a little while, or until `wake` is set.
void Wait(const ConnectionContext& context) {
  const base::Clock& clock = context.environment.clock;
  const auto until = base::Deadline::After(clock, context.options.timeouts.retry);
  while (!until.Passed(clock.Now())) {
    pollfd entry{context.signals.stop.fd(), POLLIN, 0};
    ::poll(&entry, 1, until.PollMillis(clock.Now()));
    if (context.signals.stop.IsSet()) throw Error(ErrorKind::kCancelled, "cancelled");
  }
}

// As often as it takes to tell a mailbox that is never opened from one that was not opened this time.
std::unique_ptr<Connection> OpenWithVerdict(const ConnectionContext& context, LoginTrace& trace, ProbeReport& report) {
  std::unique_ptr<Connection> connection;
  base::Status failure;
  for (unsigned wanted = 1; report.logins < wanted;) {
    if (connection) std::exchange(connection, nullptr)->Logout();
    if (report.logins > 0) Wait(context);
    try {
      connection = OpenConnection(context, trace);
      ++report.connected;
    } catch (const Error& error) {
      if (!trace.not_connected) throw;
      base::LogDebug("{}", error.what());
      failure = error;
      wanted = std::max(wanted, kProbeLogins);
    }
    ++report.logins;
    if (connection && report.logins > kProbeLogins) break;
    if (!connection && report.logins == kProbeLogins && report.connected > 0) wanted += kExtraLogins;
  }
  if (!connection) throw Error(*failure);
  return connection;
}

std::optional<bool> TryIdle(Connection& connection) {
  if (!connection.Has("IDLE")) return std::nullopt;
  const base::Clock& clock = connection.context().environment.clock;
  try {
    return connection.Idle(base::Deadline::At(clock.Now()), [] {});
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::kCancelled) throw;
    base::LogDebug("{}: IDLE: {}", connection.context().options.name, error.what());
    return false;
  }
}

void Probe(const ConnectionContext& context, LoginTrace& trace, ProbeReport& report) {
  const std::unique_ptr<Connection> connection = OpenWithVerdict(context, trace, report);
  report.capabilities = connection->capabilities();
  report.server = connection->server();
  report.profile = &connection->profile();
  trace.layer = Layer::kFolders;
  const std::vector<model::FolderInfo> folders = connection->ListFolders({});
  report.folders = folders.size();
  for (const model::FolderInfo& folder : folders) {
    if (!folder.hidden) continue;
    std::string path;
    for (const model::FolderInfo::Component& part : folder.path) path += (path.empty() ? "" : "/") + part.text;
    report.hidden.push_back(base::Printable(path));
  }
  const auto inbox = std::find_if(folders.begin(), folders.end(),
                                  [](const model::FolderInfo& folder) { return imap::IsInbox(folder.id); });
  trace.layer = Layer::kMessage;
  ReadSamplesInTime(*connection, inbox == folders.end() ? "INBOX" : inbox->id, report);
  if (report.cut_short.empty()) report.idle = TryIdle(*connection);
  trace.layer = Layer::kDone;
  connection->Logout();
}

Trouble TroubleOf(const LoginTrace& trace, const Error& error, bool with_token) {
  if (trace.layer != Layer::kGreeting && trace.layer != Layer::kLogin) return Trouble::kNone;
  if (trace.not_connected) return Trouble::kNotConnected;
  const auto says = [&](std::string_view words) { return base::ContainsIgnoreCase(error.what(), words); };
  switch (error.kind()) {
    case ErrorKind::kThrottled: return Trouble::kThrottled;
    case ErrorKind::kProtocol: return trace.layer == Layer::kGreeting ? Trouble::kNotImap : Trouble::kOther;
    case ErrorKind::kLoginRefused: return trace.layer == Layer::kLogin ? Trouble::kRefused : Trouble::kOther;
    case ErrorKind::kUnsupported: return with_token ? Trouble::kNoTokenLogin : Trouble::kNoPasswordLogin;
    case ErrorKind::kServer:
    case ErrorKind::kNetwork:
      if (says("too many") || says("maximum number of connections")) return Trouble::kTooMany;
      if (says("unavailable")) return Trouble::kUnavailable;
      return error.kind() == ErrorKind::kNetwork || says("BYE") ? Trouble::kClosed : Trouble::kUnavailable;
    default: return Trouble::kOther;
  }
}

}  // namespace

ProbeReport ProbeMailbox(const ImapOptions& options, const ImapEnvironment& environment, const base::WakeEvent& wake) {
  ProbeReport report;
  // A check is nobody's mount: it asks the server, whatever that has asked for.
  Governor governor(environment.clock, environment.random, Governor::Memory(), nullptr);
  MailboxState mailbox(environment.clock.Now(), governor);
  Signals signals;
  signals.stop = wake.Share();
  LoginTrace trace;
  try {
    const auto deadline = base::Deadline::After(environment.clock, options.timeouts.connect);
    const auto place = environment.budget.Acquire(environment.clock, deadline, [&] { return wake.IsSet(); });
    if (wake.IsSet()) throw Error(ErrorKind::kCancelled, "cancelled");
    if (place == nullptr) {
      report.trouble = Trouble::kAllInUse;
      throw Error(ErrorKind::kTimeout, "all connections that are allowed in total are in use");
    }
    Probe({options, environment, mailbox, signals}, trace, report);
  } catch (...) {
    report.error = base::CurrentError();
    if (report.trouble == Trouble::kNone) {
      report.trouble = TroubleOf(trace, *report.error, options.login.tokens != nullptr);
    }
  }
  report.failed_at = trace.layer;
  report.pause = mailbox.TakePause();
  report.greeting = trace.greeting;
  report.mechanism = trace.mechanism;
  return report;
}

}  // namespace mailboxfs::mail
