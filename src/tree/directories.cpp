#include "directories.h"

#include <algorithm>
#include <utility>

#include "mailboxfs/base/encoding.h"
#include "mailboxfs/base/log.h"

namespace mailboxfs::tree {

using base::ErrorKind;
using store::NodeKind;

base::Error NoSuchInode(Ino ino) {
  return {ErrorKind::kNotFound, base::Format("inode {} does not exist (any more)", ino)};
}

namespace {

base::Error NoSuchName(std::string_view name) {
  return {ErrorKind::kNotFound, base::Format("there is no \"{}\" here", base::Printable(name))};
}

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

// Whose listing proves that a name is absent.
RefreshTarget WhatTells(const Directory& directory, std::string_view name) {
  const bool message = name.ends_with(kMessageExtension);
  return message && directory.has_messages() ? directory.messages() : directory.folder_list();
}

}  // namespace

Directories::Directories(std::shared_ptr<Context> context, std::shared_ptr<Refresher> refresher,
                         std::shared_ptr<ExactSizes> sizes, Names names)
    : context_(std::move(context)),
      refresher_(std::move(refresher)),
      sizes_(std::move(sizes)),
      names_(std::move(names)) {
  for (const auto& entry : context_->mailboxes) {
    if (const auto node = context_->index.Get(entry.first)) root_mtime_ = std::max(root_mtime_, node->mtime);
  }
}

std::optional<Directory> Directories::Find(Ino ino) {
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

std::optional<store::Node> Directories::GetNode(Ino ino) {
  std::optional<store::Node> node = context_->index.Get(ino);
  if (node) sizes_->Correct(&*node);
  return node;
}

std::optional<Attributes> Directories::FindAttributes(Ino ino) {
  if (ino == store::kRootIno) return RootAttributes();
  const std::optional<store::Node> node = GetNode(ino);
  if (!node || (node->kind == NodeKind::kMailbox && !context_->FindMailbox(ino))) return std::nullopt;
  return ToAttributes(*node);
}

std::vector<DirEntry> Directories::ReadRoot(Ino after, size_t limit) {
  std::vector<DirEntry> entries;
  for (auto next = context_->mailboxes.upper_bound(after); next != context_->mailboxes.end() && entries.size() < limit;
       ++next) {
    const std::optional<store::Node> node = context_->index.Get(next->first);
    if (node) entries.push_back({node->name, ToAttributes(*node), next->first});
  }
  return entries;
}

bool Directories::IsListed(const Directory& directory, bool folder_list) {
  if (!folder_list) return directory.folder && directory.folder->listed_at != 0;
  const std::optional<store::Mailbox> mailbox = context_->index.GetMailbox(directory.mailbox->ino);
  return mailbox && mailbox->listed_at != 0;
}

std::vector<DirEntry> Directories::Read(Ino ino, Ino after, size_t limit) {
  if (ino == store::kRootIno) return ReadRoot(after, limit);
  const std::optional<Directory> directory = Find(ino);
  if (!directory) throw NoSuchInode(ino);
  if (!IsListed(*directory, !directory->has_messages())) {
    throw base::Error(ErrorKind::kNotListed,
                      base::Format("{} has never been listed completely", PathOf(context_->index, ino)));
  }
  std::vector<DirEntry> entries;
  for (store::Node& node : context_->index.List(ino, after, limit)) {
    sizes_->Correct(&node);
    const Attributes attributes = ToAttributes(node);
    entries.push_back({std::move(node.name), attributes, node.entry});
  }
  return entries;
}

Attributes Directories::LookupInRoot(std::string_view name) {
  const auto found = names_.find(name);
  if (found == names_.end()) throw NoSuchName(name);
  const std::optional<Attributes> attributes = FindAttributes(found->second);
  if (!attributes) throw NoSuchInode(found->second);
  return *attributes;
}

std::shared_ptr<Wait> Directories::Lookup(Ino parent, std::string_view name, Tree::Callback<Attributes> callback) {
  std::optional<Directory> directory;
  const auto local = base::ResultOf<std::optional<Attributes>>([&]() -> std::optional<Attributes> {
    if (parent == store::kRootIno) return LookupInRoot(name);
    directory = Find(parent);
    if (!directory) throw NoSuchInode(parent);
    if (auto found = FindNamed(context_->index, *sizes_, parent, name)) return found;
    // A mailbox itself has no messages.
    const bool possible = IsPossibleName(name) && (directory->folder || !name.ends_with(kMessageExtension));
    if (!possible) throw NoSuchName(name);
    const RefreshTarget told_by = WhatTells(*directory, name);
    const Freshness known = refresher_->FreshnessOf(told_by.ino, IsListed(*directory, told_by.folder_list));
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

std::shared_ptr<Wait> Directories::LookupMissing(const Directory& directory, std::string_view name,
                                                 Tree::Callback<Attributes> callback) {
  auto wait = std::make_shared<StagedWait>();
  auto answer = [wait, callback = std::move(callback)](const base::Result<Attributes>& result) {
    wait->Finish();
    callback(result);
  };
  const auto find = [context = context_, sizes = sizes_, ino = directory.node.ino, name = std::string(name)] {
    return base::ResultOf<std::optional<Attributes>>([&] { return FindNamed(context->index, *sizes, ino, name); });
  };
  const auto end = [answer, find, name = std::string(name)](const base::Status& error, Waiter::EndedBy by) {
    if (error) {
      answer(by == Waiter::EndedBy::kCaller ? *error : NotAbsence(*error));
    } else if (const auto found = find(); !found.ok()) {
      answer(found.error());
    } else {
      answer(found.value() ? base::Result<Attributes>(*found.value()) : NoSuchName(name));
    }
  };
  const RefreshTarget told_by = WhatTells(directory, name);
  const bool message = name.ends_with(kMessageExtension);
  if (!message || directory.has_messages()) {
    wait->Follow(1, refresher_->Join(told_by, end));
    return wait->finished() ? nullptr : wait;
  }
  // Whether the folder holds messages at all must be known first.
  const auto then = [context = context_, refresher = refresher_, wait, end, messages = directory.messages()](
                        const base::Status& error, Waiter::EndedBy by) {
    const auto folder =
        base::ResultOf<std::optional<store::Folder>>([&] { return context->index.GetFolder(messages.ino); });
    if (error || !folder.ok() || !folder.value() || !folder.value()->selectable) {
      end(error || folder.ok() ? error : base::Status(folder.error()), by);
    } else {
      wait->Follow(2, refresher->Join(messages, end));
    }
  };
  wait->Follow(1, refresher_->Join(told_by, then));
  return wait->finished() ? nullptr : wait;
}

std::shared_ptr<Wait> Directories::Open(Ino ino, Tree::Callback<Attributes> given) {
  // The kernel may still know the name of what has gone, and it may be another folder's by now: kStale (ESTALE) makes
  // it look the name up again.
  Tree::Callback<Attributes> callback = [context = context_, ino,
                                         given = std::move(given)](const base::Result<Attributes>& result) {
    if (result.ok() || result.error().kind() == ErrorKind::kInterrupted) return given(result);
    const auto is_gone = base::ResultOf<bool>([&] { return ino != store::kRootIno && !context->index.Get(ino); });
    const bool stale = is_gone.ok() && is_gone.value();
    given(stale ? base::Result<Attributes>(base::Error(ErrorKind::kStale, result.error().what())) : result);
  };
  std::optional<Directory> directory;
  const auto at_once = base::ResultOf<std::optional<Attributes>>([&]() -> std::optional<Attributes> {
    if (ino == store::kRootIno) return RootAttributes();
    directory = Find(ino);
    if (!directory) throw NoSuchInode(ino);
    refresher_->NoteOpened(ino);
    if (directory->has_messages()) {
      const bool listed = IsListed(*directory, true);
      // New subfolders may take their time to appear.
      if (!refresher_->FreshnessOf(directory->mailbox->ino, listed).fresh) {
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

std::shared_ptr<Wait> Directories::OpenListed(const Directory& directory, Tree::Callback<Attributes> callback) {
  const Ino ino = directory.node.ino;
  const RefreshTarget target = directory.has_messages() ? directory.messages() : directory.folder_list();
  const auto known = base::ResultOf<Freshness>(
      [&] { return refresher_->FreshnessOf(target.ino, IsListed(directory, target.folder_list)); });
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
    callback(base::ResultOf<Attributes>([&] {
      const std::optional<store::Node> node = context->index.Get(ino);
      if (!node) throw NoSuchInode(ino);
      return ToAttributes(*node);
    }));
  };
  return complete ? refresher_->JoinWithGrace(target, std::move(answer)) : refresher_->Join(target, std::move(answer));
}

}  // namespace mailboxfs::tree
