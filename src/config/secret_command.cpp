#include "mailboxfs/config/secret_command.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "mailboxfs/base/error.h"
#include "mailboxfs/base/fd.h"
#include "mailboxfs/base/log.h"

namespace mailboxfs::config {

using base::Error;
using base::ErrorKind;
using base::Format;
using base::UniqueFd;

namespace {

[[noreturn]] void FailCommand(const std::string& what, int errnum) {
  throw Error(ErrorKind::kConfig, ErrnoError(ErrorKind::kConfig, what, errnum).what());
}

// posix_spawn's two structures.
class SpawnOptions {
 public:
  SpawnOptions() {
    ::posix_spawn_file_actions_init(&actions_);
    ::posix_spawnattr_init(&attributes_);
  }
  ~SpawnOptions() {
    ::posix_spawn_file_actions_destroy(&actions_);
    ::posix_spawnattr_destroy(&attributes_);
  }
  SpawnOptions(const SpawnOptions&) = delete;
  SpawnOptions& operator=(const SpawnOptions&) = delete;

  // Our signal mask and ignored signals are not the program's business; its own process
  // group lets us end its children too.
  void Isolate(int output) {
    sigset_t none, all;
    ::sigemptyset(&none);
    ::sigfillset(&all);
    int error = ::posix_spawnattr_setsigmask(&attributes_, &none);
    if (error == 0) error = ::posix_spawnattr_setsigdefault(&attributes_, &all);
    if (error == 0) error = ::posix_spawnattr_setpgroup(&attributes_, 0);
    if (error == 0) {
      error = ::posix_spawnattr_setflags(&attributes_,
                                         POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
    }
    if (error == 0) error = ::posix_spawn_file_actions_adddup2(&actions_, output, STDOUT_FILENO);
    if (error == 0) error = ::posix_spawn_file_actions_addopen(&actions_, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    if (error == 0) error = ::posix_spawn_file_actions_addclosefrom_np(&actions_, STDERR_FILENO + 1);
    if (error != 0) FailCommand("a program cannot be started", error);
  }

  const posix_spawn_file_actions_t* actions() const { return &actions_; }
  const posix_spawnattr_t* attributes() const { return &attributes_; }

 private:
  posix_spawn_file_actions_t actions_{};
  posix_spawnattr_t attributes_{};
};

// A running program; killed and reaped when it dies with us.
class ChildProcess {
 public:
  ChildProcess(const std::vector<std::string>& argv, int output) {
    SpawnOptions options;
    options.Isolate(output);
    std::vector<char*> pointers;
    for (const std::string& word : argv) pointers.push_back(const_cast<char*>(word.c_str()));
    pointers.push_back(nullptr);
    const int error =
        ::posix_spawnp(&pid_, pointers[0], options.actions(), options.attributes(), pointers.data(), environ);
    if (error != 0) FailCommand(Format("{} cannot be started", argv[0]), error);
    // glibc 2.36 declares pidfd_open without extern "C".
    fd_ = UniqueFd(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)));
    if (!fd_) {
      const int errnum = errno;
      Kill();
      FailCommand(Format("{} cannot be watched", argv[0]), errnum);
    }
  }
  ~ChildProcess() { Kill(); }
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  // Readable once the program has ended.
  int fd() const { return fd_.get(); }

  // Waits for the end; the wait status.
  int Reap() {
    int status = 0;
    pid_t got = 0;
    do got = ::waitpid(pid_, &status, 0);
    while (got < 0 && errno == EINTR);
    pid_ = -1;
    if (got < 0) FailCommand("waitpid", errno);
    return status;
  }

 private:
  void Kill() noexcept {
    if (pid_ < 0) return;
    ::kill(-pid_, SIGKILL);
    while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
    }
    pid_ = -1;
  }

  pid_t pid_ = -1;
  UniqueFd fd_;
};

// How long its caller has patience.
struct Patience {
  base::Duration limit;
  base::Deadline deadline;
  const base::WakeEvent& wake;
};

// Reads until the program ends, or throws.
base::Secret Collect(const ChildProcess& child, UniqueFd output, const std::string& name, const Patience& patience) {
  const base::Clock& clock = base::Clock::System();
  const auto limit = base::Deadline::After(clock, patience.limit);
  // Never reallocated, so that no part of the secret stays behind.
  std::string buffer(kMaxSecretSize + 1, '\0');
  size_t size = 0;
  for (;;) {
    const base::MonoTime now = clock.Now();
    if (limit.Passed(now)) {
      throw Error(ErrorKind::kConfig,
                  Format("{} did not end within {} s and was killed; try it by hand, with its input from /dev/null",
                         name, std::chrono::duration_cast<std::chrono::seconds>(patience.limit).count()));
    }
    if (patience.wake.IsSet()) throw Error(ErrorKind::kCancelled, Format("{} was cancelled", name));
    if (patience.deadline.Passed(now)) throw Error(ErrorKind::kTimeout, Format("{} did not end in time", name));
    pollfd entries[3] = {{output.get(), POLLIN, 0}, {child.fd(), POLLIN, 0}, {patience.wake.fd(), POLLIN, 0}};
    if (::poll(entries, 3, limit.Min(patience.deadline).PollMillis(now)) < 0 && errno != EINTR) {
      FailCommand("poll", errno);
    }
    if (entries[0].revents != 0) {
      const ssize_t got = ::read(output.get(), buffer.data() + size, buffer.size() - size);
      if (got < 0 && errno != EINTR) FailCommand(Format("the output of {} cannot be read", name), errno);
      if (got == 0) output.Reset();
      if (got > 0) size += static_cast<size_t>(got);
      if (size > kMaxSecretSize) {
        throw Error(
            ErrorKind::kConfig,
            Format("{} wrote more than {} bytes and was killed; it must write only the secret", name, kMaxSecretSize));
      }
    } else if (entries[1].revents != 0) {
      buffer.resize(size);
      return base::Secret(std::move(buffer));
    }
  }
}

}  // namespace

base::Secret RunSecretCommand(const std::vector<std::string>& argv, base::Duration limit,
                              const base::Deadline& deadline, const base::WakeEvent& wake) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) FailCommand("pipe", errno);
  UniqueFd read_end(ends[0]), write_end(ends[1]);
  ChildProcess child(argv, write_end.get());
  write_end.Reset();
  base::Secret secret = Collect(child, std::move(read_end), argv[0], {limit, deadline, wake});
  const int status = child.Reap();
  if (WIFSIGNALED(status)) {
    throw Error(ErrorKind::kConfig, Format("{} was killed by signal {}; try it by hand", argv[0], WTERMSIG(status)));
  }
  if (WEXITSTATUS(status) != 0) {
    throw Error(ErrorKind::kConfig, Format("{} ended with status {}; try it by hand", argv[0], WEXITSTATUS(status)));
  }
  return secret;
}

base::Secret RunSecretCommand(const std::vector<std::string>& argv, base::Duration limit) {
  const base::WakeEvent never;
  return RunSecretCommand(argv, limit, base::Deadline::Never(), never);
}

}  // namespace mailboxfs::config
