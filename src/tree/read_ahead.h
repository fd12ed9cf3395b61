#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "context.h"
#include "mailboxfs/base/mutex.h"

namespace mailboxfs::tree {

// Sees in which order messages are opened, and has those fetched that come next. Tools read a folder in the order of
// its names (rsync, cat *) or of its directory (tar, grep -r, find; inode numbers have the same); several may do so at
// once. Two opens in a row make a stream; what is fetched ahead of it grows while it is used, up to a limit in bytes,
// and no more is fetched when its reader stops. Thread-safe; no lock is held while anything else is called.
class ReadAhead {
 public:
  // Messages::FetchAhead.
  using Fetch = std::function<void(std::span<const store::Node> nodes, const store::Folder&,
                                   const std::shared_ptr<MailboxState>&)>;

  ReadAhead(std::shared_ptr<Context> context, Fetch fetch);
  ~ReadAhead();
  ReadAhead(const ReadAhead&) = delete;
  ReadAhead& operator=(const ReadAhead&) = delete;

  // Somebody opens the message, or reads it for the first time; `there`: its body is. Never throws; may call Fetch.
  void OnOpened(const store::Node& node, const store::Folder& folder, const std::shared_ptr<MailboxState>& mailbox,
                bool there);

 private:
  enum class Order { kName, kDirectory };
  struct Stream;
  // What is to be fetched by one command.
  struct Batch {
    std::vector<store::Node> nodes;
    uint64_t octets = 0;
  };
  using Batches = std::vector<Batch>;

  // Null: it is not one that a stream expects.
  std::shared_ptr<Stream> Advance(const store::Node& node) REQUIRES(mutex_);
  void Begin(const store::Node& node);
  Batches Plan(Stream& stream);
  // Adds to the batches; false: the index has to be read on first.
  bool PlanExpected(Stream& stream, Batches& batches) REQUIRES(mutex_);
  // The next messages of a stream, from the index.
  std::vector<store::Node> ReadOn(const Stream& stream, const store::Node& last, size_t count);

  const std::shared_ptr<Context> context_;
  const Fetch fetch_;
  const uint64_t limit_;  // Of bytes that a stream is ahead; 0: nothing is fetched ahead.
  base::Mutex mutex_;
  std::list<std::shared_ptr<Stream>> streams_ GUARDED_BY(mutex_);  // The last used first.
};

}  // namespace mailboxfs::tree
