#include "mail/ahead_command.h"

#include <utility>
#include <variant>

#include "mail/placeholder.h"
#include "mail/refusal.h"

namespace mailboxfs::mail {
namespace {

// Tag, "UID FETCH", items, CRLF.
constexpr size_t kAheadOverhead = 80;

}  // namespace

AheadCommand::AheadCommand(Connection& connection, std::map<model::Uid, model::AheadRequest>& wanted)
    : connection_(connection), wanted_(wanted) {}

void AheadCommand::Run() {
  if (wanted_.empty()) return;
  const model::BodyRequest& first = wanted_.begin()->second.body;
  if (connection_.EnsureExamined(first.folder_id).state.uid_validity != first.uid_validity) return;
  std::vector<model::Uid> uids;
  for (const auto& entry : wanted_) uids.push_back(entry.first);
  const size_t room = connection_.max_command_octets();
  for (const std::string& set : imap::FormatUidSets(uids, room > 2 * kAheadOverhead ? room - kAheadOverhead : 1)) {
    const imap::StatusResponse status = Fetch(set);
    if (status.condition == imap::Condition::kOk) continue;
    // What the server says of itself concerns everybody; what it says of a message is found out one by one.
    if (BlameOf(status) == Blame::kServer) connection_.RequireOk(status, "reading ahead");
    return;
  }
}

imap::StatusResponse AheadCommand::Fetch(const std::string& uid_set) {
  Request request;
  request.name = "UID FETCH";
  request.command =
      imap::CommandBuilder(connection_.NextTag(), "UID FETCH").Raw(uid_set).Raw("(UID BODY.PEEK[])").Finish();
  request.body = this;
  request.on_data = [this](const imap::UntaggedData& data) {
    if (const auto* fetch = std::get_if<imap::FetchData>(&data)) OnFetch(*fetch);
  };
  imap::StatusResponse status = connection_.Run(request);
  connection_.wire().SetOctetsAhead(0);
  return status;
}

void AheadCommand::OnBodyBegin(const imap::FetchPrefix& prefix, uint64_t size) {
  connection_.context().mailbox.OnAnswered(connection_.context().environment.clock.Now());
  connection_.wire().SetOctetsAhead(size);
  sequence_ = size <= kMaxOctets ? prefix.sequence : 0;
  size_ = size;
  received_ = 0;
  held_.clear();
}

void AheadCommand::OnBodyData(std::string_view bytes) {
  received_ += bytes.size();
  connection_.wire().SetOctetsAhead(size_ - received_);
  if (sequence_ != 0) held_.append(bytes);
}

void AheadCommand::OnFetch(const imap::FetchData& fetch) {
  const uint32_t held_for = std::exchange(sequence_, 0);
  if (held_for == 0 || fetch.sequence != held_for || !fetch.uid) return;
  // Two bodies, or a part beside the whole: not what was asked for.
  if (fetch.sections.size() != 1) return;
  const imap::BodySectionData& section = fetch.sections.front();
  const bool whole = section.streamed && section.section.empty() && !section.origin && held_.size() == size_;
  const bool placeholder =
      connection_.profile().sends_stubs && size_ <= kMaxPlaceholder && IsExchangePlaceholder(held_);
  if (whole && size_ > 0 && !placeholder) Deliver(*fetch.uid);
}

void AheadCommand::Deliver(model::Uid uid) {
  const auto found = wanted_.find(uid);
  if (found == wanted_.end()) return;
  const model::AheadRequest one = std::move(found->second);
  wanted_.erase(found);
  MailboxState& mailbox = connection_.context().mailbox;
  mailbox.OnBodyFetched();
  mailbox.suspects().OnFetched(one.body);
  if (one.body.size) mailbox.governor().OnSize(*one.body.size == size_);
  base::Status failure;
  try {
    one.sink->Begin(size_, true);
    one.sink->Write(held_);
  } catch (...) {
    failure = base::CurrentError();
  }
  one.done(failure);
}

}  // namespace mailboxfs::mail
