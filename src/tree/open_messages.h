#pragma once

#include <map>
#include <memory>
#include <optional>

#include "context.h"
#include "download.h"
#include "exact_sizes.h"
#include "mailboxfs/base/mutex.h"

namespace mailboxfs::tree {

// Which messages are open: they keep their attributes after they have gone from the index, and
// what was shown of them is held until the last of those that have them open, read or unread, closes:
// the kernel keeps one copy of a file's pages for all, so they must all see the same body, even if
// the cache holds it no longer and the server would make another one of it. Thread-safe.
class OpenTable {
 public:
  // At most one of `body` and `download` is set.
  void Add(const Attributes& attributes, const std::shared_ptr<store::BodyFile>& body,
           const std::shared_ptr<Download>& download);
  void Remove(Ino ino);
  std::optional<Attributes> Find(Ino ino);
  struct Live {
    std::shared_ptr<store::BodyFile> body;
    std::shared_ptr<Download> download;  // Kept open (Download::Open).
  };
  Live FindLive(Ino ino);

 private:
  struct Entry {
    size_t count = 0;
    Attributes attributes;
    Live live;
  };
  base::Mutex mutex_;
  std::map<Ino, Entry> entries_ GUARDED_BY(mutex_);
};

// One open of one message: a body that is held, one that is coming, or, if the exact size was
// known already, one that is got when somebody reads: programs that open every file only to
// compare its times and size (borg) must not download it. Thread-safe.
class OpenBody : public OpenMessage {
 public:
  OpenBody(std::shared_ptr<OpenTable> table, const Attributes& attributes, std::shared_ptr<store::BodyFile> body);
  OpenBody(std::shared_ptr<OpenTable> table, const Attributes& attributes, std::shared_ptr<Download> download);
  // Unread: neither is set until Fetched.
  OpenBody(std::shared_ptr<OpenTable> table, const Attributes& attributes);
  ~OpenBody() override;
  OpenBody(const OpenBody&) = delete;
  OpenBody& operator=(const OpenBody&) = delete;

  uint64_t size() const override { return size_; }
  void SizeTold() override {
    if (sizes_) sizes_->Told(ino_, untold_);
  }
  // What SizeTold is about.
  void SetUntold(std::shared_ptr<ExactSizes> sizes, uint64_t change) {
    sizes_ = std::move(sizes);
    untold_ = change;
  }
  Ino ino() const { return ino_; }
  // The open that got the body for this unread one; null before.
  std::shared_ptr<OpenBody> fetched();
  void SetFetched(std::shared_ptr<OpenBody> fetched);
  bool unread() const { return !body_ && !download_; }
  // At most one of the two is set.
  const std::shared_ptr<store::BodyFile>& body() const { return body_; }
  const std::shared_ptr<Download>& download() const { return download_; }
  const std::shared_ptr<MailboxState>& mailbox() const { return mailbox_; }
  void set_mailbox(std::shared_ptr<MailboxState> mailbox) { mailbox_ = std::move(mailbox); }

 private:
  const std::shared_ptr<OpenTable> table_;
  const Ino ino_;
  const uint64_t size_;
  std::shared_ptr<MailboxState> mailbox_;
  std::shared_ptr<ExactSizes> sizes_;
  uint64_t untold_ = 0;
  const std::shared_ptr<store::BodyFile> body_;
  const std::shared_ptr<Download> download_;
  base::Mutex mutex_;
  std::shared_ptr<OpenBody> fetched_ GUARDED_BY(mutex_);
};

}  // namespace mailboxfs::tree
