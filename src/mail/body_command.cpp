#include "mail/body_command.h"

#include <algorithm>
#include <variant>

#include "mail/placeholder.h"
#include "mail/refusal.h"
#include "mailboxfs/base/encoding.h"
#include "mailboxfs/base/log.h"

namespace mailboxfs::mail {

using base::Error;
using base::ErrorKind;

BodyCommand::BodyCommand(Connection& connection, const model::BodyRequest& request, model::BodySink& sink)
    : connection_(connection), request_(request), sink_(sink) {}

std::string BodyCommand::What() const {
  return base::Format("UID {} in folder {}", request_.uid, base::Printable(request_.folder_id));
}

void BodyCommand::Run() {
  const std::optional<Connection::Examined>& open = connection_.examined();
  // One that this session opened before it was replaced is as good as not open.
  const bool is_open =
      open && open->folder_id == request_.folder_id && open->state.uid_validity == request_.uid_validity;
  // A session need not find what it has not been told of: nothing is proven before it has been.
  const bool untold = is_open && open->state.uid_next != 0 && request_.uid >= open->state.uid_next;
  const bool fresh = !is_open || untold;
  Open(fresh);
  imap::StatusResponse status = Fetch();
  // A session that was not told of a change may not find what is there.
  const bool not_found = status.condition == imap::Condition::kOk || BlameOf(status) == Blame::kMessage;
  if (!fresh && body_sequence_ == 0 && not_found) {
    Open(true);
    status = Fetch();
  }
  Finish(status);
}

void BodyCommand::Open(bool anew) {
  const Connection::Examined& folder =
      anew ? connection_.Examine(request_.folder_id) : connection_.EnsureExamined(request_.folder_id);
  if (folder.state.uid_validity != request_.uid_validity) {
    throw Error(ErrorKind::kStale, base::Format("the server has replaced the folder {}: {} is another message now",
                                                base::Printable(request_.folder_id), What()));
  }
  named_sequence_ = 0;
}

imap::StatusResponse BodyCommand::Fetch() {
  Request request;
  request.name = "UID FETCH";
  request.command = imap::CommandBuilder(connection_.NextTag(), "UID FETCH")
                        .Raw(std::to_string(request_.uid))
                        .Raw("(UID BODY.PEEK[])")
                        .Finish();
  request.body = this;
  request.on_data = [this](const imap::UntaggedData& data) {
    if (const auto* fetch = std::get_if<imap::FetchData>(&data)) OnFetch(*fetch);
    if (const auto* expunge = std::get_if<imap::ExpungeData>(&data)) OnExpunge(expunge->sequence);
  };
  asked_ = true;
  imap::StatusResponse status = connection_.Run(request);
  connection_.wire().SetOctetsAhead(0);
  return status;
}

void BodyCommand::OnBodyBegin(const imap::FetchPrefix& prefix, uint64_t size) {
  if (body_sequence_ != 0) {
    throw Error(ErrorKind::kProtocol, base::Format("the server sent two bodies for {}", What()));
  }
  connection_.context().mailbox.OnAnswered(connection_.context().environment.clock.Now());
  body_sequence_ = prefix.sequence == 0 ? UINT32_MAX : prefix.sequence;
  size_ = size;
  connection_.wire().SetOctetsAhead(size);
  RefuseOther(prefix.uid);
  identified_ = prefix.uid || body_sequence_ == named_sequence_;
  empty_ = size == 0;
  hold_back_ = connection_.profile().sends_stubs && size <= kMaxPlaceholder;
  if (!empty_ && !hold_back_ && !connection_.wire().draining()) sink_.Begin(size, identified_);
}

void BodyCommand::OnBodyData(std::string_view bytes) {
  received_ += bytes.size();
  connection_.wire().SetOctetsAhead(size_ - received_);
  if (connection_.wire().draining()) return;
  if (hold_back_) {
    held_.append(bytes);
  } else {
    sink_.Write(bytes);
  }
}

void BodyCommand::OnFetch(const imap::FetchData& fetch) {
  if (fetch.uid == request_.uid) named_sequence_ = fetch.sequence;
  for (const imap::BodySectionData& section : fetch.sections) {
    if (section.section.empty() && !section.origin && !section.streamed) TakeInline(fetch, section);
  }
  if (fetch.sequence != body_sequence_) return;
  RefuseOther(fetch.uid);
  identified_ = identified_ || fetch.sequence == named_sequence_;
}

void BodyCommand::RefuseOther(const std::optional<model::Uid>& uid) const {
  if (!uid || *uid == request_.uid) return;
  throw Error(ErrorKind::kProtocol, base::Format("the server sent UID {} instead of {}", *uid, What()));
}

// Numbers mean other messages from here on.
void BodyCommand::OnExpunge(uint32_t sequence) {
  named_sequence_ = 0;
  if (body_sequence_ == 0 || identified_) return;
  if (sequence == body_sequence_) {
    throw Error(ErrorKind::kProtocol, base::Format("{}, whose body came without its UID, was removed", What()));
  }
  if (sequence < body_sequence_) --body_sequence_;
}

// A body as a quoted string or NIL.
void BodyCommand::TakeInline(const imap::FetchData& fetch, const imap::BodySectionData& section) {
  RefuseOther(fetch.uid);
  if (body_sequence_ != 0) {
    throw Error(ErrorKind::kProtocol, base::Format("the server sent two bodies for {}", What()));
  }
  body_sequence_ = fetch.sequence;
  nil_ = !section.content.has_value();
  held_ = section.content.value_or(std::string());
  size_ = received_ = held_.size();
  empty_ = held_.empty();
  hold_back_ = true;
}

void BodyCommand::Finish(const imap::StatusResponse& status) {
  const bool complete = body_sequence_ != 0 && !nil_ && received_ == size_;
  if (status.condition != imap::Condition::kOk) {
    OnRefused(status);
  }
  if (!complete) {
    if (!Exists()) throw Error(ErrorKind::kGone, base::Format("{} does not exist any more", What()));
    throw Error(ErrorKind::kUnfetchable, base::Format("the server lists {} but sends no body for it", What()));
  }
  if (!identified_) {
    connection_.wire().SetBroken();
    throw Error(ErrorKind::kProtocol, base::Format("the server did not say whether the body it sent is {}", What()));
  }
  if (empty_ && request_.size != 0U) {
    throw Error(ErrorKind::kUnfetchable,
                base::Format("the server sends an empty body for {}, which should have {}", What(),
                             request_.size ? base::Format("about {} bytes", *request_.size) : "another size"));
  }
  if (hold_back_ || empty_) DeliverHeldBack();
}

void BodyCommand::OnRefused(const imap::StatusResponse& status) {
  const Blame blame = BlameOf(status);
  const std::string what = "fetching " + What();
  doubtful_refusal_ = blame == Blame::kSession || blame == Blame::kMomentary;
  if (blame == Blame::kSession) {
    // It may be the message, or the server has lost its way here.
    connection_.Retire();
    throw Error(ErrorKind::kProtocol, base::Format("{} failed, the server said: {}", what, QuoteStatus(status)));
  }
  if (blame != Blame::kMessage) connection_.RequireOk(status, what);
  if (!Exists()) throw Error(ErrorKind::kGone, base::Format("{} does not exist any more", What()));
  const std::string text = base::Format("{} failed, the server said: {}", what, QuoteStatus(status));
  if (!connection_.context().mailbox.suspects().OnRefused(request_)) {
    throw Error(ErrorKind::kServer, text + "; it refuses others as well");
  }
  throw Error(ErrorKind::kUnfetchable, text);
}

void BodyCommand::DeliverHeldBack() {
  if (connection_.profile().sends_stubs && IsExchangePlaceholder(held_)) {
    throw Error(ErrorKind::kStub, base::Format("the server cannot convert {} and sends a placeholder instead", What()));
  }
  sink_.Begin(size_, true);
  if (!held_.empty()) sink_.Write(held_);
}

bool BodyCommand::Exists() {
  bool named = false;
  Request request;
  request.name = "UID FETCH";
  request.command = imap::CommandBuilder(connection_.NextTag(), "UID FETCH")
                        .Raw(std::to_string(request_.uid))
                        .Raw("(UID FLAGS)")
                        .Finish();
  request.on_data = [&](const imap::UntaggedData& data) {
    const auto* fetch = std::get_if<imap::FetchData>(&data);
    if (fetch != nullptr && fetch->uid == request_.uid) named = true;
  };
  connection_.RequireOk(connection_.Run(request), "looking for " + What());
  return named || IsFound();
}

// OK without data proves nothing; a search must be answered, with an empty list if need be.
bool BodyCommand::IsFound() {
  bool answered = false;
  bool found = false;
  Request request;
  request.name = "UID SEARCH";
  request.command =
      imap::CommandBuilder(connection_.NextTag(), "UID SEARCH").Raw("UID").Raw(std::to_string(request_.uid)).Finish();
  request.on_data = [&](const imap::UntaggedData& data) {
    const auto* search = std::get_if<imap::SearchData>(&data);
    if (search == nullptr) return;
    answered = true;
    found = found || std::find(search->numbers.begin(), search->numbers.end(), request_.uid) != search->numbers.end();
  };
  connection_.RequireOk(connection_.Run(request), "looking for " + What());
  if (!answered) {
    throw Error(ErrorKind::kServer, base::Format("the server does not say whether {} still exists", What()));
  }
  return found;
}

}  // namespace mailboxfs::mail
