#include "status.h"

#include "outcomes.h"

namespace mailboxfs::tree {
namespace {

constexpr size_t kFailedShown = 1000;

MailboxStatus StatusOf(Context& context, Refresher& refresher, const MailboxState& mailbox) {
  MailboxStatus status;
  status.name = mailbox.name;
  status.key = mailbox.key;
  status.source = mailbox.source->GetStatus();
  status.hidden = mailbox.hidden();
  status.last_error = refresher.StateOf(mailbox.ino).last_error;
  for (const store::Folder& folder : context.index.Folders(mailbox.ino)) {
    const RefreshState state = refresher.StateOf(folder.ino);
    const bool listed = folder.listed_at != 0;
    if (!listed && !state.refreshing && state.last_error.empty()) continue;
    status.folders.push_back({PathOf(context.index, folder.ino), folder.messages, listed, folder.listed_at,
                              state.refreshing, state.progress.done, state.progress.total, state.last_error});
  }
  for (const store::FailedMessage& failed :
       context.index.FailedMessages(mailbox.ino, kFailedShown, &status.failed_count)) {
    const store::Outcome& outcome = failed.outcome;
    status.failed.push_back({PathOf(context.index, failed.ino), failed.uid, std::string(OutcomeName(outcome.kind)),
                             outcome.error, outcome.tries, outcome.failed_at, outcome.retry_at});
  }
  return status;
}

}  // namespace

TreeStatus BuildStatus(Context& context, Refresher& refresher, Messages& messages) {
  TreeStatus status;
  for (const auto& [ino, mailbox] : context.mailboxes) {
    status.mailboxes.push_back(StatusOf(context, refresher, *mailbox));
  }
  status.cache = context.cache.GetStatus();
  status.messages = context.index.CountMessages();
  status.downloads = messages.CountDownloads();
  status.waiting = context.waiting.load();
  return status;
}

}  // namespace mailboxfs::tree
