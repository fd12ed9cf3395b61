#pragma once

#include <map>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "context.h"
#include "download.h"
#include "exact_sizes.h"
#include "mailboxfs/base/mutex.h"
#include "open_messages.h"
#include "outcomes.h"
#include "read_ahead.h"
#include "refresh.h"

namespace mailboxfs::tree {

// Opens and reads messages: from the cache, or by joining the one download of each.
// Thread-safe. No lock is held while anything else is called.
class Messages : public std::enable_shared_from_this<Messages> {
 public:
  Messages(std::shared_ptr<Context> context, std::shared_ptr<Refresher> refresher, std::shared_ptr<ExactSizes> sizes);

  // When the body is needed: only if the size is not known (kAtRead), or in any case.
  enum class Fetch { kAtRead, kNow };
  // `node` is a message in `folder` of `mailbox`.
  std::shared_ptr<Wait> Open(const store::Node& node, const store::Folder& folder,
                             const std::shared_ptr<MailboxState>& mailbox, Fetch fetch,
                             Tree::Callback<Tree::Opened> callback);
  // `message` is not unread.
  std::shared_ptr<Wait> Read(const std::shared_ptr<OpenBody>& message, uint64_t offset, size_t length,
                             Tree::Callback<ReadSpan> callback);
  // Has those of `nodes` fetched that are not there, before somebody asks for them: messages of one folder.
  // Errors are nobody's.
  void FetchAhead(std::span<const store::Node> nodes, const store::Folder& folder,
                  const std::shared_ptr<MailboxState>& mailbox);
  // Of a message that is open.
  std::optional<Attributes> OpenAttributes(Ino ino) { return open_->Find(ino); }
  uint64_t CountDownloads();

  // New waits are answered kCancelled from now on.
  void Stop();
  // After the sources have been shut down: answers whoever is left.
  void Drain();

 private:
  // What an opener's answer needs to know.
  struct Opening {
    Attributes attributes;
    std::shared_ptr<MailboxState> mailbox;
    std::shared_ptr<Download> download;
  };

  // A download may run more than once, and its earlier life's end may come late: each start has
  // its number.
  struct Running {
    std::shared_ptr<Download> download;
    uint64_t start = 0;
  };

  // What is open already, else what is in the cache.
  std::shared_ptr<store::BodyFile> FindBody(const store::BodyKey& key);
  // Of those that have the message open; null if it is not complete.
  std::shared_ptr<store::BodyFile> HeldBody(Ino ino);
  Tree::Opened OpenCached(const store::Node& node, const std::shared_ptr<MailboxState>& mailbox,
                          const std::shared_ptr<store::BodyFile>& body);
  Tree::Opened OpenDownloaded(const Opening& opening);
  // The answer; says whether the kernel must be told of the size.
  Tree::Opened Answer(const std::shared_ptr<OpenBody>& message, bool same_body);
  // The download of this message; `*created` if it has yet to be started. One that broke off and
  // that somebody still has open is revived. Null when stopped.
  Running FindOrCreate(const store::Node& node, const std::shared_ptr<MailboxState>& mailbox, bool* created);
  void Launch(const std::shared_ptr<Download>& download, const store::BodyKey& key, const model::BodyRequest& request);
  // False: it was there by now, or that could not be told.
  bool IsToBeFetched(const std::shared_ptr<Download>& download, const store::BodyKey& key);
  // One name of a message, and its folder, by which its body can be asked for.
  struct Source {
    store::Node node;
    store::Folder folder;
    model::BodyRequest Request() const;
  };
  // Of those that have not been tried; in a folder that is being renumbered there is none.
  std::optional<Source> FindSource(Ino ino, const std::vector<store::Node>& tried, bool* others);
  // When the last of those that were tried has failed so. Throws kNotListed if others cannot be tried now.
  std::optional<model::BodyRequest> Elsewhere(const base::Error& error, const std::shared_ptr<MailboxState>& mailbox,
                                              std::vector<store::Node>* tried);
  // What an error says of a name.
  void NoteAbsence(const store::Node& node, const std::shared_ptr<MailboxState>& mailbox, const base::Error& error);
  void OnFailure(const store::Node& node, const std::shared_ptr<MailboxState>& mailbox, const base::Error& error);
  void Forget(Ino ino, uint64_t start);
  bool IsDownloading(Ino ino);

  const std::shared_ptr<Context> context_;
  const std::shared_ptr<Refresher> refresher_;
  const std::shared_ptr<OpenTable> open_;
  const std::shared_ptr<ExactSizes> sizes_;
  const std::shared_ptr<Outcomes> outcomes_;
  ReadAhead read_ahead_;
  base::Mutex mutex_;
  std::map<Ino, Running> downloads_ GUARDED_BY(mutex_);
  uint64_t last_start_ GUARDED_BY(mutex_) = 0;
  bool stopped_ GUARDED_BY(mutex_) = false;
};

}  // namespace mailboxfs::tree
