#include "read_ahead.h"

#include <algorithm>
#include <utility>

#include "mailboxfs/base/log.h"

namespace mailboxfs::tree {
namespace {

// Guesses are short, and streams few: each open looks through them.
constexpr size_t kMaxStreams = 16;
constexpr size_t kGuess = 8;
// Two in a row, or nearly: tools leave out what has not changed.
constexpr size_t kFirstReach = 2;
// Several readers share one order, none of them keeps it strictly.
constexpr size_t kReach = 64;
constexpr size_t kPage = 128;
constexpr uint64_t kFirstWindow = 256 * 1024;
// For one command: long enough that a round trip matters little, short enough that who waits does not wait long.
constexpr uint64_t kBatchOctets = 512 * 1024;
constexpr size_t kBatchMessages = 64;
// What is larger is fetched by its reader, who sees it come.
constexpr uint64_t kLargest = uint64_t{2} << 20U;
// Of the cache: what was fetched must still be there when it is read.
constexpr uint64_t kCacheShare = 8;
// What an estimate may be wrong by, and a message costs besides its bytes.
constexpr uint64_t kOverhead = 1024;

bool IsTooLarge(const store::Node& node) { return node.size > kLargest; }
uint64_t Cost(const store::Node& node) { return (IsTooLarge(node) ? 0 : node.size) + kOverhead; }

}  // namespace

// One reader, as it seems, or some that share one order.
struct ReadAhead::Stream {
  Ino folder = 0;
  Order order = Order::kName;
  std::deque<store::Node> expected;  // What has not been opened, in that order ...
  size_t asked = 0;                  // ... of which the first ones have been asked for ...
  uint64_t ahead = 0;                // ... and cost so much.
  store::Node last;                  // The index was read up to here.
  bool at_end = false;
  uint64_t window = 0;  // 0: a guess.

  void Append(std::vector<store::Node> page) {
    at_end = page.empty();
    if (!page.empty()) last = page.back();
    for (store::Node& node : page) {
      if (node.kind == store::NodeKind::kMessage) expected.push_back(std::move(node));
    }
  }
};

ReadAhead::ReadAhead(std::shared_ptr<Context> context, Fetch fetch)
    : context_(std::move(context)),
      fetch_(std::move(fetch)),
      limit_(std::min(context_->options.read_ahead, context_->cache.GetStatus().limit / kCacheShare)) {}

ReadAhead::~ReadAhead() = default;

void ReadAhead::OnOpened(const store::Node& node, const store::Folder& folder,
                         const std::shared_ptr<MailboxState>& mailbox, bool there) {
  if (limit_ == 0) return;
  try {
    std::shared_ptr<Stream> stream;
    {
      base::MutexLock lock(mutex_);
      stream = Advance(node);
    }
    if (stream) {
      for (const Batch& batch : Plan(*stream)) fetch_(batch.nodes, folder, mailbox);
    } else if (!there) {
      Begin(node);
    }
  } catch (const base::Error& error) {
    base::LogDebug("{}: not read ahead of {}: {}", mailbox->name, node.name, error.what());
  }
}

std::shared_ptr<ReadAhead::Stream> ReadAhead::Advance(const store::Node& node) {
  std::shared_ptr<Stream> advanced;
  for (auto it = streams_.begin(); it != streams_.end();) {
    const auto here = it++;
    Stream& stream = **here;
    if (stream.folder != node.parent) continue;
    const size_t reach = std::min(stream.window == 0 ? kFirstReach : stream.asked + kReach, stream.expected.size());
    const auto end = stream.expected.begin() + static_cast<ptrdiff_t>(reach);
    const auto found = std::find_if(stream.expected.begin(), end, [&](const auto& one) { return one.ino == node.ino; });
    if (found == end) continue;
    // Whoever reads the same in two orders needs it once.
    if (advanced) {
      streams_.erase(here);
      continue;
    }
    // What is far behind will not be opened any more.
    const auto position = static_cast<size_t>(found - stream.expected.begin());
    const size_t passed = position > kReach ? position - kReach : 0;
    if (position < stream.asked) stream.ahead -= Cost(*found);
    for (size_t i = 0; i < std::min(passed, stream.asked); ++i) stream.ahead -= Cost(stream.expected[i]);
    stream.asked -= std::min(stream.asked, passed + (position < stream.asked ? 1 : 0));
    stream.expected.erase(found);
    stream.expected.erase(stream.expected.begin(), stream.expected.begin() + static_cast<ptrdiff_t>(passed));
    stream.window = std::min(limit_, std::max(kFirstWindow, stream.window * 2));
    advanced = *here;
    streams_.splice(streams_.begin(), streams_, here);
  }
  return advanced;
}

void ReadAhead::Begin(const store::Node& node) {
  for (const Order order : {Order::kDirectory, Order::kName}) {
    auto stream = std::make_shared<Stream>();
    stream->folder = node.parent;
    stream->order = order;
    stream->Append(ReadOn(*stream, node, kGuess));
    if (stream->expected.empty()) continue;
    base::MutexLock lock(mutex_);
    streams_.push_front(std::move(stream));
    if (streams_.size() > kMaxStreams) streams_.pop_back();
  }
}

std::vector<store::Node> ReadAhead::ReadOn(const Stream& stream, const store::Node& last, size_t count) {
  return stream.order == Order::kName ? context_->index.ListByName(stream.folder, last.name, count)
                                      : context_->index.List(stream.folder, last.entry, count);
}

ReadAhead::Batches ReadAhead::Plan(Stream& stream) {
  Batches batches;
  for (;;) {
    store::Node last;
    {
      base::MutexLock lock(mutex_);
      if (PlanExpected(stream, batches)) return batches;
      last = stream.last;
    }
    std::vector<store::Node> page = ReadOn(stream, last, kPage);
    base::MutexLock lock(mutex_);
    // Unless another open was faster.
    if (stream.last.entry == last.entry) stream.Append(std::move(page));
  }
}

bool ReadAhead::PlanExpected(Stream& stream, Batches& batches) {
  // Not one by one: a command for each would cost what it is to save.
  if (batches.empty() && stream.ahead > stream.window / 2) return true;
  while (stream.ahead < stream.window) {
    if (stream.asked == stream.expected.size()) return stream.at_end;
    const store::Node& next = stream.expected[stream.asked++];
    stream.ahead += Cost(next);
    if (IsTooLarge(next)) continue;
    if (batches.empty() || batches.back().octets + Cost(next) > kBatchOctets ||
        batches.back().nodes.size() == kBatchMessages) {
      batches.emplace_back();
    }
    batches.back().octets += Cost(next);
    batches.back().nodes.push_back(next);
  }
  return true;
}

}  // namespace mailboxfs::tree
