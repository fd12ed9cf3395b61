#include "mailboxfs/tree/tree.h"

#include <algorithm>
#include <atomic>
#include <thread>
#include <utility>

#include "context.h"
#include "mailboxfs/base/encoding.h"
#include "mailboxfs/base/log.h"
#include "mailboxfs/base/mutex.h"
#include "messages.h"
#include "refresh.h"
#include "status.h"

namespace mailboxfs::tree {
namespace {

using base::ErrorKind;
using store::NodeKind;

constexpr std::string_view kXattrPrefix = "user.mailboxfs.";
constexpr size_t kShutdownThreads = 16;
constexpr base::Duration kCountAge = std::chrono::seconds(10);

base::Error NoSuchInode(Ino ino) {
  return {ErrorKind::kNotFound, base::Format("inode {} does not exist (any more)", ino)};
}

base::Error NoSuchName(std::string_view name) {
  return {ErrorKind::kNotFound, base::Format("there is no \"{}\" here", base::Printable(name))};
}

base::Error OtherBody(const OpenBody& open, uint64_t size) {
  return {ErrorKind::kStale, base::Format("inode {}: the server sends a different body now ({} bytes, {} before); "
                                          "open the file again",
                                          open.ino(), size, open.size())};
}

// A directory that is no longer there, or of a mailbox that is not configured, has no value.
struct Directory {
  store::Node node;
  std::shared_ptr<MailboxState> mailbox;
  std::optional<store::Folder> folder;  // None: it is the mailbox itself.

  bool has_messages() const { return folder && folder->selectable; }
  RefreshTarget folder_list() const { return {mailbox, mailbox->ino, true}; }
  RefreshTarget messages() const { return {mailbox, node.ino, false}; }
};

class TreeImpl : public Tree {
 public:
  TreeImpl(std::shared_ptr<Context> context, std::map<std::string, Ino, std::less<>> names);
  ~TreeImpl() override { Shutdown(); }

  Attributes GetAttributes(Ino ino) override;
  std::vector<DirEntry> ReadDirectory(Ino directory, Ino after, size_t limit) override;
  Ino ParentOf(Ino directory) override;
  std::optional<std::string> GetXattr(Ino ino, std::string_view name) override;
  SpaceStatus GetSpace() override;
  TreeStatus GetStatus() override { return BuildStatus(*context_, *refresher_, *messages_); }

  std::shared_ptr<Wait> Lookup(Ino parent, std::string_view name, Callback<Attributes> callback) override;
  std::shared_ptr<Wait> OpenDirectory(Ino directory, Callback<Attributes> callback) override;
  std::shared_ptr<Wait> Open(Ino message, Callback<Opened> callback) override;
  std::shared_ptr<Wait> Read(const std::shared_ptr<OpenMessage>& message, uint64_t offset, size_t length,
                             Callback<ReadSpan> callback) override;
  void Shutdown() override;

 private:
  std::optional<Directory> FindDirectory(Ino ino);
  // From the index, with what it had no room for.
  std::optional<store::Node> GetNode(Ino ino);
  Attributes RootAttributes() const { return {store::kRootIno, true, 0, true, root_mtime_}; }
  std::vector<DirEntry> ReadRoot(Ino after, size_t limit);
  // When the list was last complete that says what the directory shows.
  int64_t ListedAt(const Directory& directory, bool folder_list);
  Attributes LookupInRoot(std::string_view name);
  std::shared_ptr<Wait> LookupMissing(const Directory& directory, std::string_view name, Callback<Attributes> callback);
  std::shared_ptr<Wait> OpenNow(Ino message, Messages::Fetch fetch, const Callback<Opened>& callback);
  // The first read of a message whose size was known when it was opened.
  std::shared_ptr<Wait> ReadUnread(const std::shared_ptr<OpenBody>& message, uint64_t offset, size_t length,
                                   Callback<ReadSpan> callback);
  std::shared_ptr<Wait> OpenListed(const Directory& directory, Callback<Attributes> callback);

  const std::shared_ptr<Context> context_;
  const std::map<std::string, Ino, std::less<>> names_;  // The root's entries.
  const std::shared_ptr<Refresher> refresher_;
  const std::shared_ptr<Messages> messages_;
  int64_t root_mtime_ = 0;
  std::atomic<bool> shut_down_{false};

  base::Mutex space_mutex_;
  uint64_t message_count_ GUARDED_BY(space_mutex_) = 0;
  std::optional<base::MonoTime> counted_at_ GUARDED_BY(space_mutex_);
};

// What the index has under this name, or under the alias that it may be.
std::optional<Attributes> FindNamed(store::Index& index, ExactSizes& sizes, Ino parent, std::string_view name) {
  std::optional<store::Node> node = index.Find(parent, name);
  const std::optional<model::Uid> uid = node ? std::nullopt : ParseUidAlias(name);
  if (uid) node = index.FindUid(parent, *uid);
  if (!node) return std::nullopt;
  sizes.Correct(&*node);
  Attributes attributes = ToAttributes(*node);
  attributes.alias = node->name != name;
  return attributes;
}

// Gives `make`'s value, or what it throws.
template <typename T, typename Make>
base::Result<T> ResultOf(Make make) {
  try {
    return make();
  } catch (...) {
    return base::CurrentError();
  }
}

TreeImpl::TreeImpl(std::shared_ptr<Context> context, std::map<std::string, Ino, std::less<>> names)
    : context_(std::move(context)),
      names_(std::move(names)),
      refresher_(std::make_shared<Refresher>(context_)),
      messages_(std::make_shared<Messages>(context_, refresher_)) {
  for (const auto& entry : context_->mailboxes) {
    const std::shared_ptr<MailboxState>& mailbox = entry.second;
    if (const auto node = context_->index.Get(mailbox->ino)) root_mtime_ = std::max(root_mtime_, node->mtime);
    mailbox->source->SetChangeListener([weak = std::weak_ptr<Refresher>(refresher_),
                                        target = std::weak_ptr<MailboxState>(mailbox)](const std::string& folder_id) {
      const auto refresher = weak.lock();
      const auto changed = target.lock();
      if (refresher && changed) refresher->OnHint(changed, folder_id);
    });
  }
}

std::optional<Directory> TreeImpl::FindDirectory(Ino ino) {
  std::optional<store::Node> node = context_->index.Get(ino);
  if (!node || node->kind == NodeKind::kMessage) return std::nullopt;
  Directory directory;
  directory.node = std::move(*node);
  if (directory.node.kind == NodeKind::kFolder) {
    directory.folder = context_->index.GetFolder(ino);
    if (!directory.folder) return std::nullopt;
  }
  directory.mailbox = context_->FindMailbox(directory.folder ? directory.folder->mailbox : ino);
  if (!directory.mailbox) return std::nullopt;
  return directory;
}

std::optional<store::Node> TreeImpl::GetNode(Ino ino) {
  std::optional<store::Node> node = context_->index.Get(ino);
  if (node) messages_->sizes().Correct(&*node);
  return node;
}

Attributes TreeImpl::GetAttributes(Ino ino) {
  if (ino == store::kRootIno) return RootAttributes();
  const std::optional<store::Node> node = GetNode(ino);
  if (node && (node->kind != NodeKind::kMailbox || context_->FindMailbox(ino))) return ToAttributes(*node);
  if (const std::optional<Attributes> open = messages_->OpenAttributes(ino)) return *open;
  throw NoSuchInode(ino);
}

Ino TreeImpl::ParentOf(Ino directory) {
  if (directory == store::kRootIno) return store::kRootIno;
  const std::optional<store::Node> node = context_->index.Get(directory);
  if (!node) throw NoSuchInode(directory);
  return node->parent;
}

std::vector<DirEntry> TreeImpl::ReadRoot(Ino after, size_t limit) {
  std::vector<DirEntry> entries;
  for (auto next = context_->mailboxes.upper_bound(after); next != context_->mailboxes.end() && entries.size() < limit;
       ++next) {
    const std::optional<store::Node> node = context_->index.Get(next->first);
    if (node) entries.push_back({node->name, ToAttributes(*node)});
  }
  return entries;
}

int64_t TreeImpl::ListedAt(const Directory& directory, bool folder_list) {
  if (!folder_list) return directory.folder ? directory.folder->listed_at : 0;
  const std::optional<store::Mailbox> mailbox = context_->index.GetMailbox(directory.mailbox->ino);
  return mailbox ? mailbox->listed_at : 0;
}

std::vector<DirEntry> TreeImpl::ReadDirectory(Ino ino, Ino after, size_t limit) {
  if (ino == store::kRootIno) return ReadRoot(after, limit);
  const std::optional<Directory> directory = FindDirectory(ino);
  if (!directory) throw NoSuchInode(ino);
  if (ListedAt(*directory, !directory->has_messages()) == 0) {
    throw base::Error(ErrorKind::kNotListed,
                      base::Format("{} has never been listed completely", PathOf(context_->index, ino)));
  }
  std::vector<DirEntry> entries;
  for (store::Node& node : context_->index.List(ino, after, limit)) {
    messages_->sizes().Correct(&node);
    const Attributes attributes = ToAttributes(node);
    entries.push_back({std::move(node.name), attributes});
  }
  return entries;
}

std::optional<std::string> TreeImpl::GetXattr(Ino ino, std::string_view name) {
  if (ino == store::kRootIno) return std::nullopt;
  const std::optional<store::Node> node = GetNode(ino);
  if (!node && !messages_->OpenAttributes(ino)) throw NoSuchInode(ino);
  if (!node || node->kind != NodeKind::kMessage || !name.starts_with(kXattrPrefix)) return std::nullopt;
  name.remove_prefix(kXattrPrefix.size());
  if (name == "uid") return std::to_string(node->uid);
  if (name == "size_exact") return node->size_exact ? "1" : "0";
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

Attributes TreeImpl::LookupInRoot(std::string_view name) {
  const auto found = names_.find(name);
  if (found == names_.end()) throw NoSuchName(name);
  return GetAttributes(found->second);
}

std::shared_ptr<Wait> TreeImpl::Lookup(Ino parent, std::string_view name, Callback<Attributes> callback) {
  std::optional<Directory> directory;
  const auto local = ResultOf<std::optional<Attributes>>([&]() -> std::optional<Attributes> {
    if (parent == store::kRootIno) return LookupInRoot(name);
    directory = FindDirectory(parent);
    if (!directory) throw NoSuchInode(parent);
    if (auto found = FindNamed(context_->index, messages_->sizes(), parent, name)) return found;
    const bool message = name.ends_with(kMessageExtension);
    if (!IsPossibleName(name) || (message && !directory->has_messages())) throw NoSuchName(name);
    const Freshness known =
        refresher_->FreshnessOf(message ? parent : directory->mailbox->ino, ListedAt(*directory, !message));
    if (known.fresh && !known.failed) throw NoSuchName(name);
    return std::nullopt;
  });
  if (local.ok() && !local.value()) return LookupMissing(*directory, name, std::move(callback));
  if (local.ok()) {
    callback(*local.value());
  } else {
    callback(local.error());
  }
  return nullptr;
}

std::shared_ptr<Wait> TreeImpl::LookupMissing(const Directory& directory, std::string_view name,
                                              Callback<Attributes> callback) {
  const bool message = name.ends_with(kMessageExtension);
  return refresher_->Join(
      message ? directory.messages() : directory.folder_list(),
      [context = context_, messages = messages_, parent = directory.node.ino, name = std::string(name),
       callback = std::move(callback)](const base::Status& error, Waiter::EndedBy by) {
        if (error) {
          callback(by == Waiter::EndedBy::kCaller ? *error : NotAbsence(*error));
          return;
        }
        callback(ResultOf<Attributes>([&] {
          const auto found = FindNamed(context->index, messages->sizes(), parent, name);
          if (!found) throw NoSuchName(name);
          return *found;
        }));
      });
}

std::shared_ptr<Wait> TreeImpl::OpenDirectory(Ino ino, Callback<Attributes> callback) {
  std::optional<Directory> directory;
  const auto at_once = ResultOf<std::optional<Attributes>>([&]() -> std::optional<Attributes> {
    if (ino == store::kRootIno) return RootAttributes();
    directory = FindDirectory(ino);
    if (!directory) throw NoSuchInode(ino);
    refresher_->NoteOpened(ino);
    if (directory->has_messages()) {
      const int64_t listed_at = ListedAt(*directory, true);
      // New subfolders may take their time to appear.
      if (!refresher_->FreshnessOf(directory->mailbox->ino, listed_at).fresh) {
        refresher_->StartInBackground(directory->folder_list());
      }
    }
    return std::nullopt;
  });
  if (at_once.ok() && !at_once.value()) return OpenListed(*directory, std::move(callback));
  if (at_once.ok()) {
    callback(*at_once.value());
  } else {
    callback(at_once.error());
  }
  return nullptr;
}

std::shared_ptr<Wait> TreeImpl::OpenListed(const Directory& directory, Callback<Attributes> callback) {
  const Ino ino = directory.node.ino;
  const RefreshTarget target = directory.has_messages() ? directory.messages() : directory.folder_list();
  const auto known =
      ResultOf<Freshness>([&] { return refresher_->FreshnessOf(target.ino, ListedAt(directory, target.folder_list)); });
  if (!known.ok() || known.value().fresh) {
    callback(known.ok() ? base::Result<Attributes>(ToAttributes(directory.node)) : known.error());
    return nullptr;
  }
  const bool complete = known.value().complete;
  auto answer = [context = context_, ino, complete, callback = std::move(callback)](const base::Status& error,
                                                                                    Waiter::EndedBy by) {
    const bool by_caller = by == Waiter::EndedBy::kCaller;
    // What was listed once may be shown while it cannot be refreshed; it is never made up.
    if (error && (!complete || by_caller || error->kind() == ErrorKind::kCancelled)) {
      callback(by_caller ? *error : NotAbsence(*error));
      return;
    }
    callback(ResultOf<Attributes>([&] {
      const std::optional<store::Node> node = context->index.Get(ino);
      if (!node) throw NoSuchInode(ino);
      return ToAttributes(*node);
    }));
  };
  return complete ? refresher_->JoinWithGrace(target, std::move(answer)) : refresher_->Join(target, std::move(answer));
}

std::shared_ptr<Wait> TreeImpl::Open(Ino message, Callback<Opened> callback) {
  return OpenNow(message, Messages::Fetch::kAtRead, callback);
}

std::shared_ptr<Wait> TreeImpl::OpenNow(Ino message, Messages::Fetch fetch, const Callback<Opened>& callback) {
  base::Status error;
  try {
    const base::Error gone(ErrorKind::kGone, base::Format("opening inode {}: the message has been deleted", message));
    std::optional<store::Node> node = context_->index.Get(message);
    if (!node || node->kind != NodeKind::kMessage) throw gone;
    const std::optional<Directory> directory = FindDirectory(node->parent);
    if (!directory || !directory->folder) throw gone;
    // Read again after the folder: a UID with an older UIDVALIDITY is refused by the server, the
    // other way round it could be another message.
    node = GetNode(message);
    if (!node) throw gone;
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
    const auto node = ResultOf<std::optional<store::Node>>([&] { return GetNode(body->ino()); });
    if (!node.ok() || (node.value() && node.value()->size != body->size())) {
      callback(node.ok() ? OtherBody(*body, node.value()->size) : node.error());
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
  auto opened = [messages = messages_, message, offset, length, wait, answer](base::Result<Opened> result) {
    if (!result.ok()) {
      // The name was there when it was opened: its absence is no answer to a read.
      const base::Error& error = result.error();
      const bool absent = error.kind() == ErrorKind::kGone || error.kind() == ErrorKind::kNotFound;
      answer(absent ? base::Error(ErrorKind::kStale, error.what()) : error);
      return;
    }
    auto fetched = std::static_pointer_cast<OpenBody>(result.value().message);
    if (fetched->size() != message->size()) {
      answer(OtherBody(*message, fetched->size()));
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
  std::map<std::string, Ino, std::less<>> names;
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
