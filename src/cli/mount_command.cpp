#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "commands.h"
#include "daemon.h"
#include "mailboxfs/base/error.h"
#include "mailboxfs/base/fd.h"
#include "mailboxfs/base/log.h"
#include "mailboxfs/cli/exit_code.h"
#include "mailboxfs/cli/mount_options.h"
#include "mailboxfs/config/config.h"
#include "mailboxfs/net/transport.h"
#include "mount_table.h"
#include "service_manager.h"
#include "services.h"

namespace mailboxfs::cli {
namespace {

using base::ErrnoError;
using base::Error;
using base::ErrorKind;

// The signal handler's way to the daemon. Set while Run may be stopped.
std::atomic<Daemon*> g_running{nullptr};

void OnStopSignal(int /*signal*/) {
  const int saved_errno = errno;
  if (Daemon* daemon = g_running.load()) daemon->Stop();
  errno = saved_errno;
}

void InstallSignalHandlers() {
  struct sigaction action {};
  action.sa_handler = &OnStopSignal;
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) ::sigaction(signal, &action, nullptr);
  action.sa_handler = SIG_IGN;
  ::sigaction(SIGPIPE, &action, nullptr);
}

// An open body is a descriptor; backup tools open many.
void RaiseDescriptorLimit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

struct Mountpoint {
  std::string path;
  bool dead = false;  // The mount of a daemon that has died is there.
};

bool IsDead(const std::string& mountpoint) {
  // Not stat, which the kernel may answer by itself for a while.
  struct statfs space {};
  return ::statfs(mountpoint.c_str(), &space) != 0 && errno == ENOTCONN;
}

Mountpoint CheckMountpoint(const std::string& path) {
  Mountpoint mountpoint{CanonicalMountpoint(path)};
  struct stat info {};
  const bool reachable = ::stat(mountpoint.path.c_str(), &info) == 0;
  const int stat_errno = errno;
  if (const std::optional<MountEntry> entry = FindOwnMount(mountpoint.path)) {
    if (!IsDead(mountpoint.path)) {
      throw Error(ErrorKind::kConfig, base::Format("{}: mailboxfs is already mounted here (configuration {})",
                                                   mountpoint.path, entry->fsname));
    }
    mountpoint.dead = true;
  } else if (!reachable) {
    throw ErrnoError(ErrorKind::kConfig, base::Format("mountpoint {}", mountpoint.path), stat_errno);
  } else if (!S_ISDIR(info.st_mode)) {
    throw Error(ErrorKind::kConfig, base::Format("mountpoint {} is not a directory", mountpoint.path));
  }
  return mountpoint;
}

// The daemon would wait for itself.
void RefuseOwnDirectoriesBelow(const std::string& mountpoint, const config::Config& config) {
  for (const auto& [key, directory] :
       {std::pair("cache.directory", config.cache_directory), std::pair("state.directory", config.state_directory)}) {
    std::error_code error;
    std::string place = std::filesystem::weakly_canonical(directory, error).string();
    if (error) place = directory;
    if ((place + "/").starts_with(mountpoint == "/" ? "/" : mountpoint + "/")) {
      throw Error(ErrorKind::kConfig, base::Format("{}: {}: is below the mountpoint {}; choose another directory",
                                                   config.path, key, mountpoint));
    }
  }
}

base::UniqueFd OpenLogFile(const std::string& path) {
  base::UniqueFd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!file) throw ErrnoError(ErrorKind::kConfig, base::Format("log file {}", path), errno);
  return file;
}

struct MountJob {
  config::Config config;
  MountOptions options;
  Mountpoint mountpoint;
  base::LogLevel log_level = base::LogLevel::kInfo;
  std::optional<std::string> log_file;
  bool foreground = false;
};

// Lets the signal handler reach the daemon while this lives.
class Running {
 public:
  explicit Running(Daemon* daemon) { g_running = daemon; }
  ~Running() { g_running = nullptr; }
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;
};

// What fusermount3 would refuse a moment later, when the dead mount has been cleared already.
void CheckMountable(const MountOptions& options) {
  if (!base::UniqueFd(::open("/dev/fuse", O_RDWR | O_CLOEXEC))) {
    throw ErrnoError(ErrorKind::kConfig, "/dev/fuse cannot be used", errno);
  }
  if (::geteuid() == 0 || options.for_fuse.empty()) return;
  std::ifstream file("/etc/fuse.conf");
  const std::string text((std::istreambuf_iterator<char>(file)), {});
  if (!AllowsOthers(text)) {
    throw Error(ErrorKind::kConfig,
                base::Format("-o {}: ordinary users may do that only if /etc/fuse.conf has the line "
                             "user_allow_other",
                             options.for_fuse.front()));
  }
}

void ClearDeadMount(const Mountpoint& mountpoint, const MountOptions& options) {
  if (!mountpoint.dead) return;
  if (!IsDead(mountpoint.path)) {
    // Somebody else has cleared it, and may have mounted already.
    CheckMountpoint(mountpoint.path);
    return;
  }
  CheckMountable(options);
  base::LogWarning("{}: clearing the mount of a daemon that has died", mountpoint.path);
  UnmountPath(mountpoint.path, true);
}

// Runs the daemon in this process until it is unmounted.
void Serve(const MountJob& job, const std::function<void()>& ready) {
  RaiseDescriptorLimit();
  net::InitNetwork();
  Daemon daemon(job.config, job.options, job.mountpoint.path);
  const Running running(&daemon);
  InstallSignalHandlers();
  // Not before everything else stands: until then the dead mount's errors keep backups from
  // taking an empty directory for the mailboxes.
  daemon.Run([&job] { ClearDeadMount(job.mountpoint, job.options); }, ready);
  base::LogInfo("{} is unmounted", job.mountpoint.path);
}

void LogMounted(const MountJob& job) {
  size_t mailboxes = 0;
  for (const config::Account& account : job.config.accounts) mailboxes += account.mailboxes.size();
  base::LogInfo("mounted {} of {} at {}", base::CountOf(mailboxes, "mailbox"), job.config.path, job.mountpoint.path);
}

int ServeInForeground(const MountJob& job) {
  if (job.log_file) ::dup2(OpenLogFile(*job.log_file).get(), STDERR_FILENO);
  base::InitLog({job.log_level, true, false});
  Serve(job, [&job] {
    LogMounted(job);
    NotifyServiceManager("READY=1");
  });
  NotifyServiceManager("STOPPING=1");
  return kExitOk;
}

// The child of the handshake: detaches, serves, and reports through `report` when the mount answers.
int ServeInBackground(const MountJob& job, base::UniqueFd report) {
  ::setsid();
  if (::chdir("/") != 0) throw ErrnoError(ErrorKind::kInternal, "chdir /", errno);
  // Now, as a mount that is refused must leave a dead one alone.
  const base::UniqueFd log = job.log_file ? OpenLogFile(*job.log_file) : base::UniqueFd();
  // Until the mount stands, errors go to the terminal of the person who asked for it.
  base::InitLog({job.log_level, true, false});
  Serve(job, [&job, &log, &report] {
    const base::UniqueFd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
    ::dup2(null.get(), STDIN_FILENO);
    ::dup2(null.get(), STDOUT_FILENO);
    ::dup2(log ? log.get() : null.get(), STDERR_FILENO);
    base::InitLog({job.log_level, job.log_file.has_value(), !job.log_file.has_value()});
    LogMounted(job);
    const char byte = '0';
    if (::write(report.get(), &byte, 1) != 1) base::LogWarning("the mounting process has gone");
    report.Reset();
  });
  return kExitOk;
}

int RunGuarded(const std::function<int()>& body) {
  try {
    return body();
  } catch (const std::exception&) {
    const Error error = base::CurrentError();
    std::fprintf(stderr, "mailboxfs: %s\n", error.what());
    return ExitCodeFor(error.kind());
  }
}

// Forks before any thread exists; returns when the mount answers or the child has failed.
int Detach(const MountJob& job) {
  std::array<int, 2> fds{};
  if (::pipe2(fds.data(), O_CLOEXEC) != 0) throw ErrnoError(ErrorKind::kInternal, "pipe", errno);
  base::UniqueFd read_end(fds[0]);
  base::UniqueFd write_end(fds[1]);
  const pid_t child = ::fork();
  if (child < 0) throw ErrnoError(ErrorKind::kInternal, "fork", errno);
  if (child == 0) {
    read_end.Reset();
    std::_Exit(RunGuarded([&] { return ServeInBackground(job, std::move(write_end)); }));
  }
  write_end.Reset();
  char byte = 0;
  ssize_t got = 0;
  while ((got = ::read(read_end.get(), &byte, 1)) < 0 && errno == EINTR) {
  }
  if (got == 1) {
    struct stat info {};
    if (::stat(job.mountpoint.path.c_str(), &info) == 0) return kExitOk;
    throw ErrnoError(ErrorKind::kInternal, base::Format("{} is mounted, but does not answer", job.mountpoint.path),
                     errno);
  }
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) != 0) return WEXITSTATUS(status);
  throw Error(ErrorKind::kInternal, "the daemon ended before the mount stood");
}

}  // namespace

int RunMount(const MountArguments& arguments) {
  MountJob job;
  job.options = ParseMountOptions(arguments.options);
  const std::optional<std::string> level = arguments.log_level ? arguments.log_level : job.options.log_level;
  if (level) job.log_level = base::ParseLogLevel(*level);
  job.log_file = arguments.log_file ? arguments.log_file : job.options.log_file;
  // The daemon works in "/".
  if (job.log_file) job.log_file = std::filesystem::absolute(*job.log_file).string();
  job.foreground = arguments.foreground;
  const std::optional<std::string> path = arguments.config ? arguments.config : job.options.config;
  job.config = config::Load(path.value_or(config::DefaultPath()));
  CheckCredentials(job.config);
  job.mountpoint = CheckMountpoint(arguments.mountpoint);
  RefuseOwnDirectoriesBelow(job.mountpoint.path, job.config);
  return job.foreground ? ServeInForeground(job) : Detach(job);
}

}  // namespace mailboxfs::cli
