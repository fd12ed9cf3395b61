#include "messages.h"

#include <algorithm>
#include <utility>

#include "mailboxfs/base/log.h"

namespace mailboxfs::tree {
namespace {

using base::ErrorKind;

// After which another name's folder may have the message still.
bool IsAboutOneFolder(ErrorKind kind) {
  return kind == ErrorKind::kGone || kind == ErrorKind::kNotFound || kind == ErrorKind::kStale ||
         kind == ErrorKind::kServer;
}

base::Error BeingRenumbered(const store::Node& node) {
  return {ErrorKind::kNotListed, base::Format("opening {}: the server has renumbered its folder, which is being listed "
                                              "anew; try again when that is done",
                                              node.name)};
}

}  // namespace

model::BodyRequest Messages::Source::Request() const {
  return {folder.id, folder.listed.uid_validity, node.uid, node.complete ? std::optional(node.size) : std::nullopt};
}

Messages::Messages(std::shared_ptr<Context> context, std::shared_ptr<Refresher> refresher,
                   std::shared_ptr<ExactSizes> sizes)
    : context_(std::move(context)),
      refresher_(std::move(refresher)),
      open_(std::make_shared<OpenTable>()),
      sizes_(std::move(sizes)),
      outcomes_(std::make_shared<Outcomes>(context_)),
      read_ahead_(context_,
                  [this](std::span<const store::Node> nodes, const store::Folder& folder,
                         const std::shared_ptr<MailboxState>& mailbox) { return FetchAhead(nodes, folder, mailbox); }) {
}

std::shared_ptr<Wait> Messages::Open(const store::Node& node, const store::Folder& folder,
                                     const std::shared_ptr<MailboxState>& mailbox, Fetch fetch,
                                     Tree::Callback<Tree::Opened> callback) {
  if (const std::shared_ptr<store::BodyFile> body = FindBody({node.ino, node.tag})) {
    callback(OpenCached(node, mailbox, body));
    read_ahead_.OnOpened(node, folder, mailbox, true);
    return nullptr;
  }
  if (fetch == Fetch::kAtRead && node.size_exact && !IsDownloading(node.ino) && !open_->FindLive(node.ino).download) {
    callback(Answer(std::make_shared<OpenBody>(open_, ToAttributes(node)), false));
    return nullptr;
  }
  // Also while a download is there: one that has just ended may still be, and whoever joined it would ask again.
  if (const base::Status known = outcomes_->Known(node)) {
    callback(*known);
    return nullptr;
  }
  std::optional<Source> source = Source{node, folder};
  if (folder.listed.uid_validity == 0 || node.uid == 0) {
    refresher_->StartInBackground({mailbox, folder.ino, false});
    bool others = false;
    source = FindSource(node.ino, {node}, &others);
    if (!source) {
      callback(BeingRenumbered(node));
      return nullptr;
    }
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
  Running running;
  do {
    if (running.download) Forget(node.ino, running.start);
    running = FindOrCreate(source->node, mailbox, &created);
    opening->download = running.download;
    if (!running.download) {
      waiter->Finish(ShutDownError());
      return nullptr;
    }
  } while (!running.download->AddOpener(waiter));
  if (created) Launch(running.download, {node.ino, node.tag}, source->Request());
  // After it: whoever waits goes first.
  read_ahead_.OnOpened(node, folder, mailbox, false);
  return waiter->finished() ? nullptr : waiter;
}

std::shared_ptr<store::BodyFile> Messages::FindBody(const store::BodyKey& key) {
  // Asked in any case: it counts as a use.
  std::shared_ptr<store::BodyFile> cached = context_->cache.Find(key);
  std::shared_ptr<store::BodyFile> held = HeldBody(key.ino);
  return held ? held : cached;
}

std::shared_ptr<store::BodyFile> Messages::HeldBody(Ino ino) {
  const OpenTable::Live live = open_->FindLive(ino);
  if (live.body || !live.download) return live.body;
  return live.download->body();
}

Tree::Opened Messages::OpenCached(const store::Node& node, const std::shared_ptr<MailboxState>& mailbox,
                                  const std::shared_ptr<store::BodyFile>& body) {
  Attributes attributes = ToAttributes(node);
  if (!node.size_exact || node.size != body->size()) sizes_->Learn(node.ino, body->size());
  attributes.size = body->size();
  attributes.size_exact = true;
  auto message = std::make_shared<OpenBody>(open_, attributes, body);
  message->set_mailbox(mailbox);
  return Answer(message, true);
}

Tree::Opened Messages::OpenDownloaded(const Opening& opening) {
  Attributes attributes = opening.attributes;
  attributes.size = opening.download->size();
  attributes.size_exact = true;
  auto message = std::make_shared<OpenBody>(open_, attributes, opening.download);
  message->set_mailbox(opening.mailbox);
  return Answer(message, false);
}

Tree::Opened Messages::Answer(const std::shared_ptr<OpenBody>& message, bool same_body) {
  const uint64_t change = sizes_->Untold(message->ino());
  if (change != 0) message->SetUntold(sizes_, change);
  return {message, change != 0, same_body && change == 0};
}

Messages::Running Messages::FindOrCreate(const store::Node& node, const std::shared_ptr<MailboxState>& mailbox,
                                         bool* created) {
  const OpenTable::Live live = open_->FindLive(node.ino);
  base::MutexLock lock(mutex_);
  *created = false;
  if (stopped_) return {};
  Running& running = downloads_[node.ino];
  if (running.download) return running;
  *created = true;
  running.start = ++last_start_;
  const auto weak = weak_from_this();
  Download::Hooks hooks;
  const auto tried = std::make_shared<std::vector<store::Node>>(1, node);
  hooks.failed = [weak, tried, mailbox](const base::Error& error) {
    if (const auto self = weak.lock()) self->OnFailure(tried->back(), mailbox, error);
  };
  hooks.elsewhere = [weak, tried, mailbox](const base::Error& error) {
    const auto self = weak.lock();
    return self ? self->Elsewhere(error, mailbox, tried.get()) : std::nullopt;
  };
  hooks.succeeded = [outcomes = outcomes_, ino = node.ino] { outcomes->OnSuccess(ino); };
  hooks.ended = [weak, ino = node.ino, start = running.start] {
    if (const auto self = weak.lock()) self->Forget(ino, start);
  };
  if (live.download && live.download->Revive(hooks)) {
    running.download = live.download;
  } else {
    running.download =
        std::make_shared<Download>(context_, sizes_, mailbox, store::BodyKey{node.ino, node.tag}, std::move(hooks));
  }
  return running;
}

void Messages::Launch(const std::shared_ptr<Download>& download, const store::BodyKey& key,
                      const model::BodyRequest& request) {
  if (IsToBeFetched(download, key)) download->Start(request);
}

void Messages::FetchAhead(std::span<const store::Node> nodes, const store::Folder& folder,
                          const std::shared_ptr<MailboxState>& mailbox) {
  std::vector<model::AheadRequest> requests;
  std::vector<std::shared_ptr<Download>> downloads;
  for (const store::Node& node : nodes) {
    const store::BodyKey key{node.ino, node.tag};
    if (folder.listed.uid_validity == 0 || node.uid == 0 || context_->cache.Contains(key)) continue;
    const OpenTable::Live live = open_->FindLive(node.ino);
    if (live.body || live.download || outcomes_->Known(node)) continue;
    bool created = false;
    const Running running = FindOrCreate(node, mailbox, &created);
    if (!created || !IsToBeFetched(running.download, key)) continue;
    requests.push_back(running.download->StartAhead(Source{node, folder}.Request()));
    downloads.push_back(running.download);
  }
  if (requests.empty()) return;
  const std::shared_ptr<model::Task> task = mailbox->source->FetchAhead(std::move(requests));
  for (const std::shared_ptr<Download>& download : downloads) download->Follow(task);
}

bool Messages::IsToBeFetched(const std::shared_ptr<Download>& download, const store::BodyKey& key) {
  // An earlier download may have ended since its body was looked for.
  try {
    std::shared_ptr<store::BodyFile> body = HeldBody(key.ino);
    if (!body && context_->cache.Contains(key)) body = context_->cache.Find(key);
    if (body) {
      download->Provide(std::move(body));
      return false;
    }
  } catch (...) {
    download->Fail(base::CurrentError());
    return false;
  }
  return true;
}

std::optional<Messages::Source> Messages::FindSource(Ino ino, const std::vector<store::Node>& tried, bool* others) {
  *others = false;
  for (const store::Node& name : context_->index.Names(ino)) {
    if (std::any_of(tried.begin(), tried.end(), [&](const auto& one) { return one.entry == name.entry; })) continue;
    *others = true;
    const std::optional<store::Folder> folder = context_->index.GetFolder(name.parent);
    if (!folder || folder->listed.uid_validity == 0) continue;
    // Read again after the folder, as a UID means what its UIDVALIDITY says.
    std::optional<store::Node> node = context_->index.Find(name.parent, name.name);
    if (node && node->entry == name.entry && node->uid != 0) return Source{std::move(*node), *folder};
  }
  return std::nullopt;
}

std::optional<model::BodyRequest> Messages::Elsewhere(const base::Error& error,
                                                      const std::shared_ptr<MailboxState>& mailbox,
                                                      std::vector<store::Node>* tried) {
  if (!IsAboutOneFolder(error.kind())) return std::nullopt;
  const store::Node failed = tried->back();
  bool others = false;
  const std::optional<Source> source = FindSource(failed.ino, *tried, &others);
  if (!others || (!source && error.kind() != ErrorKind::kGone)) return std::nullopt;
  NoteAbsence(failed, mailbox, error);
  if (!source) throw BeingRenumbered(failed);
  base::LogDebug("{}: {}: {}; asked for as {}", mailbox->name, failed.name, error.what(), source->node.name);
  tried->push_back(source->node);
  return source->Request();
}

void Messages::OnFailure(const store::Node& node, const std::shared_ptr<MailboxState>& mailbox,
                         const base::Error& error) {
  if (error.kind() == ErrorKind::kCancelled) return;
  base::LogDebug("{}: {}: {}", mailbox->name, node.name, error.what());
  outcomes_->OnFailure(node, *mailbox, error);
  NoteAbsence(node, mailbox, error);
}

void Messages::NoteAbsence(const store::Node& node, const std::shared_ptr<MailboxState>& mailbox,
                           const base::Error& error) {
  if (error.kind() == ErrorKind::kStale) {
    refresher_->MarkStale(node.parent);
    refresher_->StartInBackground({mailbox, node.parent, false});
  }
  if (error.kind() != ErrorKind::kGone) return;
  refresher_->MarkStale(node.parent);
  try {
    if (const auto removed = context_->index.RemoveMessage(node.entry, context_->WallSeconds())) {
      NotifyRemoved(*context_, *removed);
      context_->notifier.AttributesChanged(removed->parent);
    }
  } catch (const base::Error& failure) {
    base::LogWarning("{}: {} is gone at the server but stays listed until the next refresh: {}", mailbox->name,
                     node.name, failure.what());
  }
}

void Messages::Forget(Ino ino, uint64_t start) {
  std::shared_ptr<Download> forgotten;  // Dropped after the lock.
  base::MutexLock lock(mutex_);
  const auto found = downloads_.find(ino);
  if (found == downloads_.end() || found->second.start != start) return;
  forgotten = std::move(found->second.download);
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
    for (const auto& [ino, running] : downloads_) left.push_back(running.download);
  }
  for (const std::shared_ptr<Download>& download : left) download->Fail(ShutDownError());
}

}  // namespace mailboxfs::tree
