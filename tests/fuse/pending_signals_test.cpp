#include "pending_signals.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <thread>

#include "mailboxfs/base/log.h"

namespace mailboxfs::fuse {
namespace {

std::string Status(uint64_t thread, uint64_t shared, uint64_t blocked) {
  return base::Format(
      "Name:\tcat\nSigQ:\t0/1\nSigPnd:\t{:016x}\nShdPnd:\t{:016x}\nSigBlk:\t{:016x}\nSigIgn:\t{:016x}\n", thread,
      shared, blocked, uint64_t{0});
}

uint64_t Bit(int signal) { return uint64_t{1} << (signal - 1); }

TEST(PendingSignals, SignalsThatEndAProgramCount) {
  for (const int signal : {SIGHUP, SIGINT, SIGQUIT, SIGKILL, SIGTERM}) {
    EXPECT_TRUE(StatusEndsCaller(Status(Bit(signal), 0, 0))) << signal;
    EXPECT_TRUE(StatusEndsCaller(Status(0, Bit(signal), 0))) << signal;
  }
}

TEST(PendingSignals, OthersDoNot) {
  for (const int signal : {SIGALRM, SIGCHLD, SIGUSR1, SIGWINCH, SIGURG, SIGPROF, SIGTSTP}) {
    EXPECT_FALSE(StatusEndsCaller(Status(Bit(signal), Bit(signal), 0))) << signal;
  }
  EXPECT_FALSE(StatusEndsCaller(Status(0, 0, 0)));
}

TEST(PendingSignals, BlockedOnesAreForSomebodyElse) {
  EXPECT_FALSE(StatusEndsCaller(Status(Bit(SIGALRM), Bit(SIGTERM), Bit(SIGTERM))));
}

TEST(PendingSignals, UnreadableStatusHasNone) {
  EXPECT_FALSE(StatusEndsCaller(""));
  EXPECT_FALSE(StatusEndsCaller("SigPnd"));
}

TEST(PendingSignals, ALiveThreadWithoutSignalsGoesOn) { EXPECT_FALSE(EndsCaller(::gettid())); }

TEST(PendingSignals, AThreadIsSeenByItsOwnNumber) {
  bool ends = true;
  std::thread([&ends] { ends = EndsCaller(::gettid()); }).join();
  EXPECT_FALSE(ends);
}

TEST(PendingSignals, AProcessThatHasGoneOrCannotBeSeenEnds) {
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) ::_exit(0);
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  EXPECT_TRUE(EndsCaller(child));
  EXPECT_TRUE(EndsCaller(0));
}

}  // namespace
}  // namespace mailboxfs::fuse
