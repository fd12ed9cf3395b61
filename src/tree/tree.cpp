#include "mailboxfs/tree/tree.h"

#include <algorithm>
#include <atomic>
#include <thread>
#include <utility>

#include "context.h"
#include "directories.h"
#include "mailboxfs/base/log.h"
#include "mailboxfs/base/mutex.h"
#include "messages.h"
#include "outcomes.h"
#include "refresh.h"
#include "status.h"

namespace mailboxfs::tree {
namespace {

using base::ErrorKind;
using store::NodeKind;

constexpr std::string_view kXattrPrefix = "user.mailboxfs.";
constexpr size_t kShutdownThreads = 16;
constexpr base::Duration kCountAge = std::chrono::seconds(10);

base::Error OtherBody(Context& context, const OpenBody& open, uint64_t size) {
  // Who asks for the size only, without opening, shall not see the old one for a day.
  context.notifier.AttributesChanged(open.ino());
  return {ErrorKind::kStale, base::Format("inode {}: the server sends a different body now ({} bytes, {} before); "
                                          "open the file again",
                                          open.ino(), size, open.size())};
}

void DoubtSize(Context& context, Ino message) {
  try {
    context.index.DoubtSize(message);
  } catch (const base::Error& error) {
    base::LogDebug("inode {}: {}", message, error.what());
  }
}

class TreeImpl final : public Tree {
 public:
  TreeImpl(std::shared_ptr<Context> context, Directories::Names names);
  ~TreeImpl() override { Shutdown(); }

  Attributes GetAttributes(Ino ino) override;
  std::vector<DirEntry> ReadDirectory(Ino directory, Ino after, size_t limit) override {
    return directories_.Read(directory, after, limit);
  }
  Ino ParentOf(Ino directory) override;
  std::string Describe(Ino ino) override;
  std::optional<std::string> GetXattr(Ino ino, std::string_view name) override;
  SpaceStatus GetSpace() override;
  TreeStatus GetStatus() override { return BuildStatus(*context_, *refresher_, *messages_); }

  std::shared_ptr<Wait> Lookup(Ino parent, std::string_view name, Callback<Attributes> callback) override {
    return directories_.Lookup(parent, name, std::move(callback));
  }
  std::shared_ptr<Wait> OpenDirectory(Ino directory, Callback<Attributes> callback) override {
    return directories_.Open(directory, std::move(callback));
  }
  std::shared_ptr<Wait> Open(Ino message, Callback<Opened> callback) override;
  std::shared_ptr<Wait> Read(const std::shared_ptr<OpenMessage>& message, uint64_t offset, size_t length,
                             Callback<ReadSpan> callback) override;
  void Shutdown() override;

 private:
  std::shared_ptr<Wait> OpenNow(Ino message, Messages::Fetch fetch, const Callback<Opened>& callback);
  // The first read of a message whose size was known when it was opened.
  std::shared_ptr<Wait> ReadUnread(const std::shared_ptr<OpenBody>& message, uint64_t offset, size_t length,
                                   Callback<ReadSpan> callback);

  const std::shared_ptr<Context> context_;
  const std::shared_ptr<Refresher> refresher_;
  const std::shared_ptr<ExactSizes> sizes_;
  const std::shared_ptr<Messages> messages_;
  Directories directories_;
  std::atomic<bool> shut_down_{false};

  base::Mutex space_mutex_;
  uint64_t message_count_ GUARDED_BY(space_mutex_) = 0;
  std::optional<base::MonoTime> counted_at_ GUARDED_BY(space_mutex_);
};

TreeImpl::TreeImpl(std::shared_ptr<Context> context, Directories::Names names)
    : context_(std::move(context)),
      refresher_(std::make_shared<Refresher>(context_)),
      sizes_(std::make_shared<ExactSizes>(context_->index)),
      messages_(std::make_shared<Messages>(context_, refresher_, sizes_)),
      directories_(context_, refresher_, sizes_, std::move(names)) {
  for (const auto& entry : context_->mailboxes) {
    const std::shared_ptr<MailboxState>& mailbox = entry.second;
    mailbox->source->SetChangeListener([weak = std::weak_ptr<Refresher>(refresher_),
                                        target = std::weak_ptr<MailboxState>(mailbox)](const std::string& folder_id) {
      const auto refresher = weak.lock();
      const auto changed = target.lock();
      if (refresher && changed) refresher->OnHint(changed, folder_id);
    });
  }
}

Attributes TreeImpl::GetAttributes(Ino ino) {
  if (const std::optional<Attributes> known = directories_.FindAttributes(ino)) return *known;
  if (const std::optional<Attributes> open = messages_->OpenAttributes(ino)) return *open;
  throw NoSuchInode(ino);
}

Ino TreeImpl::ParentOf(Ino directory) {
  if (directory == store::kRootIno) return store::kRootIno;
  const std::optional<store::Node> node = context_->index.Get(directory);
  if (!node) throw NoSuchInode(directory);
  return node->parent;
}

std::string TreeImpl::Describe(Ino ino) {
  try {
    const std::optional<store::Node> node = context_->index.Get(ino);
    if (node && node->kind == NodeKind::kMessage) {
      return base::Format("{}, uid {}", PathOf(context_->index, ino), node->uid);
    }
    if (node) return PathOf(context_->index, ino);
  } catch (...) {
    base::LogDebug("inode {}: {}", ino, base::CurrentError().what());
  }
  return base::Format("inode {}", ino);
}

std::optional<std::string> TreeImpl::GetXattr(Ino ino, std::string_view name) {
  if (ino == store::kRootIno) return std::nullopt;
  const std::optional<store::Node> node = directories_.GetNode(ino);
  if (!node && !messages_->OpenAttributes(ino)) throw NoSuchInode(ino);
  if (!node || node->kind != NodeKind::kMessage || !name.starts_with(kXattrPrefix)) return std::nullopt;
  name.remove_prefix(kXattrPrefix.size());
  if (name == "uid") return std::to_string(node->uid);
  if (name == "size_exact") return node->size_exact ? "1" : "0";
  if (name == "error") {
    const std::optional<store::Outcome> outcome = context_->index.GetOutcome(ino);
    return outcome ? std::optional(base::Format("{}: {}", OutcomeName(outcome->kind), outcome->error)) : std::nullopt;
  }
  if (name == "cached") return context_->cache.Contains({ino, node->tag}) ? "1" : "0";
  if (name != "flags" && name != "message_id") return std::nullopt;
  std::optional<store::MessageDetails> details = context_->index.Details(ino);
  if (!details) return std::nullopt;
  if (name == "flags") return std::move(details->flags);
  if (details->message_id.empty()) return std::nullopt;
  return std::move(details->message_id);
}

SpaceStatus TreeImpl::GetSpace() {
  const base::MonoTime now = context_->clock.Now();
  SpaceStatus space;
  space.cache = context_->cache.GetStatus();
  bool count = false;
  {
    base::MutexLock lock(space_mutex_);
    count = !counted_at_ || now - *counted_at_ >= kCountAge;
    if (count) counted_at_ = now;
    space.messages = message_count_;
  }
  if (!count) return space;
  space.messages = context_->index.CountMessages();
  base::MutexLock lock(space_mutex_);
  message_count_ = space.messages;
  return space;
}

std::shared_ptr<Wait> TreeImpl::Open(Ino message, Callback<Opened> callback) {
  return OpenNow(message, Messages::Fetch::kAtRead, callback);
}

std::shared_ptr<Wait> TreeImpl::OpenNow(Ino message, Messages::Fetch fetch, const Callback<Opened>& callback) {
  base::Status error;
  try {
    const base::Error gone(ErrorKind::kGone, base::Format("opening inode {}: the message has been deleted", message));
    std::optional<store::Node> node = context_->index.Get(message);
    std::optional<Directory> directory;
    Ino folder = 0;
    do {
      if (!node || node->kind != NodeKind::kMessage) throw gone;
      folder = node->parent;
      directory = directories_.Find(folder);
      if (!directory || !directory->folder) throw gone;
      // Read again after the folder: a UID with an older UIDVALIDITY is refused by the server, the
      // other way round it could be another message. Meanwhile its name in this folder may have gone.
      node = directories_.GetNode(message);
    } while (!node || node->parent != folder);
    return messages_->Open(*node, *directory->folder, directory->mailbox, fetch, callback);
  } catch (...) {
    error = base::CurrentError();
  }
  callback(*error);
  return nullptr;
}

std::shared_ptr<Wait> TreeImpl::Read(const std::shared_ptr<OpenMessage>& message, uint64_t offset, size_t length,
                                     Callback<ReadSpan> callback) {
  std::shared_ptr<OpenBody> body = std::static_pointer_cast<OpenBody>(message);
  if (body->unread() && offset < body->size()) {
    std::shared_ptr<OpenBody> fetched = body->fetched();
    if (!fetched) return ReadUnread(body, offset, length, std::move(callback));
    body = std::move(fetched);
  }
  if (body->unread() && offset >= body->size()) {
    const auto node = base::ResultOf<std::optional<store::Node>>([&] { return directories_.GetNode(body->ino()); });
    if (!node.ok() || (node.value() && node.value()->size != body->size())) {
      callback(node.ok() ? OtherBody(*context_, *body, node.value()->size) : node.error());
      return nullptr;
    }
  }
  return messages_->Read(body, offset, length, std::move(callback));
}

std::shared_ptr<Wait> TreeImpl::ReadUnread(const std::shared_ptr<OpenBody>& message, uint64_t offset, size_t length,
                                           Callback<ReadSpan> callback) {
  auto wait = std::make_shared<StagedWait>();
  auto answer = [wait, callback = std::move(callback)](base::Result<ReadSpan> result) {
    wait->Finish();
    callback(std::move(result));
  };
  auto opened = [context = context_, messages = messages_, message, offset, length, wait,
                 answer](base::Result<Opened> result) {
    if (!result.ok()) {
      // The name was there when it was opened: its absence is no answer to a read.
      const base::Error& error = result.error();
      const bool absent = error.kind() == ErrorKind::kGone || error.kind() == ErrorKind::kNotFound;
      answer(absent ? base::Error(ErrorKind::kStale, error.what()) : error);
      return;
    }
    auto fetched = std::static_pointer_cast<OpenBody>(result.value().message);
    if (fetched->size() != message->size()) {
      // Unless that one is complete, the next fetch can have a third size, and no open would ever be of use.
      if (!fetched->body()) DoubtSize(*context, message->ino());
      answer(OtherBody(*context, *message, fetched->size()));
      return;
    }
    message->SetFetched(std::move(fetched));
    wait->Follow(2, messages->Read(message->fetched(), offset, length, answer));
  };
  wait->Follow(1, OpenNow(message->ino(), Messages::Fetch::kNow, opened));
  return wait->finished() ? nullptr : wait;
}

void TreeImpl::Shutdown() {
  if (shut_down_.exchange(true)) return;
  refresher_->Stop();
  messages_->Stop();
  std::vector<model::MailSource*> sources;
  for (const auto& entry : context_->mailboxes) sources.push_back(entry.second->source.get());
  // Each may take a moment to log out.
  std::atomic<size_t> next{0};
  std::vector<std::thread> threads;
  for (size_t i = 0; i < std::min(sources.size(), kShutdownThreads); ++i) {
    threads.emplace_back([&] {
      for (size_t mine = next++; mine < sources.size(); mine = next++) sources[mine]->Shutdown();
    });
  }
  for (std::thread& thread : threads) thread.join();
  refresher_->Drain();
  messages_->Drain();
}

}  // namespace

std::unique_ptr<Tree> Tree::Make(store::Index& index, store::BodyCache& cache, KernelNotifier& notifier,
                                 const base::Clock& clock, std::vector<MailboxConfig> mailboxes, TreeOptions options) {
  auto context = std::make_shared<Context>(index, cache, notifier, clock, std::move(options));
  Directories::Names names;
  for (MailboxConfig& config : mailboxes) {
    auto mailbox = std::make_shared<MailboxState>();
    mailbox->ino = index.EnsureMailbox(config.key, config.name, context->WallSeconds());
    mailbox->key = std::move(config.key);
    mailbox->name = config.name;
    mailbox->source = std::move(config.source);
    names.emplace(std::move(config.name), mailbox->ino);
    context->mailboxes.emplace(mailbox->ino, std::move(mailbox));
  }
  return std::make_unique<TreeImpl>(std::move(context), std::move(names));
}

}  // namespace mailboxfs::tree
