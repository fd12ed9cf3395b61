#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "context.h"
#include "exact_sizes.h"
#include "refresh.h"

namespace mailboxfs::tree {

base::Error NoSuchInode(Ino ino);

// A directory that is no longer there, or of a mailbox that is not configured, has no value.
struct Directory {
  store::Node node;
  std::shared_ptr<MailboxState> mailbox;
  std::optional<store::Folder> folder;  // None: it is the mailbox itself.

  bool has_messages() const { return folder && folder->selectable; }
  RefreshTarget folder_list() const { return {mailbox, mailbox->ino, true}; }
  RefreshTarget messages() const { return {mailbox, node.ino, false}; }
};

// Names and listings: from the index where it may be trusted, else by joining the one refresh of
// each directory. Thread-safe. No lock is held while anything else is called.
class Directories {
 public:
  using Names = std::map<std::string, Ino, std::less<>>;

  // `names`: the root's entries.
  Directories(std::shared_ptr<Context> context, std::shared_ptr<Refresher> refresher, std::shared_ptr<ExactSizes> sizes,
              Names names);

  // See Tree.
  std::vector<DirEntry> Read(Ino directory, Ino after, size_t limit);
  std::shared_ptr<Wait> Lookup(Ino parent, std::string_view name, Tree::Callback<Attributes> callback);
  std::shared_ptr<Wait> Open(Ino directory, Tree::Callback<Attributes> callback);

  // None: it is not (or no longer) a directory of a configured mailbox.
  std::optional<Directory> Find(Ino ino);
  // From the index, with what it had no room for.
  std::optional<store::Node> GetNode(Ino ino);
  // Of what the index has; the mailboxes' inodes only if they are configured.
  std::optional<Attributes> FindAttributes(Ino ino);

 private:
  Attributes RootAttributes() const { return {store::kRootIno, true, 0, true, root_mtime_}; }
  std::vector<DirEntry> ReadRoot(Ino after, size_t limit);
  // Was the list that says what the directory shows ever complete?
  bool IsListed(const Directory& directory, bool folder_list);
  Attributes LookupInRoot(std::string_view name);
  std::shared_ptr<Wait> LookupMissing(const Directory& directory, std::string_view name,
                                      Tree::Callback<Attributes> callback);
  std::shared_ptr<Wait> OpenListed(const Directory& directory, Tree::Callback<Attributes> callback);

  const std::shared_ptr<Context> context_;
  const std::shared_ptr<Refresher> refresher_;
  const std::shared_ptr<ExactSizes> sizes_;
  const Names names_;
  int64_t root_mtime_ = 0;
};

}  // namespace mailboxfs::tree
