#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "fake_source.h"
#include "mailboxfs/base/manual_clock.h"
#include "mailboxfs/tree/tree.h"

namespace mailboxfs::tree {

// An answer that a test waits for. Copies share the answer. Thread-safe.
template <typename T>
class Answer {
 public:
  Tree::Callback<T> callback() const {
    return [state = state_](base::Result<T> result) {
      base::MutexLock lock(state->mutex);
      ++state->count;
      state->result.emplace(std::move(result));
      state->changed.NotifyAll();
    };
  }
  bool given() const { return count() > 0; }
  int count() const {
    base::MutexLock lock(state_->mutex);
    return state_->count;
  }
  // Waits for it, for a minute at most.
  base::Result<T> Get() const {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::minutes(1);
    base::MutexLock lock(state_->mutex);
    while (!state_->result) {
      if (!state_->changed.WaitUntil(state_->mutex, deadline)) throw std::runtime_error("no answer came");
    }
    return *state_->result;
  }
  T Value() const { return Get().value(); }
  // nullopt: it was a success.
  std::optional<base::ErrorKind> Error() const {
    const base::Result<T> result = Get();
    return result.ok() ? std::nullopt : std::optional(result.error().kind());
  }

 private:
  struct State {
    base::Mutex mutex;
    base::CondVar changed;
    int count GUARDED_BY(mutex) = 0;
    std::optional<base::Result<T>> result GUARDED_BY(mutex);
  };
  std::shared_ptr<State> state_ = std::make_shared<State>();
};

// A question asked: its answer and its Wait (null if it was answered inline).
template <typename T>
struct Asked {
  Answer<T> answer;
  std::shared_ptr<Wait> wait;
};

class FakeNotifier : public KernelNotifier {
 public:
  void Deleted(uint64_t parent, uint64_t ino, const std::string& name) override;
  void Unlinked(uint64_t parent, uint64_t ino, const std::string& name) override;
  void AttributesChanged(uint64_t ino) override;
  std::vector<std::string> deleted();
  std::vector<std::string> unlinked();
  bool attributes_changed(uint64_t ino);

 private:
  base::Mutex mutex_;
  std::vector<std::string> deleted_ GUARDED_BY(mutex_), unlinked_ GUARDED_BY(mutex_);
  std::vector<uint64_t> changed_ GUARDED_BY(mutex_);
};

// A tree with one mailbox "sales" over the real index and cache and a FakeSource that has the
// folder INBOX. Time stands still unless moved.
class TreeTest : public testing::Test {
 protected:
  TreeTest();
  ~TreeTest() override;

  // Closes the tree and opens it again over the same index and cache; the mailbox's content
  // at the server is the new FakeSource's, made by `source_` until now.
  void Remount(const std::string& key = "acct/sales@example.org");

  Asked<Attributes> Lookup(Ino parent, const std::string& name);
  Asked<Attributes> OpenDirectory(Ino directory);
  Asked<Tree::Opened> Open(Ino message);
  Asked<ReadSpan> Read(const std::shared_ptr<OpenMessage>& message, uint64_t offset, size_t length);

  // Names in a directory, which is opened first.
  std::vector<std::string> List(Ino directory);
  std::vector<std::string> ReadNames(Ino directory);
  // The inode at a path from the root, such as "sales/INBOX/1.eml"; parents are opened.
  Ino Find(const std::string& path);
  static std::string Bytes(const ReadSpan& span);
  // Opens and reads all.
  std::string ReadAll(Ino message);
  void Advance(base::Duration by) { clock_.Advance(by); }

  std::string directory_;
  base::ManualClock clock_;
  FakeNotifier notifier_;
  TreeOptions options_;
  std::unique_ptr<store::Index> index_;
  std::unique_ptr<store::BodyCache> cache_;
  FakeSource* source_ = nullptr;  // Lives in the tree.
  std::unique_ptr<Tree> tree_;
};

}  // namespace mailboxfs::tree
