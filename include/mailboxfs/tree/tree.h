#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mailboxfs/base/clock.h"
#include "mailboxfs/base/error.h"
#include "mailboxfs/model/mail_source.h"
#include "mailboxfs/store/body_cache.h"
#include "mailboxfs/store/index.h"
#include "mailboxfs/tree/kernel_notifier.h"
#include "mailboxfs/tree/names.h"
#include "mailboxfs/tree/tree_status.h"
#include "mailboxfs/tree/types.h"

namespace mailboxfs::tree {

struct MailboxConfig {
  std::string key;   // "account/address".
  std::string name;  // Directory name, unique, a possible file name.
  std::unique_ptr<model::MailSource> source;
};

struct TreeOptions {
  NameTemplate names{"{date}_{subject}.{uid}.eml"};
  base::Duration refresh_interval = std::chrono::seconds(60);
  // How long opening a listed but old folder waits for its refresh before the old listing is shown.
  base::Duration refresh_grace = std::chrono::seconds(3);
  // UIDs and flags are all compared at least so often while a folder is in use.
  base::Duration scan_interval = std::chrono::minutes(10);
  // Bytes that are fetched ahead of a reader at most; 0: none.
  uint64_t read_ahead = uint64_t{8} << 20U;
  // What log lines advise, followed by a mailbox.
  std::string check_command = "mailboxfs check";
};

// The directory tree as a view of index and cache. Thread-safe. Methods that answer at once
// use local data only, never the network; those that take a callback answer inline if they
// can (and return null), else return the Wait. No lock is held when a callback runs.
class Tree {
 public:
  template <typename T>
  using Callback = std::function<void(base::Result<T>)>;

  // `index`, `cache`, `clock`, `notifier` are borrowed.
  static std::unique_ptr<Tree> Make(store::Index& index, store::BodyCache& cache, KernelNotifier& notifier,
                                    const base::Clock& clock, std::vector<MailboxConfig> mailboxes,
                                    TreeOptions options);
  virtual ~Tree() = default;

  // -- Local.
  // Throws kNotFound if the inode is not (or no longer) known; open messages stay known.
  virtual Attributes GetAttributes(Ino ino) = 0;
  // Entries whose position is greater than `after`, in that order. OpenDirectory must have succeeded before. Throws
  // kNotListed rather than showing a listing that is not complete.
  virtual std::vector<DirEntry> ReadDirectory(Ino directory, Ino after, size_t limit) = 0;
  virtual Ino ParentOf(Ino directory) = 0;
  // For log lines: "sales/INBOX/a.1.eml, uid 1", or the number if that is all that is known. Doesn't throw.
  virtual std::string Describe(Ino ino) = 0;
  // "user.mailboxfs.uid", ".flags", ".message_id", ".size_exact", ".cached", ".error" (why the body cannot be had:
  // "stub: words for people"); nullopt: no such attribute.
  virtual std::optional<std::string> GetXattr(Ino ino, std::string_view name) = 0;
  // Never builds more than it returns; the count may be ten seconds old.
  virtual SpaceStatus GetSpace() = 0;
  virtual TreeStatus GetStatus() = 0;

  // -- May wait.
  // kNotFound only if a successful, current listing lacks the name.
  virtual std::shared_ptr<Wait> Lookup(Ino parent, std::string_view name, Callback<Attributes> callback) = 0;
  // Makes the listing complete (never listed: waits) and, if old, current (waits a little).
  virtual std::shared_ptr<Wait> OpenDirectory(Ino directory, Callback<Attributes> callback) = 0;
  // Answers once the exact size is known and stored: at once if it was known before; the body is
  // then fetched by the first Read.
  struct Opened {
    std::shared_ptr<OpenMessage> message;
    // The kernel may hold another size: the caller tells it before he replies. Each open says
    // so until one of them was told of by SizeTold.
    bool size_changed = false;
    // What the kernel may hold of this message comes from the same body.
    bool same_body = false;
  };
  virtual std::shared_ptr<Wait> Open(Ino message, Callback<Opened> callback) = 0;
  virtual std::shared_ptr<Wait> Read(const std::shared_ptr<OpenMessage>& message, uint64_t offset, size_t length,
                                     Callback<ReadSpan> callback) = 0;

  // Ends all sources; every open wait is answered kCancelled. Idempotent.
  virtual void Shutdown() = 0;
};

}  // namespace mailboxfs::tree
