// IDLE, NOOP, LOGOUT, COMPRESS.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "dialogue.h"

namespace mailboxfs::mail {
namespace {

using base::Error;
using base::ErrorKind;
using testing::Caught;
using testing::Dialogue;

constexpr const char* kQuietOpened = R"(
  C: A2 EXAMINE INBOX
  S: * 3 EXISTS
  S: * OK [UIDVALIDITY 7] ok
  S: A2 OK [READ-ONLY] done
)";

class QuietTest : public ::testing::Test {
 protected:
  void TearDown() override { d_.connector.ExpectAllPlayed(); }
  void Prepare(const std::string& rest) {
    connection_ = d_.OpenReady(kQuietOpened + rest, "IMAP4rev1 IDLE");
    connection_->Examine("INBOX");
    d_.connector.OnHook("wake", [this] { d_.signals.wake.Set(); });
  }
  bool Idle() {
    return connection_->Idle(base::Deadline::After(d_.clock, std::chrono::minutes(9)), [this] { ++changes_; });
  }

  Dialogue d_;
  std::unique_ptr<Connection> connection_;
  int changes_ = 0;
};

TEST_F(QuietTest, IdleEndsWithDoneWhenWoken) {
  Prepare("C: A3 IDLE\nS: + idling\nS: * 4 EXISTS\nS: * 0 RECENT\n! wake\nC: DONE\nS: A3 OK done\n");
  EXPECT_TRUE(Idle());
  EXPECT_EQ(changes_, 1);
}

TEST_F(QuietTest, ExistsBeforeTheContinuationIsAChange) {
  Prepare("C: A3 IDLE\nS: * 1521 EXISTS\nS: + IDLE accepted, awaiting DONE command.\n! wake\nC: DONE\nS: A3 OK done\n");
  EXPECT_TRUE(Idle());
  EXPECT_EQ(changes_, 1);
}

TEST_F(QuietTest, TheKnownCountIsNoNewsHoweverOftenItIsTold) {
  Prepare("C: A3 IDLE\nS: * 3 EXISTS\nS: + IDLE accepted, awaiting DONE command.\n! wake\nC: DONE\nS: A3 OK done\n" +
          std::string("C: A4 NOOP\nS: * 3 EXISTS\nS: A4 OK done\n"));
  EXPECT_TRUE(Idle());
  connection_->Noop([this] { ++changes_; });
  EXPECT_EQ(changes_, 0);
}

TEST_F(QuietTest, WhatAnotherCommandLearnedIsToldLater) {
  Prepare("C: A3 UID FETCH 1 (UID FLAGS)\nS: * 4 EXISTS\nS: * 1 FETCH (UID 1 FLAGS ())\nS: A3 OK done\n" +
          std::string("C: A4 IDLE\nS: * 4 EXISTS\nS: +\n! wake\nC: DONE\nS: A4 OK done\n"));
  Request request;
  request.name = "UID FETCH";
  request.command = imap::CommandBuilder(connection_->NextTag(), "UID FETCH").Raw("1 (UID FLAGS)").Finish();
  connection_->Run(request);
  EXPECT_TRUE(Idle());
  EXPECT_EQ(changes_, 1);
}

TEST_F(QuietTest, ExpungeAndFlagsAreChangesButTheSameCountIsNot) {
  Prepare(
      "C: A3 IDLE\nS: +\nS: * 3 EXISTS\nS: * 2 EXPUNGE\nS: * 1 FETCH (FLAGS (\\Seen))\nS: * OK Still here\n! wake\n"
      "C: DONE\nS: A3 OK done\n");
  EXPECT_TRUE(Idle());
  EXPECT_EQ(changes_, 2);
}

TEST_F(QuietTest, NewsAfterDoneAreNotLost) {
  Prepare("C: A3 IDLE\nS: +\n! wake\nC: DONE\nS: * 4 EXISTS\nS: A3 OK done\n");
  EXPECT_TRUE(Idle());
  EXPECT_EQ(changes_, 1);
}

TEST_F(QuietTest, IdleEndsAtItsDeadline) {
  Prepare("C: A3 IDLE\nS: +\n! silence\nC: DONE\nS: A3 OK done\n");
  const base::MonoTime start = d_.clock.Now();
  EXPECT_TRUE(Idle());
  EXPECT_EQ(d_.clock.Now() - start, std::chrono::minutes(9));
}

TEST_F(QuietTest, RefusedIdleIsToldNotThrown) {
  Prepare("C: A3 IDLE\nS: A3 BAD Command Error. 12\n");
  EXPECT_FALSE(Idle());
}

TEST_F(QuietTest, ByeDuringIdleEndsTheConnection) {
  Prepare("C: A3 IDLE\nS: +\nS: * BYE Connection is closed. 13\n! close");
  EXPECT_EQ(Caught([this] { Idle(); }).kind(), ErrorKind::kNetwork);
  EXPECT_TRUE(connection_->broken());
}

TEST_F(QuietTest, AcceptingTwiceIsAProtocolError) {
  Prepare("C: A3 IDLE\nS: +\nS: + again\n");
  EXPECT_EQ(Caught([this] { Idle(); }).kind(), ErrorKind::kProtocol);
}

TEST_F(QuietTest, StopDuringIdleStillSaysGoodbye) {
  Prepare("C: A3 IDLE\nS: +\n! stop\nC: DONE\nS: A3 OK done\nC: A4 LOGOUT\nS: * BYE bye\nS: A4 OK done\n");
  d_.connector.OnHook("stop", [this] {
    d_.signals.stop.Set();
    d_.signals.wake.Set();
  });
  EXPECT_TRUE(Idle());
  connection_->Logout();
}

TEST_F(QuietTest, WaitingWithoutIdleTakesNoteOfNews) {
  Prepare("S: * 2 EXPUNGE\n! wake\n");
  connection_->WaitIdle(base::Deadline::After(d_.clock, std::chrono::minutes(9)), [this] { ++changes_; });
  EXPECT_EQ(changes_, 1);
}

TEST_F(QuietTest, AnswerToNothingIsAProtocolError) {
  Prepare("S: A2 OK once more\n");
  EXPECT_EQ(
      Caught([this] { connection_->WaitIdle(base::Deadline::After(d_.clock, std::chrono::minutes(9)), [] {}); }).kind(),
      ErrorKind::kProtocol);
}

TEST_F(QuietTest, NoopBringsNews) {
  Prepare("C: A3 NOOP\nS: * 5 EXISTS\nS: A3 OK done\n");
  connection_->Noop([this] { ++changes_; });
  EXPECT_EQ(changes_, 1);
}

TEST_F(QuietTest, LogoutWaitsForTheAnswerButNotForLong) {
  Prepare("C: A3 LOGOUT\n! silence\n");
  const base::MonoTime start = d_.clock.Now();
  connection_->Logout();
  EXPECT_EQ(d_.clock.Now() - start, std::chrono::seconds(2));
}

TEST_F(QuietTest, WhatNobodyWaitsForIsNoStallOfTheMailbox) {
  Prepare("C: A3 LOGOUT\n! silence\n");
  connection_->Logout();
  Prepare("C: A3 NOOP\n! silence\n");
  EXPECT_EQ(Caught([&] { connection_->Noop([] {}); }).kind(), ErrorKind::kTimeout);
  d_.clock.Advance(std::chrono::minutes(1));
  d_.mailbox.OnReceived(1, d_.clock.Now());
  EXPECT_EQ(d_.mailbox.last_progress(), d_.clock.Now());
}

TEST_F(QuietTest, LogoutTakesByeAsTheGoodbyeItIs) {
  Prepare("C: A3 LOGOUT\nS: * BYE Microsoft Exchange Server IMAP4 server signing off.\nS: A3 OK LOGOUT completed.\n");
  connection_->Logout();
  EXPECT_FALSE(connection_->broken());
}

TEST_F(QuietTest, LogoutOfALostConnectionDoesNotThrow) {
  Prepare("C: A3 LOGOUT\n! close");
  connection_->Logout();
}

}  // namespace
}  // namespace mailboxfs::mail
