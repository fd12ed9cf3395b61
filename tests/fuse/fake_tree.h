#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "mailboxfs/base/clock.h"
#include "mailboxfs/base/error.h"
#include "mailboxfs/base/fd.h"
#include "mailboxfs/base/log.h"
#include "mailboxfs/base/mutex.h"
#include "mailboxfs/tree/tree.h"

namespace mailboxfs::fuse {

// A tree in memory whose requests wait when a test says so. Thread-safe.
class FakeTree final : public tree::Tree {
 public:
  static constexpr tree::Ino kRoot = 1;
  static constexpr std::chrono::seconds kPatience{30};
  static constexpr tree::Ino kPositions = 3;  // Positions in a directory are not inodes.

  explicit FakeTree(const base::Clock& clock = base::Clock::System()) : clock_(clock) {
    nodes_[kRoot] = Node{{kRoot, true, 0, true, 1'600'000'000}, kRoot, "", nullptr};
  }

  ~FakeTree() override {
    for (std::thread& thread : threads_) thread.join();
  }

  // -- What the test arranges.
  tree::Ino AddDirectory(tree::Ino parent, const std::string& name) {
    base::MutexLock lock(mutex_);
    return Add(parent, name, {0, true, 0, true, 1'600'000'001}, nullptr);
  }
  // The size is exact from the first open on.
  tree::Ino AddMessage(tree::Ino parent, const std::string& name, const std::string& body, uint64_t estimate) {
    auto message = std::make_shared<Message>(body);
    base::MutexLock lock(mutex_);
    return Add(parent, name, {0, false, estimate, false, 1'500'000'000}, std::move(message));
  }
  tree::Ino AddMessage(tree::Ino parent, const std::string& name, const std::string& body) {
    const tree::Ino ino = AddMessage(parent, name, body, body.size());
    LearnSize(ino);
    return ino;
  }
  // As read-ahead does it: the size becomes exact without an open.
  void LearnSize(tree::Ino ino) {
    base::MutexLock lock(mutex_);
    nodes_[ino].attributes.size = nodes_[ino].message->size();
    nodes_[ino].attributes.size_exact = true;
  }
  void SetLinks(tree::Ino ino, uint64_t links) {
    base::MutexLock lock(mutex_);
    nodes_[ino].attributes.links = links;
  }
  void SetAlias(tree::Ino ino, const std::string& alias) {
    base::MutexLock lock(mutex_);
    nodes_[ino].alias = alias;
  }
  void Remove(tree::Ino ino) {
    base::MutexLock lock(mutex_);
    nodes_.erase(ino);
  }
  // Requests that name this inode (lookups: the parent) wait until Release.
  void Block(tree::Ino ino) {
    base::MutexLock lock(mutex_);
    blocked_.insert(ino);
  }
  void BlockReads(tree::Ino ino) {
    base::MutexLock lock(mutex_);
    blocked_reads_.insert(ino);
  }
  // Answers those that wait, on this thread, and lets the next ones pass.
  void Release(tree::Ino ino) {
    std::vector<std::shared_ptr<FakeWait>> waits;
    {
      base::MutexLock lock(mutex_);
      blocked_.erase(ino);
      blocked_reads_.erase(ino);
      for (const auto& wait : waits_) {
        if (wait->ino == ino) waits.push_back(wait);
      }
    }
    for (const auto& wait : waits) wait->Finish({});
  }
  void ReleaseAll() {
    std::set<tree::Ino> all;
    {
      base::MutexLock lock(mutex_);
      all = blocked_;
      all.insert(blocked_reads_.begin(), blocked_reads_.end());
    }
    for (const tree::Ino ino : all) Release(ino);
  }
  void FailWith(tree::Ino ino, const base::Error& error) {
    base::MutexLock lock(mutex_);
    failures_.insert_or_assign(ino, error);
  }
  // Requests throw instead of answering by callback.
  void ThrowAlways(bool value) {
    base::MutexLock lock(mutex_);
    throw_ = value;
  }
  // The answer comes on another thread, which runs while the request is still being made.
  void AnswerElsewhere(bool value) {
    base::MutexLock lock(mutex_);
    elsewhere_ = value;
  }
  void LimitSpans(size_t bytes) {
    base::MutexLock lock(mutex_);
    max_span_ = bytes;
  }
  void MakeProgress() {
    base::MutexLock lock(mutex_);
    progress_ = clock_.Now();
  }
  // Whether the next opens tell of the body that the kernel knows.
  void SetSameBody(bool value) {
    base::MutexLock lock(mutex_);
    same_body_ = value;
  }
  // Only the first `size` bytes of the body are left on the disk.
  void CutBody(tree::Ino ino, off_t size) {
    base::MutexLock lock(mutex_);
    if (::ftruncate(Find(ino).message->fd(), size) != 0) {
      throw base::ErrnoError(base::ErrorKind::kDisk, "memfd", errno);
    }
  }
  void SetXattr(const std::string& name, const std::string& value) {
    base::MutexLock lock(mutex_);
    xattrs_[name] = value;
  }
  void SetCache(uint64_t bytes, uint64_t limit) {
    base::MutexLock lock(mutex_);
    cache_bytes_ = bytes;
    cache_limit_ = limit;
  }
  // False after kPatience.
  bool WaitForWaiting(size_t count) {
    const auto until = std::chrono::steady_clock::now() + kPatience;
    base::MutexLock lock(mutex_);
    while (waits_.size() != count) {
      if (!changed_.WaitUntil(mutex_, until)) return false;
    }
    return true;
  }
  uint64_t space_calls() {
    base::MutexLock lock(mutex_);
    return space_calls_;
  }
  // How often an open message was said to be told of.
  int told(tree::Ino ino) {
    base::MutexLock lock(mutex_);
    return Find(ino).message->told;
  }
  size_t open_messages() {
    base::MutexLock lock(mutex_);
    size_t count = 0;
    for (const auto& [ino, node] : nodes_) count += node.message ? node.message.use_count() - 1 : 0;
    return count;
  }

  // -- Tree.
  tree::Attributes GetAttributes(tree::Ino ino) override {
    base::MutexLock lock(mutex_);
    Check(ino);
    return Find(ino).attributes;
  }

  std::vector<tree::DirEntry> ReadDirectory(tree::Ino directory, tree::Ino after, size_t limit) override {
    base::MutexLock lock(mutex_);
    Check(directory);
    std::vector<tree::DirEntry> entries;
    for (auto node = nodes_.upper_bound(after / kPositions); node != nodes_.end() && entries.size() < limit; ++node) {
      if (node->second.parent == directory && node->first != directory) {
        entries.push_back({node->second.name, node->second.attributes, node->first * kPositions});
      }
    }
    return entries;
  }

  tree::Ino ParentOf(tree::Ino directory) override {
    base::MutexLock lock(mutex_);
    return Find(directory).parent;
  }

  std::optional<std::string> GetXattr(tree::Ino ino, std::string_view name) override {
    base::MutexLock lock(mutex_);
    Check(ino);
    const auto found = xattrs_.find(std::string(name));
    if (found == xattrs_.end()) return std::nullopt;
    return found->second;
  }

  std::string Describe(tree::Ino ino) override { return base::Format("inode {}", ino); }
  tree::TreeStatus GetStatus() override { return {}; }

  tree::SpaceStatus GetSpace() override {
    base::MutexLock lock(mutex_);
    ++space_calls_;
    tree::SpaceStatus status;
    status.cache.bytes = cache_bytes_;
    status.cache.limit = cache_limit_;
    status.messages = static_cast<uint64_t>(
        std::count_if(nodes_.begin(), nodes_.end(), [](const auto& item) { return item.second.message != nullptr; }));
    return status;
  }

  std::shared_ptr<tree::Wait> Lookup(tree::Ino parent, std::string_view name,
                                     Callback<tree::Attributes> callback) override {
    return Answer<tree::Attributes>(parent, false, std::move(callback), [this, parent, name = std::string(name)] {
      base::MutexLock lock(mutex_);
      Check(parent);
      for (const auto& [ino, node] : nodes_) {
        if (node.parent == parent && node.name == name) return node.attributes;
        if (node.parent == parent && !node.alias.empty() && node.alias == name) {
          tree::Attributes attributes = node.attributes;
          attributes.alias = true;
          return attributes;
        }
      }
      throw base::Error(base::ErrorKind::kNotFound, name + ": no such message");
    });
  }

  std::shared_ptr<tree::Wait> OpenDirectory(tree::Ino directory, Callback<tree::Attributes> callback) override {
    return Answer<tree::Attributes>(directory, false, std::move(callback),
                                    [this, directory] { return GetAttributes(directory); });
  }

  std::shared_ptr<tree::Wait> Open(tree::Ino ino, Callback<Opened> callback) override {
    return Answer<Opened>(ino, false, std::move(callback), [this, ino] {
      base::MutexLock lock(mutex_);
      Check(ino);
      Node& node = Find(ino);
      const bool changed = node.attributes.size != node.message->size();
      Opened opened{node.message, changed, !changed && same_body_};
      node.attributes.size = node.message->size();
      node.attributes.size_exact = true;
      return opened;
    });
  }

  std::shared_ptr<tree::Wait> Read(const std::shared_ptr<tree::OpenMessage>& message, uint64_t offset, size_t length,
                                   Callback<tree::ReadSpan> callback) override {
    const auto fake = std::static_pointer_cast<Message>(message);
    return Answer<tree::ReadSpan>(fake->ino, true, std::move(callback), [this, fake, offset, length] {
      base::MutexLock lock(mutex_);
      Check(fake->ino);
      const uint64_t left = offset < fake->size() ? fake->size() - offset : 0;
      return tree::ReadSpan{fake, fake->fd(), offset, std::min({length, static_cast<size_t>(left), max_span_})};
    });
  }

  void Shutdown() override {}

 private:
  class Message : public tree::OpenMessage {
   public:
    explicit Message(const std::string& body) : size_(body.size()) {
      if (body.empty()) return;  // Ten thousand of them are more than the descriptors there may be.
      fd_ = base::UniqueFd(::memfd_create("body", MFD_CLOEXEC));
      size_t done = 0;
      while (done < body.size()) {
        const ssize_t wrote = ::write(fd_.get(), body.data() + done, body.size() - done);
        if (wrote <= 0) throw base::ErrnoError(base::ErrorKind::kDisk, "memfd", errno);
        done += static_cast<size_t>(wrote);
      }
    }
    uint64_t size() const override { return size_; }
    void SizeTold() override { ++told; }
    int fd() const { return fd_.get(); }
    tree::Ino ino = 0;
    std::atomic<int> told{0};

   private:
    base::UniqueFd fd_;
    uint64_t size_;
  };

  struct Node {
    tree::Attributes attributes;
    tree::Ino parent = 0;
    std::string name;
    std::shared_ptr<Message> message;
    std::string alias{};
  };

  class FakeWait : public tree::Wait, public std::enable_shared_from_this<FakeWait> {
   public:
    FakeWait(FakeTree& owner, tree::Ino node, std::function<void(base::Status)> done)
        : ino(node), owner_(owner), done_(std::move(done)) {}
    void Cancel(const base::Error& error) override { Finish(error); }
    base::MonoTime LastProgress() const override {
      base::MutexLock lock(owner_.mutex_);
      return owner_.progress_;
    }
    void Finish(const base::Status& status) {
      if (owner_.Forget(shared_from_this())) std::exchange(done_, nullptr)(status);
    }
    const tree::Ino ino;

   private:
    FakeTree& owner_;
    std::function<void(base::Status)> done_;
  };

  tree::Ino Add(tree::Ino parent, const std::string& name, tree::Attributes attributes,
                std::shared_ptr<Message> message) REQUIRES(mutex_) {
    const tree::Ino ino = ++last_ino_;
    attributes.ino = ino;
    if (message) message->ino = ino;
    nodes_[ino] = Node{attributes, parent, name, std::move(message)};
    return ino;
  }
  Node& Find(tree::Ino ino) REQUIRES(mutex_) {
    const auto found = nodes_.find(ino);
    if (found == nodes_.end()) throw base::Error(base::ErrorKind::kNotFound, "no such inode");
    return found->second;
  }
  void Check(tree::Ino ino) REQUIRES(mutex_) {
    const auto failure = failures_.find(ino);
    if (failure != failures_.end()) throw failure->second;
  }
  bool Forget(const std::shared_ptr<FakeWait>& wait) {
    base::MutexLock lock(mutex_);
    const bool known = waits_.erase(wait) > 0;
    changed_.NotifyAll();
    return known;
  }

  template <typename T, typename Produce>
  std::shared_ptr<tree::Wait> Answer(tree::Ino ino, bool read, Callback<T> callback, const Produce& produce) {
    auto done = [callback = std::move(callback), produce](const base::Status& status) {
      if (status) return callback(*status);
      try {
        callback(base::Result<T>(produce()));
      } catch (const base::Error& error) {
        callback(error);
      }
    };
    bool elsewhere = false;
    {
      base::MutexLock lock(mutex_);
      if (throw_) throw base::Error(base::ErrorKind::kDisk, "the index cannot be read");
      if ((read ? blocked_reads_ : blocked_).count(ino) > 0) {
        auto wait = std::make_shared<FakeWait>(*this, ino, std::move(done));
        waits_.insert(wait);
        changed_.NotifyAll();
        return wait;
      }
      elsewhere = elsewhere_;
    }
    if (!elsewhere) {
      done({});
      return nullptr;
    }
    auto wait = std::make_shared<FakeWait>(*this, ino, std::move(done));
    base::MutexLock lock(mutex_);
    waits_.insert(wait);
    threads_.emplace_back([wait] { wait->Finish({}); });
    return wait;
  }

  const base::Clock& clock_;
  base::Mutex mutex_;
  base::CondVar changed_;
  std::map<tree::Ino, Node> nodes_ GUARDED_BY(mutex_);
  tree::Ino last_ino_ GUARDED_BY(mutex_) = 1000;
  std::set<tree::Ino> blocked_ GUARDED_BY(mutex_), blocked_reads_ GUARDED_BY(mutex_);
  std::set<std::shared_ptr<FakeWait>> waits_ GUARDED_BY(mutex_);
  std::map<tree::Ino, base::Error> failures_ GUARDED_BY(mutex_);
  std::map<std::string, std::string> xattrs_ GUARDED_BY(mutex_);
  std::vector<std::thread> threads_;
  base::MonoTime progress_ GUARDED_BY(mutex_);
  size_t max_span_ GUARDED_BY(mutex_) = SIZE_MAX;
  uint64_t cache_bytes_ GUARDED_BY(mutex_) = 0, cache_limit_ GUARDED_BY(mutex_) = 0;
  uint64_t space_calls_ GUARDED_BY(mutex_) = 0;
  bool throw_ GUARDED_BY(mutex_) = false, elsewhere_ GUARDED_BY(mutex_) = false;
  bool same_body_ GUARDED_BY(mutex_) = true;
};

}  // namespace mailboxfs::fuse
