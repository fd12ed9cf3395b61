#include "mail/refresh_command.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "mail/refusal.h"
#include "mailboxfs/base/encoding.h"
#include "mailboxfs/base/log.h"

namespace mailboxfs::mail {
namespace {

using base::Error;
using base::ErrorKind;
using model::Uid;

constexpr std::string_view kHeaderItems =
    "(UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[HEADER.FIELDS (DATE FROM SUBJECT MESSAGE-ID)])";
constexpr std::string_view kGmailHeaderItems =
    "(UID FLAGS INTERNALDATE RFC822.SIZE X-GM-MSGID BODY.PEEK[HEADER.FIELDS (DATE FROM SUBJECT MESSAGE-ID)])";
constexpr std::string_view kDateItems = "(UID FLAGS INTERNALDATE RFC822.SIZE)";
constexpr size_t kFlagsBatch = 1000;
// More cannot be shown by stat, nor be meant.
constexpr uint64_t kMaxEstimate = uint64_t{1} << 48U;
// Tag, "UID FETCH", items, CRLF.
constexpr size_t kCommandOverhead = 160;

void Collect(imap::UntaggedData& data, FetchedItems& items) {
  if (auto* fetch = std::get_if<imap::FetchData>(&data)) items.OnFetch(*fetch);
  if (const auto* expunge = std::get_if<imap::ExpungeData>(&data)) items.OnExpunge(expunge->sequence);
}

model::MessageInfo MakeInfo(Uid uid, const FetchedItems::Item& item) {
  model::MessageInfo info;
  info.uid = uid;
  info.flags = item.flags.value_or(std::string());
  info.internal_date = item.internal_date.value_or(0);
  info.size_estimate = std::min(item.size.value_or(0), kMaxEstimate);
  info.header = item.header.value_or(std::string());
  info.complete = item.Complete();
  info.shared_id = item.shared_id.value_or(0);
  return info;
}

}  // namespace

RefreshCommand::RefreshCommand(Connection& connection, const model::RefreshRequest& request, model::RefreshSink& sink,
                               RefreshMemory& memory, std::function<void()> between_batches)
    : connection_(connection),
      request_(request),
      sink_(sink),
      memory_(memory),
      between_batches_(std::move(between_batches)) {}

void RefreshCommand::Run() {
  BlameInFlight();
  state_ = connection_.Examine(request_.folder_id).state;
  known_ = sink_.Begin(state_);
  if (!std::is_sorted(known_.begin(), known_.end())) std::sort(known_.begin(), known_.end());
  const std::vector<Uid> incomplete = sink_.Incomplete();
  incomplete_.insert(incomplete.begin(), incomplete.end());
  if (Unchanged() || ListTail()) return;
  ListAll();
}

// The last attempt may have died of a message: find out which by asking one by one.
void RefreshCommand::BlameInFlight() {
  memory_.progress = false;
  if (memory_.in_flight.size() == 1 && memory_.suspects.contains(memory_.in_flight.front())) {
    memory_.poison.insert(memory_.in_flight.front());
    ++memory_.poison_in_row;
    base::LogWarning("{}: asking for the header of UID {} in folder {} ends the connection; listed without it",
                     connection_.context().options.name, memory_.in_flight.front(),
                     base::Printable(request_.folder_id));
  } else {
    memory_.suspects.insert(memory_.in_flight.begin(), memory_.in_flight.end());
  }
  memory_.in_flight.clear();
}

bool RefreshCommand::Unchanged() const {
  return !request_.full && state_.uid_next != 0 && request_.last.uid_validity == state_.uid_validity &&
         request_.last.uid_next == state_.uid_next && request_.last.exists == state_.exists &&
         known_.size() == state_.exists;
}

bool RefreshCommand::ListTail() {
  if (request_.full || memory_.avoid_tail || known_.empty() || request_.last.uid_validity != state_.uid_validity ||
      state_.exists < known_.size() || state_.exists - known_.size() > connection_.header_batch()) {
    return false;
  }
  // What a refresh that broke off has left may have gaps.
  if (known_.size() != request_.last.exists) return false;
  const Uid last = known_.back();
  if (last == UINT32_MAX) return false;
  uint32_t exists = state_.exists;
  FetchedItems items;
  Request request;
  request.name = "UID FETCH";
  request.command = imap::CommandBuilder(connection_.NextTag(), "UID FETCH")
                        .Raw(std::to_string(last + 1) + ":*")
                        .Raw(HeaderItems())
                        .Finish();
  request.on_data = [&](imap::UntaggedData& data) {
    Collect(data, items);
    if (const auto* count = std::get_if<imap::ExistsData>(&data)) exists = count->count;
    if (std::holds_alternative<imap::ExpungeData>(data) && exists > 0) --exists;
  };
  memory_.avoid_tail = true;
  const imap::StatusResponse status = connection_.Run(request);
  memory_.avoid_tail = false;
  if (ThrottlePause(status) || IsNotConnected(status)) connection_.RequireOk(status, "listing new messages");
  if (status.condition != imap::Condition::kOk) return false;
  std::vector<model::MessageInfo> fresh;
  for (const auto& [uid, item] : items.by_uid()) {
    // "n:*" names the last message even if its UID is below n (RFC 3501 section 6.4.8).
    if (uid > last && item.Answered()) fresh.push_back(MakeInfo(uid, item));
  }
  // Whatever is said here is right; whether it is all shows in the count.
  if (!fresh.empty()) sink_.Added(fresh);
  answered_ = !fresh.empty();
  for (const model::MessageInfo& info : fresh) known_.push_back(info.uid);
  return known_.size() == exists && IsWholeTail(last, fresh);
}

// A message that nothing was said of and one that has gone make the count right together.
bool RefreshCommand::IsWholeTail(Uid last, const std::vector<model::MessageInfo>& fresh) {
  const bool no_gap = !fresh.empty() && fresh.back().uid - last == fresh.size();
  if (no_gap && state_.uid_next != 0 && fresh.back().uid >= state_.uid_next - 1) return true;
  std::vector<Uid> found;
  Request request;
  request.name = "UID SEARCH";
  request.command = imap::CommandBuilder(connection_.NextTag(), "UID SEARCH")
                        .Raw("UID")
                        .Raw(std::to_string(last + 1) + ":*")
                        .Finish();
  bool answered = false;
  request.on_data = [&](const imap::UntaggedData& data) {
    const auto* search = std::get_if<imap::SearchData>(&data);
    if (search == nullptr) return;
    answered = true;
    for (const Uid uid : search->numbers) {
      // More of them is wrong already, however many a hostile server sends.
      if (uid > last && found.size() <= fresh.size()) found.push_back(uid);
    }
  };
  const imap::StatusResponse status = connection_.Run(request);
  std::sort(found.begin(), found.end());
  return status.condition == imap::Condition::kOk && answered &&
         std::equal(found.begin(), found.end(), fresh.begin(), fresh.end(),
                    [](Uid uid, const model::MessageInfo& info) { return uid == info.uid; });
}

void RefreshCommand::ListAll() {
  if (connection_.exists() == 0) {
    if (!known_.empty()) sink_.Vanished(known_);
    return;
  }
  Compare(FetchListing());
}

std::vector<FolderListing::Message> RefreshCommand::FetchListing() {
  FolderListing listing(connection_.exists());
  Request request;
  request.name = "UID FETCH";
  request.command = imap::CommandBuilder(connection_.NextTag(), "UID FETCH").Raw("1:*").Raw("(UID FLAGS)").Finish();
  request.on_data = [&listing](const imap::UntaggedData& data) {
    if (const auto* fetch = std::get_if<imap::FetchData>(&data)) listing.OnFetch(*fetch);
    if (const auto* expunge = std::get_if<imap::ExpungeData>(&data)) listing.OnExpunge(expunge->sequence);
    if (const auto* exists = std::get_if<imap::ExistsData>(&data)) listing.OnExists(exists->count);
  };
  connection_.RequireOk(connection_.Run(request),
                        base::Format("listing the folder {}", base::Printable(request_.folder_id)));
  return listing.Take();
}

void RefreshCommand::Compare(const std::vector<FolderListing::Message>& listing) {
  std::vector<Uid> vanished;
  std::vector<model::FlagsUpdate> updates;
  std::vector<FolderListing::Message> fresh;
  size_t k = 0;
  for (const FolderListing::Message& message : listing) {
    while (k < known_.size() && known_[k] < message.uid) vanished.push_back(known_[k++]);
    if (k == known_.size() || known_[k] != message.uid) {
      fresh.push_back(message);
      continue;
    }
    ++k;
    if (incomplete_.contains(message.uid)) fresh.push_back(message);
    if (message.has_flags) updates.push_back({message.uid, message.flags});
  }
  vanished.insert(vanished.end(), known_.begin() + static_cast<ptrdiff_t>(k), known_.end());
  if (!vanished.empty()) sink_.Vanished(vanished);
  const std::span<const model::FlagsUpdate> all(updates);
  for (size_t i = 0; i < all.size(); i += kFlagsBatch) {
    sink_.FlagsChanged(all.subspan(i, std::min(kFlagsBatch, all.size() - i)));
  }
  AddMessages(fresh);
}

void RefreshCommand::AddMessages(const std::vector<FolderListing::Message>& fresh) {
  const size_t batch_size = std::max<size_t>(1, connection_.header_batch());
  const std::span<const FolderListing::Message> all(fresh);
  to_add_ = all.size();
  for (size_t start = 0; start < all.size();) {
    if (start > 0) BetweenBatches();
    size_t end = start + 1;
    const auto alone = [&](size_t i) { return memory_.suspects.contains(all[i].uid); };
    while (!alone(start) && end < all.size() && end - start < batch_size && !alone(end)) ++end;
    AddBatch(all.subspan(start, end - start));
    start = end;
  }
  SettleSilent();
}

void RefreshCommand::BetweenBatches() {
  if (!between_batches_) return;
  between_batches_();
  if (connection_.EnsureExamined(request_.folder_id).state.uid_validity != state_.uid_validity) {
    throw Error(ErrorKind::kServer, base::Format("the folder {} was replaced while it was being listed",
                                                 base::Printable(request_.folder_id)));
  }
}

void RefreshCommand::AddBatch(std::span<const FolderListing::Message> batch) {
  std::vector<Uid> uids;
  for (const FolderListing::Message& message : batch) {
    if (!memory_.poison.contains(message.uid)) uids.push_back(message.uid);
  }
  FetchedItems items;
  if (!uids.empty()) Gather(uids, items);
  std::vector<model::MessageInfo> infos;
  for (const FolderListing::Message& message : batch) {
    const FetchedItems::Item* item = items.Find(message.uid);
    if (item == nullptr || !item->Answered()) {
      silent_.push_back(message);
      continue;
    }
    infos.push_back(MakeInfo(message.uid, *item));
    if (infos.back().flags.empty()) infos.back().flags = message.flags;
  }
  if (!infos.empty()) {
    sink_.Added(infos);
    answered_ = memory_.progress = true;
    memory_.poison_in_row = 0;
  }
  added_ += batch.size();
  sink_.Progress(added_, to_add_);
}

std::string_view RefreshCommand::HeaderItems() const {
  return connection_.Has("X-GM-EXT-1") ? kGmailHeaderItems : kHeaderItems;
}

void RefreshCommand::Gather(Uids uids, FetchedItems& items) {
  const size_t max_octets = connection_.max_command_octets();
  const size_t room = max_octets > 2 * kCommandOverhead ? max_octets - kCommandOverhead : kCommandOverhead;
  memory_.in_flight.assign(uids.begin(), uids.end());
  bool refused = false;
  for (const std::string& set : imap::FormatUidSets(uids, room)) {
    const imap::StatusResponse status = FetchHeaders(set, items);
    refused = status.condition != imap::Condition::kOk || refused;
    refused_for_now_ = refused_for_now_ || IsTransient(status);
  }
  memory_.in_flight.clear();
  std::vector<Uid> missing;
  for (const Uid uid : uids) {
    const FetchedItems::Item* item = items.Find(uid);
    if (item == nullptr || !item->Answered()) missing.push_back(uid);
  }
  if (missing.empty() || uids.size() == 1) return;
  const Uids rest(missing);
  if (refused && rest.size() > 1) {
    Gather(rest.first(rest.size() / 2), items);
    Gather(rest.subspan(rest.size() / 2), items);
    return;
  }
  for (size_t i = 0; i < rest.size(); ++i) Gather(rest.subspan(i, 1), items);
}

imap::StatusResponse RefreshCommand::FetchHeaders(const std::string& uid_set, FetchedItems& items) {
  Request request;
  request.name = "UID FETCH";
  request.command = imap::CommandBuilder(connection_.NextTag(), "UID FETCH").Raw(uid_set).Raw(HeaderItems()).Finish();
  request.on_data = [&items](imap::UntaggedData& data) { Collect(data, items); };
  imap::StatusResponse status = connection_.Run(request);
  items.EndCommand();
  if (ThrottlePause(status) || IsNotConnected(status)) connection_.RequireOk(status, "listing messages");
  return status;
}

void RefreshCommand::SettleSilent() {
  if (silent_.empty()) return;
  // OK without data proves nothing (Exchange). What a complete, counted listing lacks is gone.
  if (connection_.Examine(request_.folder_id).state.uid_validity != state_.uid_validity) {
    throw Error(ErrorKind::kServer, base::Format("the folder {} was replaced while it was being listed",
                                                 base::Printable(request_.folder_id)));
  }
  std::set<Uid> listed;
  for (const FolderListing::Message& message : FetchListing()) listed.insert(message.uid);
  std::vector<FolderListing::Message> silent;
  size_t unheard_of = 0;
  for (FolderListing::Message& message : silent_) {
    if (!listed.contains(message.uid)) continue;
    if (!incomplete_.contains(message.uid)) ++unheard_of;
    silent.push_back(std::move(message));
  }
  // One among others is a message that the server cannot read. All of them, or one with the word
  // that it may pass, are a server that cannot read now.
  if (!answered_ && (unheard_of > 1 || (unheard_of == 1 && refused_for_now_))) {
    throw Error(ErrorKind::kServer,
                base::Format("the server lists messages in the folder {} but tells nothing about them, {} of {}",
                             base::Printable(request_.folder_id), unheard_of, to_add_));
  }
  if (!silent.empty()) AddIncomplete(silent);
}

void RefreshCommand::AddIncomplete(const std::vector<FolderListing::Message>& silent) {
  std::vector<Uid> uids;
  for (const FolderListing::Message& message : silent) {
    if (!memory_.poison.contains(message.uid)) uids.push_back(message.uid);
  }
  const FetchedItems dates = uids.empty() || memory_.avoid_dates ? FetchedItems() : FetchDates(uids);
  std::vector<model::MessageInfo> infos;
  for (const FolderListing::Message& message : silent) {
    const FetchedItems::Item* item = dates.Find(message.uid);
    infos.push_back(MakeInfo(message.uid, item != nullptr ? *item : FetchedItems::Item()));
    infos.back().flags = message.flags;
    if (incomplete_.contains(message.uid)) continue;
    base::LogWarning(
        "{}: the server does not tell the header of UID {} in folder {}; listed without, and asked for again later",
        connection_.context().options.name, message.uid, base::Printable(request_.folder_id));
  }
  sink_.Added(infos);
}

FetchedItems RefreshCommand::FetchDates(Uids uids) {
  FetchedItems items;
  memory_.avoid_dates = true;
  for (const std::string& set : imap::FormatUidSets(uids, connection_.max_command_octets() / 2 + kCommandOverhead)) {
    Request request;
    request.name = "UID FETCH";
    request.command = imap::CommandBuilder(connection_.NextTag(), "UID FETCH").Raw(set).Raw(kDateItems).Finish();
    request.on_data = [&items](imap::UntaggedData& data) { Collect(data, items); };
    const imap::StatusResponse status = connection_.Run(request);
    items.EndCommand();
    if (ThrottlePause(status) || IsNotConnected(status)) connection_.RequireOk(status, "listing messages");
  }
  memory_.avoid_dates = false;
  return items;
}

}  // namespace mailboxfs::mail
