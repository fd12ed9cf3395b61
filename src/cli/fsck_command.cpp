#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <optional>
#include <string>

#include "commands.h"
#include "mailboxfs/base/clock.h"
#include "mailboxfs/base/error.h"
#include "mailboxfs/base/log.h"
#include "mailboxfs/cli/exit_code.h"
#include "mailboxfs/config/config.h"
#include "mailboxfs/store/fsck.h"

namespace mailboxfs::cli {
namespace {

using base::Error;
using base::ErrorKind;
using std::chrono::milliseconds;

constexpr milliseconds kFsckTerminalProgress{100};
constexpr milliseconds kFsckPlainProgress{10'000};

std::atomic<bool> fsck_stopped = false;

extern "C" void StopFsck(int) { fsck_stopped = true; }

// A line for each finding on standard output; how far it is on standard error.
class FsckPrinter {
 public:
  explicit FsckPrinter(bool change) : change_(change) {}

  void Print(const store::FsckFinding& finding) {
    EndLine();
    const char* verdict = finding.corrected ? "corrected" : change_ ? "not corrected" : "found";
    const char* instead = !finding.corrected && !change_ ? "without -n: " : "";
    std::printf("%s: %s: %s -> %s%s\n", verdict, finding.where.c_str(), finding.problem.c_str(), instead,
                finding.repair.c_str());
    std::fflush(stdout);
  }

  void ShowProgress(const std::string& what, uint64_t done, uint64_t total) {
    const base::MonoTime now = base::Clock::System().Now();
    if (shown_ && now - *shown_ < (terminal_ ? kFsckTerminalProgress : kFsckPlainProgress)) return;
    // What is done at once needs no line in a log.
    const bool first = !shown_;
    shown_ = now;
    if (first && !terminal_) return;
    const std::string line = total == 0 ? base::Format("checking the {}", what)
                                        : base::Format("checking the {}: {} of {}", what, done, total);
    std::fprintf(stderr, terminal_ ? "\r%s\033[K" : "%s\n", line.c_str());
    std::fflush(stderr);
    open_line_ = terminal_;
  }

  void EndLine() {
    if (open_line_) std::fputs("\r\033[K", stderr);
    open_line_ = false;
  }

 private:
  const bool change_;
  const bool terminal_ = ::isatty(STDERR_FILENO) == 1;
  bool open_line_ = false;
  std::optional<base::MonoTime> shown_;
};

void PrintSummary(const store::FsckSummary& summary) {
  std::printf("index: %s, %s, %s; cache: %s, %.1f MB\n", base::CountOf(summary.mailboxes, "mailbox").c_str(),
              base::CountOf(summary.folders, "folder").c_str(), base::CountOf(summary.messages, "message").c_str(),
              base::CountOf(summary.bodies, "body").c_str(), static_cast<double>(summary.bytes) / 1e6);
  if (summary.unused != 0) {
    std::printf("%s of messages that have gone\n", base::CountOf(summary.unused, "cached body").c_str());
  }
  std::printf("%s corrected, %llu left\n", base::CountOf(summary.corrected, "error").c_str(),
              static_cast<unsigned long long>(summary.uncorrected));
}

store::FsckSummary RunAndShow(const FsckArguments& arguments, const config::Config& config, FsckPrinter* printer) {
  store::FsckOptions options;
  options.state_directory = config.state_directory;
  options.cache_directory = config.cache_directory;
  options.change = !arguments.no_change;
  options.report = [&](const store::FsckFinding& finding) { printer->Print(finding); };
  options.progress = [&](const std::string& what, uint64_t done, uint64_t total) {
    printer->ShowProgress(what, done, total);
  };
  options.stop = [] { return fsck_stopped.load(); };
  return store::Fsck(options);
}

}  // namespace

int RunFsck(const FsckArguments& arguments) {
  base::InitLog({base::LogLevel::kError, true, false});
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) std::signal(number, &StopFsck);
  FsckPrinter printer(!arguments.no_change);
  try {
    const config::Config config = config::Load(arguments.config.value_or(config::DefaultPath()));
    const store::FsckSummary summary = RunAndShow(arguments, config, &printer);
    printer.EndLine();
    if (summary.no_index) {
      std::printf("there is no index yet in %s\n", config.state_directory.c_str());
    } else {
      PrintSummary(summary);
    }
    return (summary.corrected != 0 ? kFsckCorrected : kFsckOk) |
           (summary.uncorrected != 0 ? kFsckUncorrected : kFsckOk);
  } catch (const std::exception&) {
    const Error error = base::CurrentError();
    printer.EndLine();
    const bool cancelled = error.kind() == ErrorKind::kCancelled;
    std::fprintf(stderr, "mailboxfs fsck: %s\n", cancelled ? "stopped before the end" : error.what());
    return cancelled ? kFsckCancelled : kFsckFailed;
  }
}

}  // namespace mailboxfs::cli
