#include "listing.h"

#include <utility>

#include "mailboxfs/base/log.h"
#include "mailboxfs/model/header_fields.h"

namespace mailboxfs::tree {
namespace {

constexpr std::chrono::seconds kSayEvery{5};

int64_t Seconds(base::Duration duration) { return std::chrono::duration_cast<std::chrono::seconds>(duration).count(); }

}  // namespace

void NotifyRemoved(Context& context, const store::Removed& removed) {
  if (removed.linked) {
    context.notifier.Unlinked(removed.parent, removed.ino, removed.name);
  } else {
    context.notifier.Deleted(removed.parent, removed.ino, removed.name);
  }
}

void NotifyRemoved(Context& context, std::span<const store::Removed> removed) {
  for (const store::Removed& one : removed) NotifyRemoved(context, one);
}

Listing::Listing(std::shared_ptr<Context> context, store::Folder folder, bool full, std::function<void()> give_up)
    : context_(std::move(context)),
      folder_(std::move(folder)),
      full_(full),
      give_up_(std::move(give_up)),
      started_(context_->clock.Now()),
      said_at_(started_) {}

template <typename Function>
void Listing::Guard(Function write) {
  if (error_) return;
  try {
    write();
  } catch (...) {
    error_ = base::CurrentError();
    if (give_up_) give_up_();
  }
}

std::vector<model::Uid> Listing::Begin(const model::FolderState& state) {
  std::vector<model::Uid> known;
  Guard([&] {
    known = context_->index.BeginListing(folder_.ino, state.uid_validity);
    state_ = state;
  });
  return known;
}

std::vector<model::Uid> Listing::Incomplete() {
  std::vector<model::Uid> uids;
  Guard([&] { uids = context_->index.IncompleteUids(folder_.ino); });
  return uids;
}

void Listing::Added(std::span<const model::MessageInfo> messages) {
  Guard([&] {
    std::vector<store::NewMessage> added;
    added.reserve(messages.size());
    for (const model::MessageInfo& message : messages) {
      added.push_back({message.uid, context_->options.names.Format(message), message.flags,
                       model::ParseHeaderFields(message.header).message_id, message.internal_date,
                       message.size_estimate, message.header, message.complete, message.shared_id});
    }
    const store::AddedChanges changes = context_->index.AddMessages(folder_.ino, added, context_->WallSeconds());
    NotifyRemoved(*context_, changes.completed);
    for (const store::Removed& one : changes.completed) context_->notifier.AttributesChanged(one.ino);
    for (const Ino linked : changes.linked) context_->notifier.AttributesChanged(linked);
    changed_ = changed_ || !added.empty();
  });
}

void Listing::FlagsChanged(std::span<const model::FlagsUpdate> updates) {
  Guard([&] { context_->index.UpdateFlags(folder_.ino, updates); });
}

void Listing::Vanished(std::span<const model::Uid> uids) {
  Guard([&] {
    const std::vector<store::Removed> removed = context_->index.RemoveUids(folder_.ino, uids, context_->WallSeconds());
    changed_ = changed_ || !removed.empty();
    NotifyRemoved(*context_, removed);
  });
}

void Listing::Progress(uint64_t done, uint64_t total) {
  done_ = done;
  total_ = total;
  const base::MonoTime now = context_->clock.Now();
  if (now - said_at_ < kSayEvery) return;
  said_at_ = now;
  Guard([&] {
    base::LogInfo("listing {}: {} of {}", PathOf(context_->index, folder_.ino), done, base::CountOf(total, "message"));
  });
}

void Listing::Complete() {
  if (!state_) {
    throw base::Error(base::ErrorKind::kInternal, base::Format("listing {}: the source said success without having "
                                                               "opened the folder; please report this",
                                                               PathOf(context_->index, folder_.ino)));
  }
  const bool scanned = full_ || state_->uid_validity != folder_.listed.uid_validity;
  const std::vector<store::Removed> removed =
      context_->index.FinishListing(folder_.ino, *state_, scanned, context_->WallSeconds());
  changed_ = changed_ || !removed.empty();
  NotifyRemoved(*context_, removed);
}

base::Status Listing::Finish(base::Status status) {
  give_up_ = nullptr;
  if (!error_ && status) error_ = std::move(status);
  Guard([&] { Complete(); });
  // Whatever was delivered before an error is in the index too.
  if (changed_) context_->notifier.AttributesChanged(folder_.ino);
  const base::MonoTime now = context_->clock.Now();
  if (!error_ && said_at_ != started_) {
    Guard([&] {
      base::LogInfo("listed {}: {} in {} s", PathOf(context_->index, folder_.ino),
                    base::CountOf(state_->exists, "message"), Seconds(now - started_));
    });
  }
  return error_;
}

}  // namespace mailboxfs::tree
