#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "context.h"

namespace mailboxfs::tree {

// What is refreshed: a mailbox's folder list, or a folder's messages.
struct RefreshTarget {
  std::shared_ptr<MailboxState> mailbox;
  Ino ino = 0;
  bool folder_list = false;
};

// Tells the kernel of names that have gone.
void NotifyRemoved(Context& context, const store::Removed& removed);
void NotifyRemoved(Context& context, std::span<const store::Removed> removed);

// Writes what a refresh of a folder's messages learns to the index, and says for people how
// a long one gets on. Called by one source thread at a time; progress() is thread-safe.
class Listing : public model::RefreshSink {
 public:
  // `give_up` is called once if the index fails: the rest of the listing is of no use.
  Listing(std::shared_ptr<Context> context, store::Folder folder, bool full, std::function<void()> give_up);

  std::vector<model::Uid> Begin(const model::FolderState& state) override;
  std::vector<model::Uid> Incomplete() override;
  void Added(std::span<const model::MessageInfo> messages) override;
  void FlagsChanged(std::span<const model::FlagsUpdate> updates) override;
  void Vanished(std::span<const model::Uid> uids) override;
  void Progress(uint64_t done, uint64_t total) override;

  // The source is done: a success makes the listing complete. Returns the outcome.
  base::Status Finish(base::Status status);

  struct Counts {
    uint64_t done = 0, total = 0;
  };
  Counts progress() const { return {done_.load(), total_.load()}; }

 private:
  // Runs `write`; after a failure nothing more is written.
  template <typename Function>
  void Guard(Function write);
  void Complete();

  const std::shared_ptr<Context> context_;
  const store::Folder folder_;
  const bool full_;
  std::function<void()> give_up_;
  const base::MonoTime started_;
  base::MonoTime said_at_;  // When a line was last written.
  std::optional<model::FolderState> state_;
  base::Status error_;
  bool changed_ = false;
  std::atomic<uint64_t> done_{0}, total_{0};
};

}  // namespace mailboxfs::tree
