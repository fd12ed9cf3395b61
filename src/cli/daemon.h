#pragma once

#include <functional>
#include <memory>
#include <string>

#include "mailboxfs/base/clock.h"
#include "mailboxfs/cli/mount_options.h"
#include "mailboxfs/config/config.h"
#include "mailboxfs/fuse/session.h"
#include "mailboxfs/json/json.h"
#include "mailboxfs/store/body_cache.h"
#include "mailboxfs/store/index.h"
#include "mailboxfs/tree/tree.h"
#include "services.h"

namespace mailboxfs::cli {

// Everything behind one mount, put together from the configuration. Thread-bound, but for
// Stop (async-signal-safe) and Status (thread-safe).
class Daemon {
 public:
  // Opens index and cache; throws Error. Makes no connection.
  Daemon(const config::Config& config, const MountOptions& options, std::string mountpoint);
  ~Daemon();

  // Mounts and serves until unmounted or stopped; `ready` runs when the kernel has greeted us.
  // `before_mount` runs when all is ready for the mount.
  void Run(const std::function<void()>& before_mount, const std::function<void()>& ready);
  void Stop() noexcept { session_->Stop(); }
  json::Value Status() const;

 private:
  const config::Config config_;
  const std::string mountpoint_;
  const base::MonoTime started_;
  Services services_;
  std::unique_ptr<store::Index> index_;
  std::unique_ptr<store::BodyCache> cache_;
  std::unique_ptr<fuse::Session> session_;
  std::unique_ptr<tree::Tree> tree_;
};

}  // namespace mailboxfs::cli
