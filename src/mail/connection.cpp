#include "mail/connection.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "mail/refusal.h"
#include "mailboxfs/base/encoding.h"
#include "mailboxfs/base/log.h"

namespace mailboxfs::mail {

using base::Error;
using base::ErrorKind;

namespace {

// What Exchange says in place of a response when its front end has nobody to ask.
constexpr std::string_view kOutOfOrder = "Server Unavailable";

[[noreturn]] void ThrowUnquoted(std::string_view command) {
  throw Error(ErrorKind::kProtocol, base::Format("the server's answer to {} is not what IMAP allows; it is not quoted, "
                                                 "because it may contain the login",
                                                 command));
}

// Exchange ends a session, and at times more, after ten of them.
constexpr unsigned kMaxBads = 5;

// Words without data ("* OK Still here") show that the server lives, but not for ever.
constexpr int kMaxStalls = 5;

}  // namespace

Connection::Connection(std::unique_ptr<net::Transport> transport, const ConnectionContext& context)
    : context_(context),
      number_(context.mailbox.NextConnectionNumber()),
      wire_(std::move(transport), context.environment.clock, context.signals, context.options.timeouts.stall,
            context.mailbox) {}

std::string Connection::NextTag() { return "A" + std::to_string(++last_tag_); }

void Connection::LogCommand(const Request& request, const std::string& tag) const {
  if (request.secret || !base::LogEnabled(base::LogLevel::kTrace)) {
    base::LogDebug("{} #{}: {} {}", context_.options.name, number_, tag, request.name);
    return;
  }
  for (const std::string& piece : request.command.pieces) {
    base::LogTrace("{} #{}: > {}", context_.options.name, number_, base::Printable(piece, 2000));
  }
}

// A server may repeat in its refusal what it was sent, cut off or quoted in its own way.
void Connection::Scrub(const Request& request, imap::StatusResponse& status) {
  for (const base::Secret* secret : {request.hidden, request.hidden_response}) {
    if (secret == nullptr) continue;
    status.text = WithoutSecret(std::move(status.text), *secret);
    if (!status.code) continue;
    status.code->name = WithoutSecret(std::move(status.code->name), *secret);
    status.code->argument = WithoutSecret(std::move(status.code->argument), *secret);
  }
}

imap::StatusResponse Connection::Run(Request& request) {
  wire_.ThrowIfCancelled();
  if (base::Status pause = context_.mailbox.governor().pause_reason(); pause && !logging_out_) throw Error(*pause);
  // The tag is the command's first word; taken from there, the two cannot differ.
  const std::string& line = request.command.pieces.front();
  const std::string tag = line.substr(0, line.find(' '));
  LogCommand(request, tag);
  imap::StatusResponse status;
  try {
    status = Converse(request, tag);
  } catch (...) {
    // The rest of the answer is still to come and nobody would know whose it is.
    wire_.SetBroken();
    // What is not IMAP is at times an echo of what was sent; such an error quotes it.
    const Error error = base::CurrentError();
    if (error.kind() != ErrorKind::kProtocol) throw;
    if (base::ContainsIgnoreCase(error.what(), kOutOfOrder)) {
      told_why_ = true;
      throw Error(ErrorKind::kNetwork, base::Format("the server said \"{}\" in place of an answer", kOutOfOrder));
    }
    if (request.secret) ThrowUnquoted(request.name);
    throw;
  }
  base::LogDebug("{} #{}: {} {}", context_.options.name, number_, tag, QuoteStatus(status));
  if (status.code && status.code->name == "CAPABILITY") SetCapabilities(imap::ParseCapabilities(status.code->argument));
  if (status.condition == imap::Condition::kBad && ++bads_ >= kMaxBads) Retire();
  if (wire_.draining()) {
    wire_.EndDraining();
    throw Error(ErrorKind::kCancelled, "the task was cancelled");
  }
  return status;
}

imap::StatusResponse Connection::Converse(Request& request, const std::string& tag) {
  const base::Clock& clock = context_.environment.clock;
  base::MonoTime useful_at = clock.Now();
  size_t piece = 0;
  SendPiece(request, piece);
  for (;;) {
    imap::Response response = wire_.Receive(request.body);
    if (auto* continuation = std::get_if<imap::ContinuationRequest>(&response)) {
      Answer(request, piece, *continuation);
    } else if (auto* data = std::get_if<imap::UntaggedData>(&response)) {
      const bool asked_for = std::holds_alternative<imap::FetchData>(*data) && !request.fetch_is_news;
      if (NoteData(*data) && !asked_for) noted_change_ = true;
      useful_at = clock.Now();
      const bool answer = asked_for || std::holds_alternative<imap::SearchData>(*data);
      if (answer) context_.mailbox.OnAnswered(useful_at);
      if (request.on_data) request.on_data(*data);
    } else {
      auto& status = std::get<imap::StatusResponse>(response);
      Scrub(request, status);
      if (status.tag == tag) return std::move(status);
      if (!status.tag.empty()) {
        throw Error(ErrorKind::kProtocol, base::Format("the server answered with the tag {} instead of {}",
                                                       base::Printable(status.tag, 40), tag));
      }
      OnUntaggedStatus(status);
      if (request.on_status) request.on_status(status);
      if (clock.Now() - useful_at > kMaxStalls * context_.options.timeouts.stall) {
        throw Error(ErrorKind::kTimeout, base::Format("the server only says that it is still there, but does not "
                                                      "answer {}",
                                                      request.name));
      }
    }
  }
}

void Connection::SendPiece(Request& request, size_t piece) {
  std::string& bytes = request.command.pieces[piece];
  wire_.Send(bytes);
  if (request.secret) base::WipeMemory(bytes.data(), bytes.size());
}

void Connection::Answer(Request& request, size_t& piece, const imap::ContinuationRequest& continuation) {
  if (piece + 1 < request.command.pieces.size()) {
    SendPiece(request, ++piece);
  } else if (request.on_challenge) {
    const base::Secret answer = request.on_challenge(continuation.text);
    std::string line(answer.Reveal());
    line += "\r\n";
    wire_.Send(line);
    base::WipeMemory(line.data(), line.size());
  } else if (request.on_continuation) {
    request.on_continuation();
  } else {
    throw Error(ErrorKind::kProtocol,
                base::Format("the server asked to go on after {}, which has no more to say", request.name));
  }
}

void Connection::RequireOk(const imap::StatusResponse& status, std::string_view what) {
  if (status.condition == imap::Condition::kOk) return;
  const std::string text = base::Format("{} failed, the server said: {}", what, QuoteStatus(status));
  if (const std::optional<base::Duration> pause = ThrottlePause(status)) {
    context_.mailbox.AskPause(*pause);
    throw Error(ErrorKind::kThrottled, text);
  }
  if (IsNotConnected(status) || IsTokenExpired(status)) {
    // Every further command would get the same answer; a new login may do better.
    if (IsTokenExpired(status)) ExpectNewToken();
    told_why_ = true;
    wire_.SetBroken();
    throw Error(ErrorKind::kNetwork, text);
  }
  throw Error(ErrorKind::kServer, text);
}

bool Connection::NoteUnsolicited(const imap::Response& response) {
  if (const auto* data = std::get_if<imap::UntaggedData>(&response)) return NoteData(*data);
  if (const auto* status = std::get_if<imap::StatusResponse>(&response); status != nullptr && status->tag.empty()) {
    OnUntaggedStatus(*status);
    return false;
  }
  wire_.SetBroken();
  throw Error(ErrorKind::kProtocol, "the server answered a command that was not sent");
}

void Connection::OnUntaggedStatus(const imap::StatusResponse& status) {
  if (status.condition == imap::Condition::kBye) return OnBye(status);
  if (!status.code) return;
  if (status.code->name == "CAPABILITY") SetCapabilities(imap::ParseCapabilities(status.code->argument));
  if (status.code->name == "ALERT") {
    base::LogWarning("{}: the server asks to show this: {}", context_.options.name, base::Printable(status.text));
  }
}

void Connection::OnBye(const imap::StatusResponse& status) {
  if (logging_out_) return;
  wire_.SetBroken();
  told_why_ = true;
  if (IsTokenExpired(status)) ExpectNewToken();
  const std::string text = "the server ended the connection: " + QuoteStatus(status);
  if (const std::optional<base::Duration> pause = ThrottlePause(status)) {
    context_.mailbox.AskPause(*pause);
    throw Error(ErrorKind::kThrottled, text);
  }
  throw Error(ErrorKind::kNetwork, text);
}

void Connection::ExpectNewToken() {
  if (token_ && context_.options.login.tokens) context_.options.login.tokens->Invalidate(*token_);
}

void Connection::SetCapabilities(std::vector<std::string> capabilities) {
  capabilities_ = std::move(capabilities);
  capabilities_current_ = true;
}

bool Connection::NoteData(const imap::UntaggedData& data) {
  if (const auto* capability = std::get_if<imap::CapabilityData>(&data)) SetCapabilities(capability->capabilities);
  if (const auto* exists = std::get_if<imap::ExistsData>(&data)) {
    const bool changed = exists->count != exists_;
    exists_ = exists->count;
    return changed;
  }
  if (std::holds_alternative<imap::ExpungeData>(data)) {
    if (exists_ > 0) --exists_;
    return true;
  }
  return std::holds_alternative<imap::FetchData>(data);
}

const Connection::Examined& Connection::Examine(const std::string& folder_id) {
  // A failed EXAMINE leaves no folder open (RFC 3501 section 6.3.1).
  examined_.reset();
  std::optional<uint32_t> exists;
  std::optional<uint64_t> uid_validity;
  uint64_t uid_next = 0;
  Request request;
  request.name = "EXAMINE";
  request.command = imap::CommandBuilder(NextTag(), "EXAMINE").AString(folder_id).Finish();
  request.on_data = [&exists](const imap::UntaggedData& data) {
    if (const auto* found = std::get_if<imap::ExistsData>(&data)) exists = found->count;
  };
  request.on_status = [&](const imap::StatusResponse& status) {
    if (!status.code) return;
    if (status.code->name == "UIDVALIDITY") uid_validity = status.code->Number();
    if (status.code->name == "UIDNEXT") uid_next = status.code->Number().value_or(0);
  };
  const std::string shown = base::Printable(folder_id);
  RequireOk(Run(request), base::Format("opening the folder {}", shown));
  if (!exists) {
    throw Error(ErrorKind::kProtocol, base::Format("the server opened the folder {} without telling EXISTS", shown));
  }
  if (!uid_validity || *uid_validity == 0 || *uid_validity > UINT32_MAX) {
    throw Error(ErrorKind::kUnsupported,
                base::Format("the server gives no UIDVALIDITY for the folder {}: its messages cannot be told apart "
                             "reliably",
                             shown));
  }
  if (uid_next > UINT32_MAX) uid_next = 0;
  exists_ = *exists;
  noted_change_ = false;
  examined_ = Examined{folder_id, {static_cast<uint32_t>(*uid_validity), static_cast<uint32_t>(uid_next), *exists}};
  return *examined_;
}

const Connection::Examined& Connection::EnsureExamined(const std::string& folder_id) {
  if (examined_ && examined_->folder_id == folder_id) return *examined_;
  return Examine(folder_id);
}

bool Connection::Has(std::string_view capability) const {
  const auto is_listed = [capability](const auto& list) {
    return std::find(list.begin(), list.end(), capability) != list.end();
  };
  if (!is_listed(capabilities_) || is_listed(context_.options.profile.disabled)) return false;
  return !model::HasWord(profile().disabled, capability);
}

const model::ServerProfile& Connection::profile() const {
  const model::ServerProfile* chosen = model::FindProfile(context_.options.profile.name);
  return chosen != nullptr ? *chosen : model::RecognizeServer(greeting_, server_, capabilities_);
}

size_t Connection::max_command_octets() const {
  return context_.options.profile.max_command_octets.value_or(profile().max_command_octets);
}

bool Connection::exact_sizes() const {
  return context_.options.profile.exact_sizes.value_or(profile().exact_sizes) &&
         context_.mailbox.governor().SizesHold();
}

size_t Connection::header_batch() const {
  return context_.options.profile.header_batch.value_or(profile().header_batch);
}

}  // namespace mailboxfs::mail
