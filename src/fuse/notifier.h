#pragma once

#include <fuse3/fuse_lowlevel.h>

#include <cstdint>
#include <set>
#include <string>
#include <thread>
#include <tuple>
#include <unordered_map>
#include <utility>

#include "mailboxfs/base/mutex.h"
#include "mailboxfs/tree/kernel_notifier.h"

namespace mailboxfs::fuse {

// Tells the kernel what changed, from one thread of its own that holds no lock: the kernel waits
// for the directory's lock meanwhile, which whoever looks up a name in it holds until we answer.
// Thread-safe.
class Notifier : public tree::KernelNotifier {
 public:
  // While one lives, names in the directory are being looked up: what has gone from it is told
  // afterwards. Otherwise our wait for the directory's lock would keep everybody else out of the
  // directory for as long as the slowest lookup takes. Move-only; must not outlive its Notifier.
  class Hold {
   public:
    Hold(Notifier& notifier, uint64_t parent) : notifier_(&notifier), parent_(parent) { notifier.Enter(parent); }
    ~Hold() { Release(); }
    Hold(Hold&& other) noexcept : notifier_(std::exchange(other.notifier_, nullptr)), parent_(other.parent_) {}
    Hold& operator=(Hold&&) = delete;
    Hold(const Hold&) = delete;
    Hold& operator=(const Hold&) = delete;
    void Release() {
      if (notifier_ != nullptr) std::exchange(notifier_, nullptr)->Leave(parent_);
    }

   private:
    Notifier* notifier_;
    uint64_t parent_;
  };

  // More than that cannot wait: the kernel would have to be stuck. What is too much is dropped
  // (and logged): the kernel then finds out by itself, at the latest when a timeout ends.
  static constexpr size_t kMaxQueued = 100'000;

  Notifier() = default;
  ~Notifier() override;

  // Before Start and after Stop the kernel knows nothing of us: both do nothing.
  void Deleted(uint64_t parent, uint64_t ino, const std::string& name) override;
  void Unlinked(uint64_t parent, uint64_t ino, const std::string& name) override;
  void AttributesChanged(uint64_t ino) override;

  // `session` is borrowed until Stop and has been greeted by the kernel.
  void Start(fuse_session* session);
  // Drops what is queued and ends the thread. Others must still answer requests meanwhile. Idempotent.
  void Stop();

  uint64_t dropped() const;

 private:
  // Order does not matter to the kernel, so that the queue can be a set, which finds duplicates.
  struct Change {
    uint64_t parent = 0;  // 0: attributes of `ino`.
    uint64_t ino = 0;     // 0: the name alone has gone.
    std::string name;
    bool operator<(const Change& other) const {
      return std::tie(parent, ino, name) < std::tie(other.parent, other.ino, other.name);
    }
  };

  void Enter(uint64_t parent);
  void Leave(uint64_t parent);
  void Push(Change change);
  // The first change whose directory is not held.
  std::set<Change>::iterator Next() REQUIRES(mutex_);
  void Loop();
  static void Tell(fuse_session* session, const Change& change);

  mutable base::Mutex mutex_;
  base::CondVar changed_;
  bool running_ GUARDED_BY(mutex_) = false;
  std::set<Change> queue_ GUARDED_BY(mutex_);
  std::unordered_map<uint64_t, unsigned> held_ GUARDED_BY(mutex_);
  uint64_t dropped_ GUARDED_BY(mutex_) = 0;
  fuse_session* session_ GUARDED_BY(mutex_) = nullptr;
  std::thread thread_;
};

}  // namespace mailboxfs::fuse
