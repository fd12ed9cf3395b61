#include "mailboxfs/fuse/session.h"

#include <fuse3/fuse_lowlevel.h>
#include <fuse3/fuse_opt.h>
#include <poll.h>

#include <cerrno>
#include <cstdlib>
#include <exception>
#include <memory>
#include <string>
#include <utility>

#include "error_log.h"
#include "in_flight.h"
#include "init_reply.h"
#include "libfuse_log.h"
#include "loop.h"
#include "mailboxfs/base/error.h"
#include "mailboxfs/base/fd.h"
#include "mailboxfs/base/log.h"
#include "notifier.h"
#include "operations.h"
#include "pending_signals.h"
#include "watchdog.h"

namespace mailboxfs::fuse {
namespace {

using base::Error;
using base::ErrorKind;

struct SessionDeleter {
  void operator()(fuse_session* session) const { fuse_session_destroy(session); }
};

// argv for libfuse.
class Arguments {
 public:
  Arguments() { Add("mailboxfs"); }
  ~Arguments() { fuse_opt_free_args(&args_); }
  Arguments(const Arguments&) = delete;
  Arguments& operator=(const Arguments&) = delete;

  void AddOption(const std::string& option) {
    // A comma in a name would start the next option.
    std::string escaped;
    for (const char c : option) {
      if (c == ',' || c == '\\') escaped.push_back('\\');
      escaped.push_back(c);
    }
    Add("-o");
    Add(escaped);
  }
  fuse_args* get() { return &args_; }

 private:
  void Add(const std::string& argument) {
    if (fuse_opt_add_arg(&args_, argument.c_str()) != 0) throw std::bad_alloc();
  }
  fuse_args args_{};
};

class SessionImpl final : public Session {
 public:
  SessionImpl(SessionOptions options, const base::Clock& clock)
      : options_(std::move(options)),
        clock_(clock),
        errors_(clock, [this](tree::Ino ino) { return tree_->Describe(ino); }),
        watchdog_(options_.stall, options_.total, clock, EndsCaller) {}

  ~SessionImpl() override {
    if (!session_) return;
    fuse_session_unmount(session_.get());
    if (operations_) operations_->CloseAll();
  }

  tree::KernelNotifier& notifier() override { return notifier_; }
  void SetTree(tree::Tree& tree) override { tree_ = &tree; }
  void Mount() override;
  void Run(const std::function<void()>& ready) override;
  void Stop() noexcept override { stop_.Set(); }
  SessionStatus GetStatus() const override;

 private:
  void Serve(Loop& loop, const std::function<void()>& ready);
  void TearDown(Loop& loop);

  const SessionOptions options_;
  const base::Clock& clock_;
  tree::Tree* tree_ = nullptr;
  base::WakeEvent stop_;
  ErrorLog errors_;
  InFlight in_flight_;
  Watchdog watchdog_;
  Notifier notifier_;
  std::unique_ptr<Operations> operations_;
  std::unique_ptr<fuse_session, SessionDeleter> session_;
};

void SessionImpl::Mount() {
  if (tree_ == nullptr || session_) throw Error(ErrorKind::kInternal, "Mount needs a tree, and works once");
  const Presentation presentation{options_.uid, options_.gid, options_.umask, options_.entry_timeout};
  operations_ = std::make_unique<Operations>(presentation, clock_, *tree_, watchdog_, notifier_, errors_, in_flight_);
  Arguments arguments;
  arguments.AddOption("fsname=" + options_.fsname);
  for (const char* option : {"subtype=mailboxfs", "ro", "nosuid", "nodev", "noexec", "default_permissions"}) {
    arguments.AddOption(option);
  }
  for (const std::string& option : options_.mount_options) arguments.AddOption(option);

  const LibfuseLogCapture capture;
  const auto fail = [&] {
    const std::string said = capture.text();
    throw Error(ErrorKind::kConfig, base::Format("cannot mount on {}: {}", options_.mountpoint,
                                                 said.empty() ? "see fusermount3's message above" : said));
  };
  session_.reset(fuse_session_new(arguments.get(), &OperationsTable(), sizeof(fuse_lowlevel_ops), operations_.get()));
  if (!session_) fail();
  operations_->SetSession(session_.get());
  if (fuse_session_mount(session_.get(), options_.mountpoint.c_str()) != 0) {
    session_.reset();
    fail();
  }
  FilterReplies(session_.get());
}

void SessionImpl::Run(const std::function<void()>& ready) {
  if (!session_) throw Error(ErrorKind::kInternal, "Run needs Mount");
  std::exception_ptr error;
  {
    Loop loop(session_.get(), stop_);
    try {
      Serve(loop, ready);
    } catch (...) {
      error = std::current_exception();
    }
    TearDown(loop);
  }
  fuse_session_unmount(session_.get());
  operations_->CloseAll();
  if (error) std::rethrow_exception(error);
}

void SessionImpl::Serve(Loop& loop, const std::function<void()>& ready) {
  watchdog_.Start();
  // Until its INIT is answered the kernel sends nothing else.
  loop.ServeUntil([this] { return operations_->initialized(); });
  if (!operations_->initialized()) return;
  notifier_.Start(session_.get());
  loop.Start(options_.threads);
  if (ready) ready();
  pollfd event{stop_.fd(), POLLIN, 0};
  while (::poll(&event, 1, -1) < 0) {
    if (errno != EINTR) throw base::ErrnoError(ErrorKind::kInternal, "poll", errno);
  }
}

void SessionImpl::TearDown(Loop& loop) {
  // In this order. The notifier may be waiting in the kernel for a directory's lock whose holder
  // waits for us: waits end first, and the loop serves on until the notifier has come back.
  watchdog_.Close();
  notifier_.Stop();
  loop.Stop();
  // Answers that were on their way on threads of the tree.
  in_flight_.Drain();
  watchdog_.Stop();
}

SessionStatus SessionImpl::GetStatus() const {
  const ErrorLog::Counts counts = errors_.GetCounts();
  SessionStatus status;
  status.waiting = watchdog_.waiting();
  status.signalled = watchdog_.suspects();
  status.interrupted = counts.interrupted;
  status.timed_out = counts.timed_out;
  status.eio_by_site = counts.eio_by_site;
  return status;
}

}  // namespace

std::unique_ptr<Session> Session::Make(SessionOptions options, const base::Clock& clock) {
  return std::make_unique<SessionImpl>(std::move(options), clock);
}

}  // namespace mailboxfs::fuse
