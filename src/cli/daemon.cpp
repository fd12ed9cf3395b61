#include "daemon.h"

#include <unistd.h>

#include <optional>
#include <utility>
#include <vector>

#include "control_server.h"
#include "mailboxfs/base/error.h"
#include "mailboxfs/base/log.h"
#include "mailboxfs/mail/imap_source.h"
#include "status_report.h"

namespace mailboxfs::cli {
namespace {

fuse::SessionOptions MakeSessionOptions(const config::Config& config, const MountOptions& options,
                                        const std::string& mountpoint) {
  fuse::SessionOptions session;
  session.mountpoint = mountpoint;
  session.fsname = config.path;
  session.mount_options = options.for_fuse;
  session.uid = options.uid.value_or(::getuid());
  session.gid = options.gid.value_or(::getgid());
  if (options.umask) session.umask = *options.umask;
  session.stall = config.timeouts.stall;
  session.total = config.timeouts.total;
  return session;
}

// `open` with errors that name the key whose directory is unfit.
template <typename Open>
auto OpenDirectory(const config::Config& config, std::string_view key, Open open) {
  using base::Error;
  using base::ErrorKind;
  try {
    return open();
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::kDisk && error.kind() != ErrorKind::kConfig) throw;
    throw Error(ErrorKind::kConfig, error.what()).WithContext(base::Format("{}: {}", config.path, key));
  }
}

}  // namespace

Daemon::Daemon(const config::Config& config, const MountOptions& options, std::string mountpoint)
    : config_(config),
      mountpoint_(std::move(mountpoint)),
      started_(base::Clock::System().Now()),
      services_(config.max_connections),
      index_(OpenDirectory(config, "state.directory", [&] { return store::Index::Open(config.state_directory); })),
      cache_(OpenDirectory(config, "cache.directory",
                           [&] {
                             return store::BodyCache::Open({config.cache_directory, index_->id(), config.cache_size});
                           })),
      session_(fuse::Session::Make(MakeSessionOptions(config, options, mountpoint_), base::Clock::System())) {
  services_.governors().KeepIn(*index_);
  std::vector<tree::MailboxConfig> mailboxes;
  for (const config::Account& account : config_.accounts) {
    for (const config::MailboxConfig& mailbox : account.mailboxes) {
      mailboxes.push_back(
          {account.name + "/" + mailbox.address, mailbox.name,
           mail::MakeImapSource(services_.MakeOptions(config_, account, mailbox), services_.environment())});
    }
  }
  tree::TreeOptions tree_options;
  tree_options.names = tree::NameTemplate(config_.names);
  tree_options.refresh_interval = config_.refresh_interval;
  tree_options.read_ahead = config_.read_ahead;
  tree_options.check_command = "mailboxfs check -c " + config_.path;
  tree_ = tree::Tree::Make(*index_, *cache_, session_->notifier(), base::Clock::System(), std::move(mailboxes),
                           std::move(tree_options));
  session_->SetTree(*tree_);
}

Daemon::~Daemon() {
  // The tree borrows the notifier, and the session's last answers come from the tree.
  tree_->Shutdown();
  services_.governors().Flush();
}

void Daemon::Run(const std::function<void()>& before_mount, const std::function<void()>& ready) {
  before_mount();
  session_->Mount();
  std::optional<ControlServer> control;
  try {
    const auto check = [this](const check::Request& request, const base::WakeEvent& wake, const auto& report) {
      return check::Run(config_, request, services_.MakeMeans(config_), wake, report);
    };
    control.emplace(mountpoint_, ControlHandlers{[this] { return Status(); }, check});
  } catch (const base::Error& error) {
    // Another user can be in the way in /tmp; that must not keep anybody from his mail.
    base::LogWarning("{}; mounted all the same, but 'mailboxfs status' will not work", error.what());
  }
  session_->Run(ready);
}

json::Value Daemon::Status() const {
  const auto uptime = std::chrono::duration_cast<std::chrono::seconds>(base::Clock::System().Now() - started_).count();
  json::Value status = json::Value::MakeObject();
  status.Set("version", MAILBOXFS_VERSION);
  status.Set("pid", int64_t{::getpid()});
  status.Set("mountpoint", mountpoint_);
  status.Set("config", config_.path);
  status.Set("uptime_seconds", int64_t{uptime});
  AddTreeStatus(tree_->GetStatus(), &status);
  AddSessionStatus(session_->GetStatus(), &status);
  json::Value connections = json::Value::MakeObject();
  connections.Set("in_use", uint64_t{services_.budget().in_use()});
  connections.Set("limit", uint64_t{services_.budget().limit()});
  status.Set("connections", std::move(connections));
  json::Value tokens = json::Value::MakeObject();
  for (const auto& [account, source] : services_.tokens().All()) {
    tokens.Set(account, TokenReport(source->GetStatus()));
  }
  status.Set("tokens", std::move(tokens));
  status.Set("accounts", services_.governors().Report());
  return status;
}

}  // namespace mailboxfs::cli
