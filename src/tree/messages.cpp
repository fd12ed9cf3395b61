#include "messages.h"

#include <algorithm>
#include <utility>

#include "mailboxfs/base/log.h"

namespace mailboxfs::tree {
namespace {

using base::ErrorKind;

}  // namespace

Messages::Messages(std::shared_ptr<Context> context, std::shared_ptr<Refresher> refresher)
    : context_(std::move(context)), refresher_(std::move(refresher)), open_(std::make_shared<OpenTable>()) {}

std::shared_ptr<Wait> Messages::Open(const store::Node& node, const store::Folder& folder,
                                     const std::shared_ptr<MailboxState>& mailbox, Fetch fetch,
                                     Tree::Callback<Tree::Opened> callback) {
  if (const std::shared_ptr<store::BodyFile> body = FindBody(node.ino)) {
    callback(OpenCached(node, mailbox, body));
    return nullptr;
  }
  if (fetch == Fetch::kAtRead && node.size_exact && !IsDownloading(node.ino) && !open_->SizeChanged(node.ino)) {
    callback(Tree::Opened{std::make_shared<OpenBody>(open_, ToAttributes(node)), false, false});
    return nullptr;
  }
  if (folder.listed.uid_validity == 0 || node.uid == 0) {
    refresher_->StartInBackground({mailbox, folder.ino, false});
    callback(base::Error(ErrorKind::kNotListed,
                         base::Format("opening {}: the server has renumbered its folder, which is being listed anew; "
                                      "try again when that is done",
                                      node.name)));
    return nullptr;
  }
  auto opening = std::make_shared<Opening>(Opening{ToAttributes(node), mailbox, nullptr});
  auto waiter = std::make_shared<Waiter>(
      context_, mailbox,
      [self = shared_from_this(), opening, callback = std::move(callback)](const base::Status& error, Waiter::EndedBy) {
        if (error) {
          callback(*error);
        } else {
          callback(self->OpenDownloaded(*opening));
        }
      });
  bool created = false;
  std::shared_ptr<Download> download;
  do {
    if (download) Forget(node.ino, download.get());
    download = FindOrCreate(node, mailbox, &created);
    opening->download = download;
    if (!download) {
      waiter->Finish(ShutDownError());
      return nullptr;
    }
  } while (!download->AddOpener(waiter));
  if (created) {
    Launch(download, node.ino, {folder.id, folder.listed.uid_validity, node.uid, node.size});
  }
  return waiter->finished() ? nullptr : waiter;
}

std::shared_ptr<store::BodyFile> Messages::FindBody(Ino ino) {
  // Asked in any case: it counts as a use.
  std::shared_ptr<store::BodyFile> cached = context_->cache.Find(ino);
  const OpenTable::Live live = open_->FindLive(ino);
  if (live.body) return live.body;
  if (live.download) {
    if (std::shared_ptr<store::BodyFile> body = live.download->body()) return body;
  }
  return cached;
}

Tree::Opened Messages::OpenCached(const store::Node& node, const std::shared_ptr<MailboxState>& mailbox,
                                  const std::shared_ptr<store::BodyFile>& body) {
  Attributes attributes = ToAttributes(node);
  bool changed = false;
  if (!node.size_exact || node.size != body->size()) changed = context_->index.SetExactSize(node.ino, body->size());
  // Whoever learned the size first may not have told the kernel yet; telling it twice is harmless.
  changed = changed || IsDownloading(node.ino) || open_->SizeChanged(node.ino);
  attributes.size = body->size();
  attributes.size_exact = true;
  auto message = std::make_shared<OpenBody>(open_, attributes, changed, body);
  message->set_mailbox(mailbox);
  return {std::move(message), changed, !changed};
}

Tree::Opened Messages::OpenDownloaded(const Opening& opening) {
  Attributes attributes = opening.attributes;
  attributes.size = opening.download->size();
  attributes.size_exact = true;
  const bool changed = opening.download->size_changed() || open_->SizeChanged(attributes.ino);
  auto message = std::make_shared<OpenBody>(open_, attributes, changed, opening.download);
  message->set_mailbox(opening.mailbox);
  return {std::move(message), changed, false};
}

std::shared_ptr<Download> Messages::FindOrCreate(const store::Node& node, const std::shared_ptr<MailboxState>& mailbox,
                                                 bool* created) {
  const OpenTable::Live live = open_->FindLive(node.ino);
  base::MutexLock lock(mutex_);
  *created = false;
  if (stopped_) return nullptr;
  std::shared_ptr<Download>& download = downloads_[node.ino];
  if (download) return download;
  *created = true;
  const auto weak = weak_from_this();
  // The hooks hold no reference to their download: it must be found again by its address.
  const auto address = std::make_shared<const Download*>(nullptr);
  Download::Hooks hooks;
  hooks.failed = [weak, node, mailbox](const base::Error& error) {
    if (const auto self = weak.lock()) self->OnFailure(node, mailbox, error);
  };
  hooks.ended = [weak, ino = node.ino, address] {
    if (const auto self = weak.lock()) self->Forget(ino, *address);
  };
  if (live.download && live.download->Revive(hooks)) {
    download = live.download;
  } else {
    download = std::make_shared<Download>(context_, mailbox, node.ino, std::move(hooks));
  }
  *address = download.get();
  return download;
}

void Messages::Launch(const std::shared_ptr<Download>& download, Ino ino, const model::BodyRequest& request) {
  // An earlier download may have ended since the cache was looked at.
  try {
    if (context_->cache.Contains(ino)) {
      if (std::shared_ptr<store::BodyFile> body = context_->cache.Find(ino)) {
        download->Provide(std::move(body));
        return;
      }
    }
  } catch (...) {
    download->Fail(base::CurrentError());
    return;
  }
  download->Start(request);
}

void Messages::OnFailure(const store::Node& node, const std::shared_ptr<MailboxState>& mailbox,
                         const base::Error& error) {
  if (error.kind() == ErrorKind::kCancelled) return;
  base::LogDebug("{}: {}: {}", mailbox->name, node.name, error.what());
  if (error.kind() == ErrorKind::kStale) {
    refresher_->MarkStale(node.parent);
    refresher_->StartInBackground({mailbox, node.parent, false});
  }
  if (error.kind() != ErrorKind::kGone) return;
  refresher_->MarkStale(node.parent);
  try {
    if (const auto removed = context_->index.RemoveMessage(node.ino, context_->WallSeconds())) {
      context_->notifier.Deleted(removed->parent, removed->ino, removed->name);
      context_->notifier.AttributesChanged(removed->parent);
    }
  } catch (const base::Error& failure) {
    base::LogWarning("{}: {} is gone at the server but stays listed until the next refresh: {}", mailbox->name,
                     node.name, failure.what());
  }
}

void Messages::Forget(Ino ino, const Download* download) {
  std::shared_ptr<Download> forgotten;  // Dropped after the lock.
  base::MutexLock lock(mutex_);
  const auto found = downloads_.find(ino);
  if (found == downloads_.end() || found->second.get() != download) return;
  forgotten = std::move(found->second);
  downloads_.erase(found);
  lock.Unlock();
}

bool Messages::IsDownloading(Ino ino) {
  base::MutexLock lock(mutex_);
  return downloads_.count(ino) != 0;
}

uint64_t Messages::CountDownloads() {
  base::MutexLock lock(mutex_);
  return downloads_.size();
}

std::shared_ptr<Wait> Messages::Read(const std::shared_ptr<OpenBody>& message, uint64_t offset, size_t length,
                                     Tree::Callback<ReadSpan> callback) {
  if (offset >= message->size()) {
    callback(ReadSpan{});
    return nullptr;
  }
  const auto wanted = static_cast<size_t>(std::min<uint64_t>(length, message->size() - offset));
  if (const std::shared_ptr<store::BodyFile>& body = message->body()) {
    callback(ReadSpan{body, body->fd(), offset, wanted});
    return nullptr;
  }
  auto waiter = std::make_shared<Waiter>(
      context_, message->mailbox(),
      [message, offset, wanted, callback = std::move(callback)](const base::Status& error, Waiter::EndedBy) {
        if (error) {
          callback(*error);
        } else {
          callback(message->download()->Span(offset, wanted));
        }
      });
  message->download()->AddReader(waiter, offset + wanted);
  return waiter->finished() ? nullptr : waiter;
}

void Messages::Stop() {
  base::MutexLock lock(mutex_);
  stopped_ = true;
}

void Messages::Drain() {
  std::vector<std::shared_ptr<Download>> left;
  {
    base::MutexLock lock(mutex_);
    for (const auto& [ino, download] : downloads_) left.push_back(download);
  }
  for (const std::shared_ptr<Download>& download : left) download->Fail(ShutDownError());
}

}  // namespace mailboxfs::tree
