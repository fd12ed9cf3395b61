// The queue and its connections when the server or the network fails.
#include <atomic>
#include <chrono>
#include <thread>

#include "source_fixture.h"

namespace mailboxfs::mail {
namespace {

using base::Error;
using base::ErrorKind;
using model::Priority;
using testing::Download;
using testing::FakeServer;
using ::testing::HasSubstr;
using testing::Outcome;
using testing::RecordingRefreshSink;
using testing::SourceTest;

class SourceFailureTest : public SourceTest {
 protected:
  // Answers the first `times` commands with this prefix with `answer` ("TAG" is replaced).
  void AnswerFirst(int times, const std::string& prefix, const std::string& answer) {
    auto left = std::make_shared<std::atomic<int>>(times);
    server_.SetHook([=](const FakeServer::Command& command) -> std::optional<std::string> {
      if (!command.text.starts_with(prefix) || (*left)-- <= 0) return std::nullopt;
      std::string text = answer;
      if (const size_t at = text.find("TAG"); at != std::string::npos) text.replace(at, 3, command.tag);
      return text;
    });
  }
  // Moves the clock over all pauses between attempts.
  void AdvanceUntilEnded(const Download& download) {
    const auto until = std::chrono::steady_clock::now() + testing::kPatience;
    while (download.outcome.calls() == 0 && std::chrono::steady_clock::now() < until) {
      clock_.Advance(std::chrono::milliseconds(200));
      std::this_thread::yield();
    }
  }
};

TEST_F(SourceFailureTest, LostConnectionIsRepairedOnceUnseen) {
  AnswerFirst(1, BodyCommand(1), "!close");
  const Download download = Fetch(1);
  EXPECT_EQ(download.outcome.WaitKind(), "");
  EXPECT_EQ(download.sink->bytes, BodyOf(1));
  EXPECT_EQ(server_.connections(), 2);
}

TEST_F(SourceFailureTest, BrokenDownloadIsStartedOver) {
  AnswerFirst(1, BodyCommand(1), "* 1 FETCH (UID 1 BODY[] {40}\r\nhalf\r\n");
  const Download download = Fetch(1);
  ASSERT_TRUE(server_.WaitFor(BodyCommand(1)));
  server_.CloseAll();
  EXPECT_EQ(download.outcome.WaitKind(), "");
  EXPECT_EQ(download.sink->bytes, BodyOf(1));
}

TEST_F(SourceFailureTest, MessageThatAlwaysKillsTheConnectionFailsAndHurtsNoOther) {
  AnswerFirst(99, BodyCommand(1), "!close");
  EXPECT_EQ(Fetch(1).outcome.WaitKind(), "network") << "it may be";
  EXPECT_EQ(server_.Count(BodyCommand(1)), 2U) << "no loop";
  EXPECT_EQ(Fetch(2).outcome.WaitKind(), "");
  EXPECT_EQ(Fetch(1).outcome.WaitKind(), "network") << "it still may";
  EXPECT_EQ(Fetch(2).outcome.WaitKind(), "");
  const Download poison = Fetch(1);
  EXPECT_EQ(poison.outcome.WaitKind(), "message-failed") << "it is not";
  EXPECT_EQ(server_.Count(BodyCommand(1)), 5U);
  EXPECT_THAT(poison.outcome.Wait()->what(), HasSubstr("fetching UID 1 in folder INBOX"));
}

TEST_F(SourceFailureTest, ConnectionsThatBreakForEveryMessageAreNoMessagesFault) {
  AnswerFirst(4, "UID FETCH", "!close");
  EXPECT_EQ(Fetch(1).outcome.WaitKind(), "network");
  EXPECT_EQ(Fetch(2).outcome.WaitKind(), "network");
  EXPECT_EQ(Fetch(1).outcome.WaitKind(), "");
  EXPECT_EQ(Fetch(2).outcome.WaitKind(), "");
}

TEST_F(SourceFailureTest, WhatTheServerSaysAtTheEndOfASessionIsNoMessagesFault) {
  for (const char* answer : {"* BYE Connection is closed. 13\r\n", "* BYE Session invalidated - AccessTokenExpired\r\n",
                             "TAG NO Session invalidated - AccessTokenExpired\r\n", "Server Unavailable.\r\n",
                             "TAG NO [LIMIT] too many\r\n", "TAG NO [ALERT] Too many connections\r\n"}) {
    AnswerFirst(4, BodyCommand(1), answer);
    for (int i = 0; i < 2; ++i) {
      EXPECT_NE(Fetch(1).outcome.WaitKind(), "message-failed") << answer;
      EXPECT_EQ(Fetch(2).outcome.WaitKind(), "") << answer;
    }
    server_.SetHook(nullptr);
    EXPECT_EQ(Fetch(1).outcome.WaitKind(), "") << answer;
  }
}

TEST_F(SourceFailureTest, NetworkThatBreaksHereAndThereIsNotTheMessagesFault) {
  auto octets = std::make_shared<std::atomic<int>>(0);
  server_.SetHook([octets](const FakeServer::Command& command) -> std::optional<std::string> {
    if (command.text != BodyCommand(1)) return std::nullopt;
    // What follows the octets is no IMAP: the client ends the connection there.
    const int now = ++*octets;
    return "* 1 FETCH (UID 1 BODY[] {" + std::to_string(now) + "}\r\n" + std::string(now, 'x') + "\x01\r\n";
  });
  const Download download = Fetch(1);
  EXPECT_EQ(download.outcome.WaitKind(), "protocol");
  EXPECT_EQ(server_.Count(BodyCommand(1)), 2U);
}

TEST_F(SourceFailureTest, DeadIdleConnectionsDoNotUseUpTheRetry) {
  server_.Hold("UID FETCH");
  const Download one = Fetch(1);
  const Download two = Fetch(2);
  ASSERT_TRUE(server_.WaitFor("UID FETCH", 2));
  server_.Release();
  EXPECT_EQ(one.outcome.WaitKind(), "");
  EXPECT_EQ(two.outcome.WaitKind(), "");
  // Both connections break at their next command.
  auto old = std::make_shared<std::atomic<int>>(server_.connections());
  server_.SetHook([old](const FakeServer::Command& command) -> std::optional<std::string> {
    if (command.connection <= *old && command.text.starts_with("UID FETCH")) return "!close";
    return std::nullopt;
  });
  const Download third = Fetch(3);
  EXPECT_EQ(third.outcome.WaitKind(), "") << "the second attempt must go over a fresh connection";
}

TEST_F(SourceFailureTest, GarbageIsRepairedLikeALostConnection) {
  AnswerFirst(1, BodyCommand(1), "Server Unavailable.\r\n");
  EXPECT_EQ(Fetch(1).outcome.WaitKind(), "");
  AnswerFirst(1, BodyCommand(2), "Something else.\r\n");
  EXPECT_EQ(Fetch(2).outcome.WaitKind(), "");
}

TEST_F(SourceFailureTest, ExpiredTokenIsReplacedAndTheTaskRepeated) {
  AnswerFirst(1, BodyCommand(1), "* BYE Session invalidated - AccessTokenExpired\r\n");
  EXPECT_EQ(Fetch(1).outcome.WaitKind(), "");
  EXPECT_EQ(tokens_->invalidated(), 1U);
  EXPECT_NE(server_.Commands("AUTHENTICATE")[0], server_.Commands("AUTHENTICATE")[1]);
}

TEST_F(SourceFailureTest, ByeToAnIdleConnectionIsNoError) {
  EXPECT_EQ(Fetch(1).outcome.WaitKind(), "");
  server_.Push("* BYE Connection is closed. 13\r\n");
  EXPECT_TRUE(server_.WaitUntilOpen(0));
  EXPECT_EQ(Fetch(2).outcome.WaitKind(), "");
}

TEST_F(SourceFailureTest, RefusalThatMayPassIsTheMessagesOnlyIfOthersAreServed) {
  AnswerFirst(99, BodyCommand(1), "TAG NO [UNAVAILABLE] later\r\n");
  EXPECT_EQ(Fetch(1).outcome.WaitKind(), "server");
  EXPECT_EQ(Fetch(1).outcome.WaitKind(), "server");
  EXPECT_EQ(Fetch(2).outcome.WaitKind(), "");
  EXPECT_EQ(Fetch(1).outcome.WaitKind(), "server");
  EXPECT_EQ(Fetch(2).outcome.WaitKind(), "");
  const Download download = Fetch(1);
  EXPECT_EQ(download.outcome.WaitKind(), "message-failed");
  EXPECT_EQ(server_.Count(BodyCommand(1)), 4U);
  EXPECT_EQ(server_.connections(), 1) << "the connection is good";
}

TEST_F(SourceFailureTest, RefusalsInARowAreTheServersTrouble) {
  AnswerFirst(99, BodyCommand(1), "TAG NO System Error (Failure)\r\n");
  EXPECT_EQ(Fetch(1).outcome.WaitKind(), "unfetchable");
  AnswerFirst(99, BodyCommand(2), "TAG NO System Error (Failure)\r\n");
  EXPECT_EQ(Fetch(2).outcome.WaitKind(), "server") << "nobody has been served in between";
  EXPECT_EQ(Fetch(3).outcome.WaitKind(), "");
  EXPECT_EQ(Fetch(2).outcome.WaitKind(), "unfetchable");
}

TEST_F(SourceFailureTest, CommandCalledWrongIsTriedOnceMoreElsewhere) {
  AnswerFirst(1, BodyCommand(1), "TAG BAD Command received in Invalid state.\r\n");
  EXPECT_EQ(Fetch(1).outcome.WaitKind(), "");
  EXPECT_EQ(server_.connections(), 2);
  EXPECT_EQ(server_.Count("LOGOUT"), 1U);
  AnswerFirst(99, BodyCommand(2), "TAG BAD Command Error. 10\r\n");
  EXPECT_EQ(Fetch(2).outcome.WaitKind(), "protocol");
  EXPECT_EQ(server_.Count(BodyCommand(2)), 2U);
  EXPECT_EQ(Fetch(1).outcome.WaitKind(), "");
  EXPECT_EQ(Fetch(2).outcome.WaitKind(), "protocol");
  EXPECT_EQ(Fetch(1).outcome.WaitKind(), "");
  const Download download = Fetch(2);
  EXPECT_EQ(download.outcome.WaitKind(), "message-failed") << "the message is to blame if others are served";
  EXPECT_THAT(download.outcome.Wait()->what(), HasSubstr("Command Error. 10"));
}

TEST_F(SourceFailureTest, TokenThatExpiredIsReplacedWhateverTheAnswerLooksLike) {
  AnswerFirst(1, BodyCommand(1), "TAG NO [EXPIRED] Session invalidated - AccessTokenExpired\r\n");
  EXPECT_EQ(Fetch(1).outcome.WaitKind(), "");
  EXPECT_EQ(tokens_->invalidated(), 1U);
}

TEST_F(SourceFailureTest, StalledServerTimesOut) {
  server_.Hold(BodyCommand(1));
  const Download download = Fetch(1);
  ASSERT_TRUE(server_.WaitFor(BodyCommand(1)));
  const base::MonoTime before = source_->LastProgress();
  // More than once: the wait may begin only after the first.
  EXPECT_TRUE(Eventually([&] {
    clock_.Advance(options_.timeouts.stall);
    return download.outcome.calls() > 0;
  }));
  EXPECT_EQ(download.outcome.WaitKind(), "timeout");
  EXPECT_EQ(source_->LastProgress(), before) << "no byte, no progress";
  EXPECT_EQ(server_.connections(), 1) << "not repeated: somebody has waited long enough";
}

// Or each new connection would renew the patience of all who wait for the same silent server.
TEST_F(SourceFailureTest, NewLoginsAreNoProgressAfterACommandGivenUpInSilence) {
  options_.connections = 1;
  server_.Hold("UID FETCH");
  const Download first = Fetch(1);
  ASSERT_TRUE(server_.WaitFor(BodyCommand(1)));
  const base::MonoTime before = source_->LastProgress();
  clock_.Advance(options_.timeouts.stall / 2);
  first.task->Cancel();
  const Download second = Fetch(2);
  // The first connection is waited for a little, then given up.
  EXPECT_TRUE(Eventually([&] {
    if (server_.connections() == 1) clock_.Advance(std::chrono::milliseconds(100));
    return server_.connections() == 2;
  }));
  ASSERT_TRUE(server_.WaitFor(BodyCommand(2)));
  EXPECT_EQ(source_->LastProgress(), before);
  server_.Release();
  EXPECT_EQ(second.outcome.WaitKind(), "");
  EXPECT_GT(source_->LastProgress(), before) << "an answer is progress again";
}

TEST_F(SourceFailureTest, StalledServerHoldsNothingElseUp) {
  server_.Hold(BodyCommand(1).substr(0, 10));
  std::vector<Download> downloads;
  for (uint32_t uid = 1; uid <= 64; ++uid) downloads.push_back(Fetch(uid));
  ASSERT_TRUE(server_.WaitFor("UID FETCH", 4));
  FakeServer healthy(clock_);
  healthy.AddMessage("INBOX", 1, BodyOf(1));
  const auto other = MakeImapSource(options_, {healthy, budget_, clock_, [] { return 0.0; }});
  EXPECT_EQ(FetchFrom(*other, 1).outcome.WaitKind(), "");
  for (const Download& download : downloads) download.task->Cancel();
  for (const Download& download : downloads) EXPECT_EQ(download.outcome.WaitKind(), "cancelled");
}

TEST_F(SourceFailureTest, UnreachableServerFailsAllAtOnceUntilTheBackoffEnds) {
  server_.FailConnects(Error(ErrorKind::kNetwork, "connection refused"));
  options_.timeouts.retry = std::chrono::seconds(1);
  const Download first = Fetch(1);
  const Download second = Fetch(2);
  EXPECT_EQ(first.outcome.WaitKind(), "network");
  second.outcome.WaitKind();
  const Download third = Fetch(3);
  EXPECT_EQ(third.outcome.calls(), 1) << "inline";
  EXPECT_EQ(third.outcome.WaitKind(), "network");
  const model::SourceStatus status = source_->GetStatus();
  EXPECT_EQ(status.state, "backing off");
  EXPECT_GE(status.retry_in_seconds, 1);
  EXPECT_EQ(status.last_error_kind, ErrorKind::kNetwork);
  EXPECT_THAT(status.last_error, HasSubstr("connection refused"));
  EXPECT_THAT(status.last_error, HasSubstr(options_.name));
  clock_.Advance(std::chrono::seconds(5));
  EXPECT_EQ(Fetch(4).outcome.calls(), 1) << "nobody but the background attempt waits for a server that is down";
  server_.FailConnects(std::nullopt);
  clock_.Advance(std::chrono::seconds(60));
  ASSERT_TRUE(Eventually([&] { return source_->GetStatus().connections == 1; })) << "nobody asked for it";
  EXPECT_EQ(Fetch(5).outcome.WaitKind(), "");
  EXPECT_EQ(source_->GetStatus().last_error, "");
}

TEST_F(SourceFailureTest, RefusedLoginIsRememberedForAWhile) {
  AnswerFirst(99, "AUTHENTICATE", "TAG NO AUTHENTICATE failed.\r\n");
  EXPECT_EQ(Fetch(1).outcome.WaitKind(), "login-refused");
  EXPECT_EQ(server_.Count("AUTHENTICATE"), 2U) << "once more with a new token";
  clock_.Advance(std::chrono::seconds(5));
  EXPECT_EQ(Fetch(2).outcome.WaitKind(), "login-refused");
  EXPECT_EQ(server_.Count("AUTHENTICATE"), 2U);
  clock_.Advance(std::chrono::seconds(15));
  EXPECT_EQ(Fetch(3).outcome.WaitKind(), "login-refused");
  EXPECT_EQ(server_.Count("AUTHENTICATE"), 4U);
}

TEST_F(SourceFailureTest, LoginTroubleThatPassesIsNotSeen) {
  AnswerFirst(2, "LIST \"\" \"\"", "TAG BAD User is authenticated but not connected.\r\n");
  const Download download = Fetch(1);
  AdvanceUntilEnded(download);
  EXPECT_EQ(download.outcome.WaitKind(), "");
  EXPECT_EQ(server_.connections(), 3);
}

TEST_F(SourceFailureTest, LoginTroubleThatStaysIsARefusal) {
  AnswerFirst(99, "LIST \"\" \"\"", "TAG BAD User is authenticated but not connected.\r\n");
  const Download download = Fetch(1);
  AdvanceUntilEnded(download);
  EXPECT_EQ(download.outcome.WaitKind(), "login-refused");
  EXPECT_THAT(download.outcome.Wait()->what(), HasSubstr("FullAccess"));
  EXPECT_EQ(server_.connections(), 3);
}

TEST_F(SourceFailureTest, ServerThatTakesFewConnectionsIsServedWithFew) {
  server_.SetHook([](const FakeServer::Command& command) -> std::optional<std::string> {
    if (command.connection <= 2 || !command.text.starts_with("AUTHENTICATE")) return std::nullopt;
    return command.tag + " NO [LIMIT] Too many simultaneous connections.\r\n";
  });
  server_.Hold("UID FETCH");
  std::vector<Download> downloads;
  for (uint32_t uid = 1; uid <= 20; ++uid) downloads.push_back(Fetch(uid));
  ASSERT_TRUE(server_.WaitFor("UID FETCH", 2));
  EXPECT_TRUE(server_.WaitFor("AUTHENTICATE", 3));
  server_.Release();
  for (const Download& download : downloads) EXPECT_EQ(download.outcome.WaitKind(), "");
  EXPECT_LE(server_.connections(), 4);
}

TEST_F(SourceFailureTest, ShortPauseIsWaitedOutByTheWholeMailbox) {
  AnswerFirst(1, BodyCommand(1), "TAG BAD Request is throttled. Suggested Backoff Time: 2000 milliseconds\r\n");
  const Download first = Fetch(1);
  ASSERT_TRUE(Eventually([&] { return source_->GetStatus().state == "backing off"; }));
  const Download second = Fetch(2);
  EXPECT_EQ(source_->GetStatus().queued, 2U);
  EXPECT_EQ(server_.Count("UID FETCH"), 1U);
  clock_.Advance(std::chrono::seconds(3));
  EXPECT_EQ(first.outcome.WaitKind(), "");
  EXPECT_EQ(second.outcome.WaitKind(), "");
}

TEST_F(SourceFailureTest, PauseWithDisconnectIsWaitedOutToo) {
  options_.connections = 1;
  AnswerFirst(1, BodyCommand(1), "* BYE Request is throttled. Suggested Backoff Time: 100 milliseconds\r\n");
  const Download first = Fetch(1);
  ASSERT_TRUE(server_.WaitFor(BodyCommand(1)));
  ASSERT_TRUE(Eventually([&] {
    clock_.Advance(std::chrono::milliseconds(10));
    return server_.connections() == 2;
  }));
  EXPECT_EQ(first.outcome.WaitKind(), "");
}

TEST_F(SourceFailureTest, LongPauseFailsAtOnceAndIsKept) {
  AnswerFirst(99, BodyCommand(1), "TAG NO Request is throttled. Suggested Backoff Time: 92415 milliseconds\r\n");
  EXPECT_EQ(Fetch(1).outcome.WaitKind(), "throttled");
  EXPECT_EQ(Fetch(2).outcome.WaitKind(), "throttled");
  EXPECT_EQ(server_.Count("UID FETCH"), 1U);
  EXPECT_EQ(source_->GetStatus().retry_in_seconds, 93);
  clock_.Advance(std::chrono::seconds(93));
  EXPECT_EQ(Fetch(2).outcome.WaitKind(), "");
}

TEST_F(SourceFailureTest, PauseOfTheTokenEndpointIsNotTheServers) {
  tokens_->FailWith(Error(ErrorKind::kThrottled, "HTTP 429"));
  options_.governor = std::make_shared<Governor>(
      clock_, [] { return 0.0; }, Governor::Memory(), nullptr);
  EXPECT_EQ(Fetch(1).outcome.WaitKind(), "throttled") << "nobody waits for it here";
  EXPECT_EQ(options_.governor->PauseLeft(), base::Duration::zero());
  tokens_->FailWith(std::nullopt);
  const auto other = MakeSource("test/other@example.org");
  EXPECT_EQ(FetchFrom(*other, 1).outcome.WaitKind(), "");
  clock_.Advance(std::chrono::seconds(1));
  EXPECT_EQ(Fetch(1).outcome.WaitKind(), "");
}

TEST_F(SourceFailureTest, ThrottledForEverFailsInTheEnd) {
  AnswerFirst(99, BodyCommand(1), "TAG BAD Request is throttled. Suggested Backoff Time: 200 milliseconds\r\n");
  const Download download = Fetch(1);
  EXPECT_TRUE(Eventually([&] {
    clock_.Advance(std::chrono::milliseconds(50));
    return download.outcome.calls() == 1;
  }));
  EXPECT_EQ(download.outcome.WaitKind(), "throttled");
}

TEST_F(SourceFailureTest, NothingIsListedWhenTheServerCannotBeReached) {
  server_.FailConnects(Error(ErrorKind::kTls, "certificate has expired"));
  Start();
  Outcome outcome;
  source_->ListFolders({}, Priority::kWaiting, [done = outcome.Callback()](auto result) {
    done(result.ok() ? base::Status() : base::Status(result.error()));
  });
  EXPECT_EQ(outcome.WaitKind(), "tls");
}

TEST_F(SourceFailureTest, HeaderThatKillsTheConnectionDoesNotHideTheFolder) {
  server_.SetHook([](const FakeServer::Command& command) -> std::optional<std::string> {
    const bool all =
        command.text.starts_with("UID FETCH 1:10 ") || command.text.starts_with("UID FETCH 4 (UID FLAGS INT");
    return all ? std::optional<std::string>("!close") : std::nullopt;
  });
  Start();
  const auto sink = std::make_shared<RecordingRefreshSink>();
  Outcome outcome;
  source_->Refresh({"Other", {}, false}, sink, Priority::kRefresh, outcome.Callback());
  EXPECT_EQ(outcome.WaitKind(), "");
  ASSERT_EQ(sink->added.size(), 10U);
  for (const model::MessageInfo& message : sink->added) EXPECT_EQ(message.complete, message.uid != 4) << message.uid;
}

TEST_F(SourceFailureTest, NoPlaceInTotalIsToldAfterAWhile) {
  ConnectionBudget one(1);
  const auto place = one.Acquire(clock_, base::Deadline::Never(), [] { return false; });
  options_.timeouts.connect = std::chrono::milliseconds(10);
  options_.timeouts.login = std::chrono::milliseconds(10);
  const auto source = MakeImapSource(options_, {server_, one, base::Clock::System(), [] { return 0.0; }});
  const Download download = FetchFrom(*source, 1);
  EXPECT_EQ(download.outcome.WaitKind(), "timeout");
  EXPECT_THAT(download.outcome.Wait()->what(), HasSubstr("connections"));
}

}  // namespace
}  // namespace mailboxfs::mail
