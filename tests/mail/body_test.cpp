#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "dialogue.h"
#include "mail/body_command.h"

namespace mailboxfs::mail {
namespace {

using base::Error;
using base::ErrorKind;
using testing::Caught;
using testing::Dialogue;
using ::testing::HasSubstr;
using testing::RecordingBodySink;

constexpr const char* kOpened = R"(
  C: A2 EXAMINE INBOX
  S: * 3 EXISTS
  S: * OK [UIDVALIDITY 7] ok
  S: * OK [UIDNEXT 20] ok
  S: A2 OK [READ-ONLY] done
  C: A3 UID FETCH 10 (UID BODY.PEEK[])
)";

class BodyTest : public ::testing::Test, protected Interrupt {
 protected:
  void TearDown() override { d_.connector.ExpectAllPlayed(); }
  bool Cancelled() override { return cancelled_; }

  void Run(const std::string& rest, const std::string& capabilities = "IMAP4rev1", size_t chunk = 65536) {
    connection_ = d_.OpenReady(kOpened + rest, capabilities, chunk);
    connection_->wire().SetInterrupt(this);
    BodyCommand(*connection_, request_, sink_).Run();
  }
  Error Fails(const std::string& rest, const std::string& capabilities = "IMAP4rev1") {
    return Caught([&] { Run(rest, capabilities); });
  }
  void CancelAtHook() {
    d_.connector.OnHook("cancel", [this] {
      cancelled_ = true;
      d_.signals.wake.Set();
    });
  }

  Dialogue d_;
  model::BodyRequest request_{"INBOX", 7, 10, 5};
  RecordingBodySink sink_;
  std::unique_ptr<Connection> connection_;
  bool cancelled_ = false;
};

TEST_F(BodyTest, BytesArriveUnchangedHoweverTheyAreCut) {
  for (const size_t chunk : {size_t{1}, size_t{3}, size_t{65536}}) {
    Run("S: * 3 FETCH (UID 10 BODY[] {32}\nS| A3 OK done\\r\\n* 3 EXPUNGE\\r\\n\\0\\n{5}\\r\\n\nS: )\nS: A3 OK done\n",
        "IMAP4rev1", chunk);
    EXPECT_EQ(sink_.bytes, std::string("A3 OK done\r\n* 3 EXPUNGE\r\n\0\n{5}\r\n", 32)) << chunk;
    EXPECT_EQ(sink_.size, 32U);
    EXPECT_TRUE(sink_.identified);
  }
}

TEST_F(BodyTest, UidAfterTheBodyIsAcceptedButTold) {
  Run("S: * 3 FETCH (BODY[] {5}\nS| hello\nS:  UID 10 FLAGS (\\Seen))\nS: A3 OK done\n");
  EXPECT_EQ(sink_.bytes, "hello");
  EXPECT_FALSE(sink_.identified);
}

TEST_F(BodyTest, UidInAnotherResponseIsAccepted) {
  Run("S: * 3 FETCH (UID 10)\nS: * 3 FETCH (BODY[] {5}\nS| hello\nS: )\nS: A3 OK done\n");
  EXPECT_TRUE(sink_.identified);
  Run("S: * 3 FETCH (BODY[] {5}\nS| hello\nS: )\nS: * 3 FETCH (UID 10)\nS: A3 OK done\n");
  EXPECT_FALSE(sink_.identified);
  EXPECT_EQ(sink_.bytes, "hello");
}

TEST_F(BodyTest, FlagsOfOtherMessagesInBetweenDoNotMatter) {
  Run("S: * 1 FETCH (FLAGS (\\Seen))\nS: * 4 EXISTS\nS: * 3 FETCH (UID 10 BODY[] {5}\nS| hello\nS: )\n"
      "S: * 2 FETCH (UID 9 FLAGS ())\nS: A3 OK done\n");
  EXPECT_EQ(sink_.bytes, "hello");
}

TEST_F(BodyTest, AnotherMessagesBodyIsRefused) {
  EXPECT_EQ(Fails("S: * 3 FETCH (UID 11 BODY[] {5}\nS| hello\n").kind(), ErrorKind::kProtocol);
  EXPECT_TRUE(connection_->broken());
  EXPECT_EQ(sink_.begins, 0);
  d_.connector.Forget();
  EXPECT_EQ(Fails("S: * 3 FETCH (BODY[] {5}\nS| hello\nS:  UID 11)\nS: A3 OK done\n").kind(), ErrorKind::kProtocol);
  EXPECT_TRUE(connection_->broken());
  d_.connector.Forget();
}

TEST_F(BodyTest, BodyOfAnUnnamedMessageIsRefused) {
  EXPECT_EQ(Fails("S: * 3 FETCH (BODY[] {5}\nS| hello\nS: )\nS: A3 OK done\n").kind(), ErrorKind::kProtocol);
  EXPECT_TRUE(connection_->broken());
}

TEST_F(BodyTest, ExpungeMovesTheNumberOfABodyThatIsNotIdentifiedYet) {
  const std::string body = "S: * 4 FETCH (BODY[] {5}\nS| hello\nS: )\n";
  EXPECT_EQ(Fails(body + "S: * 1 EXPUNGE\nS: * 4 FETCH (UID 10)\nS: A3 OK done\n").kind(), ErrorKind::kProtocol)
      << "number 4 was another message when the body came";
  Run(body + "S: * 1 EXPUNGE\nS: * 3 FETCH (UID 10)\nS: A3 OK done\n");
  EXPECT_EQ(sink_.bytes, "hello");
  EXPECT_EQ(Fails(body + "S: * 4 EXPUNGE\n").kind(), ErrorKind::kProtocol);
}

TEST_F(BodyTest, TwoBodiesAreRefused) {
  EXPECT_EQ(
      Fails("S: * 3 FETCH (UID 10 BODY[] {5}\nS| hello\nS: )\nS: * 3 FETCH (UID 10 BODY[] {5}\nS| HELLO\n").kind(),
      ErrorKind::kProtocol);
  d_.connector.Forget();
}

TEST_F(BodyTest, ReplacedFolderIsStale) {
  const auto connection = d_.OpenReady(R"(
    C: A2 EXAMINE INBOX
    S: * 3 EXISTS
    S: * OK [UIDVALIDITY 8] ok
    S: A2 OK done
  )");
  EXPECT_EQ(Caught([&] { BodyCommand(*connection, request_, sink_).Run(); }).kind(), ErrorKind::kStale);
}

// Another connection has learned of the new one meanwhile.
TEST_F(BodyTest, FolderThatWasReplacedAfterItWasOpenedIsOpenedAnew) {
  const auto connection = d_.OpenReady(R"(
    C: A2 EXAMINE INBOX
    S: * 9 EXISTS
    S: * OK [UIDVALIDITY 6] ok
    S: A2 OK done
    C: A3 EXAMINE INBOX
    S: * 3 EXISTS
    S: * OK [UIDVALIDITY 7] ok
    S: A3 OK done
    C: A4 UID FETCH 10 (UID BODY.PEEK[])
    S: * 3 FETCH (UID 10 BODY[] {5}
    S| hello
    S: )
    S: A4 OK done
  )");
  connection->Examine("INBOX");
  BodyCommand(*connection, request_, sink_).Run();
  EXPECT_EQ(sink_.bytes, "hello");
}

TEST_F(BodyTest, OpenFolderIsNotOpenedAgain) {
  Run("S: * 3 FETCH (UID 10 BODY[] {5}\nS| hello\nS: )\nS: A3 OK done\n"
      "C: A4 UID FETCH 10 (UID BODY.PEEK[])\nS: * 3 FETCH (UID 10 BODY[] {5}\nS| hello\nS: )\nS: A4 OK done\n");
  BodyCommand(*connection_, request_, sink_).Run();
  EXPECT_EQ(sink_.begins, 2);
}

// Others' sessions may know messages that this one has not been told of (RFC 3501 section 7).
TEST_F(BodyTest, WhatTheSessionDoesNotKnowIsLookedForInANewOne) {
  const std::string hello = "S: * 3 FETCH (UID 10 BODY[] {5}\nS| hello\nS: )\n";
  const std::string examine = " EXAMINE INBOX\nS: * 4 EXISTS\nS: * OK [UIDVALIDITY 7] ok\nS: * OK [UIDNEXT 30] ok\nS: ";
  const std::string newer = "S: * 4 FETCH (UID 20 BODY[] {5}\nS| newer\nS: )\n";
  Run(hello + "S: A3 OK done\nC: A4" + examine + "A4 OK done\nC: A5 UID FETCH 20 (UID BODY.PEEK[])\n" + newer +
      "S: A5 OK done\nC: A6 UID FETCH 10 (UID BODY.PEEK[])\nS: A6 OK done\nC: A7" + examine +
      "A7 OK done\nC: A8 UID FETCH 10 (UID BODY.PEEK[])\n" + hello + "S: A8 OK done\n");
  request_.uid = 20;
  BodyCommand(*connection_, request_, sink_).Run();
  EXPECT_EQ(sink_.bytes, "newer") << "its UID is none that the session knows";
  request_.uid = 10;
  BodyCommand(*connection_, request_, sink_).Run();
  EXPECT_EQ(sink_.bytes, "hello") << "OK without data in an old session";
}

TEST_F(BodyTest, NoDataAndNotListedIsGone) {
  const std::string nothing = "S: A3 OK FETCH completed.\nC: A4 UID FETCH 10 (UID FLAGS)\nS: A4 OK done\n";
  const std::string search = "C: A5 UID SEARCH UID 10\n";
  EXPECT_EQ(Fails(nothing + search + "S: * SEARCH\nS: A5 OK done\n").kind(), ErrorKind::kGone);
  EXPECT_EQ(Fails(nothing + search + "S: * SEARCH 10\nS: A5 OK done\n").kind(), ErrorKind::kUnfetchable);
  EXPECT_EQ(Fails(nothing + search + "S: A5 OK done\n").kind(), ErrorKind::kServer) << "OK without data proves nothing";
}

TEST_F(BodyTest, NoDataButListedIsUnfetchable) {
  const std::string listed =
      "C: A4 UID FETCH 10 (UID FLAGS)\nS: * 2 FETCH (UID 9 FLAGS ())\nS: * 3 FETCH (UID 10 FLAGS ())\nS: A4 OK done\n";
  EXPECT_EQ(Fails("S: A3 OK FETCH completed.\n" + listed).kind(), ErrorKind::kUnfetchable);
  EXPECT_EQ(Fails("S: * 3 FETCH (UID 10 BODY[] NIL)\nS: A3 OK done\n" + listed).kind(), ErrorKind::kUnfetchable);
  EXPECT_EQ(sink_.begins, 0);
  EXPECT_FALSE(connection_->broken());
}

TEST_F(BodyTest, EmptyBodyOfAMessageThatIsNotIsUnfetchable) {
  EXPECT_EQ(Fails("S: * 3 FETCH (UID 10 BODY[] \"\")\nS: A3 OK done\n").kind(), ErrorKind::kUnfetchable);
  EXPECT_EQ(Fails("S: * 3 FETCH (UID 10 BODY[] {0}\nS: )\nS: A3 OK done\n").kind(), ErrorKind::kUnfetchable);
  EXPECT_EQ(sink_.begins, 0);
}

TEST_F(BodyTest, EmptyBodyOfAMessageOfUnknownSizeIsUnfetchable) {
  request_.size = std::nullopt;
  EXPECT_EQ(Fails("S: * 3 FETCH (UID 10 BODY[] {0}\nS: )\nS: A3 OK done\n").kind(), ErrorKind::kUnfetchable);
}

TEST_F(BodyTest, EmptyMessageIsEmpty) {
  request_.size = 0;
  Run("S: * 3 FETCH (UID 10 BODY[] \"\")\nS: A3 OK done\n");
  EXPECT_EQ(sink_.begins, 1);
  Run("S: * 3 FETCH (UID 10 BODY[] {0}\nS: )\nS: A3 OK done\n");
  EXPECT_EQ(sink_.begins, 2);
  EXPECT_EQ(sink_.size, 0U);
}

TEST_F(BodyTest, QuotedBodyIsABody) {
  Run("S: * 3 FETCH (UID 10 BODY[] \"hello\")\nS: A3 OK done\n");
  EXPECT_EQ(sink_.bytes, "hello");
  EXPECT_EQ(sink_.size, 5U);
}

TEST_F(BodyTest, WrongEstimateIsNoError) {
  request_.size = 19189;
  Run("S: * 3 FETCH (UID 10 BODY[] {5}\nS| hello\nS: )\nS: A3 OK done\n");
  EXPECT_EQ(sink_.size, 5U);
}

TEST_F(BodyTest, RefusalIsLookedInto) {
  EXPECT_EQ(Fails("S: A3 NO Some of the requested messages no longer exist\nC: A4 UID FETCH 10 (UID FLAGS)\n"
                  "S: A4 OK done\nC: A5 UID SEARCH UID 10\nS: * SEARCH\nS: A5 OK done\n")
                .kind(),
            ErrorKind::kGone);
  const Error error = Fails("S: A3 NO [UNAVAILABLE] UID FETCH Server error - Please try again later\n");
  EXPECT_EQ(error.kind(), ErrorKind::kServer) << "nobody knows yet whose trouble it is";
  EXPECT_THAT(error.what(), HasSubstr("Please try again later"));
  EXPECT_THAT(error.what(), HasSubstr("UID 10"));
  EXPECT_THAT(error.what(), HasSubstr("INBOX"));
  EXPECT_EQ(Fails("S: A3 NO The message could not be converted\nC: A4 UID FETCH 10 (UID FLAGS)\n"
                  "S: * 3 FETCH (UID 10 FLAGS ())\nS: A4 OK done\n")
                .kind(),
            ErrorKind::kUnfetchable)
      << "nothing in it speaks of another time";
}

TEST_F(BodyTest, ThrottlingIsTold) {
  EXPECT_EQ(Fails("S: A3 BAD Request is throttled. Suggested Backoff Time: 2000 milliseconds\n").kind(),
            ErrorKind::kThrottled);
  EXPECT_FALSE(connection_->broken());
}

TEST_F(BodyTest, ConnectionLostInTheBodyIsNetworkTrouble) {
  EXPECT_EQ(Fails("S: * 3 FETCH (UID 10 BODY[] {500}\nS| hello\n! close").kind(), ErrorKind::kNetwork);
  EXPECT_EQ(sink_.size, 500U);
}

TEST_F(BodyTest, ByeInTheMiddleOfTheBodyIsPartOfTheBody) {
  // Only its {n} says where a body ends.
  EXPECT_EQ(
      Fails("S: * 3 FETCH (UID 10 BODY[] {500}\nS: * BYE Session invalidated - AccessTokenExpired\n! close").kind(),
      ErrorKind::kNetwork);
}

TEST_F(BodyTest, StalledBodyTimesOut) {
  EXPECT_EQ(Fails("S: * 3 FETCH (UID 10 BODY[] {500}\nS| hello\n! silence\n").kind(), ErrorKind::kTimeout);
}

TEST_F(BodyTest, MoreBytesThanAnnouncedAreAProtocolError) {
  EXPECT_EQ(Fails("S: * 3 FETCH (UID 10 BODY[] {5}\nS| helloOVER\nS: )\nS: A3 OK done\n").kind(), ErrorKind::kProtocol);
  EXPECT_TRUE(connection_->broken());
  d_.connector.Forget();
}

TEST_F(BodyTest, SinksErrorEndsTheTaskWithIt) {
  class FullSink : public RecordingBodySink {
    void Write(std::string_view /*bytes*/) override { throw Error(ErrorKind::kDiskFull, "full"); }
  } full;
  connection_ = d_.OpenReady(std::string(kOpened) + "S: * 3 FETCH (UID 10 BODY[] {5}\nS| hello\n");
  EXPECT_EQ(Caught([&] { BodyCommand(*connection_, request_, full).Run(); }).kind(), ErrorKind::kDiskFull);
  EXPECT_TRUE(connection_->broken());
}

TEST_F(BodyTest, CancelledShortBodyIsReadToItsEndAndTheConnectionKept) {
  CancelAtHook();
  EXPECT_EQ(Fails("S: * 3 FETCH (UID 10 BODY[] {10}\nS| hello\n! cancel\nS| world\nS: )\nS: A3 OK done\n").kind(),
            ErrorKind::kCancelled);
  EXPECT_FALSE(connection_->broken());
  EXPECT_EQ(sink_.bytes, "hello") << "nobody gets bytes after the cancel";
}

TEST_F(BodyTest, CancelledLongBodyCostsTheConnection) {
  CancelAtHook();
  EXPECT_EQ(Fails("S: * 3 FETCH (UID 10 BODY[] {1000000}\nS| hello\n! cancel\n").kind(), ErrorKind::kCancelled);
  EXPECT_TRUE(connection_->broken());
}

TEST_F(BodyTest, CancelledBodyThatDoesNotEndSoonCostsTheConnection) {
  CancelAtHook();
  const base::MonoTime start = d_.clock.Now();
  EXPECT_EQ(Fails("S: * 3 FETCH (UID 10 BODY[] {10}\nS| hello\n! cancel\n! silence\n").kind(), ErrorKind::kCancelled);
  EXPECT_TRUE(connection_->broken());
  EXPECT_EQ(d_.clock.Now() - start, std::chrono::seconds(2));
}

TEST_F(BodyTest, BytesThatComeAreProgressThoughAnotherConnectionHasStalled) {
  d_.connector.OnHook("stall", [this] {
    d_.mailbox.OnStalled();
    d_.clock.Advance(std::chrono::seconds(5));
  });
  base::MonoTime progress;
  d_.connector.OnHook("look", [&] { progress = d_.mailbox.last_progress(); });
  Run("S: * 3 FETCH (UID 10 BODY[] {15}\nS| hello\n! stall\nS| world\n! look\nS| again\nS: )\nS: A3 OK done\n");
  EXPECT_EQ(progress, d_.clock.Now());
}

class SilenceTest : public BodyTest {
 protected:
  SilenceTest() {
    CancelAtHook();
    d_.connector.OnHook("pass", [this] { d_.clock.Advance(silence_); });
  }
  void CancelBy(const std::string& rest) {
    connection_ = d_.OpenReady(kOpened + rest);
    connection_->wire().SetInterrupt(this);
    connection_->Examine("INBOX");
    // The time between two commands is nobody's silence.
    d_.clock.Advance(std::chrono::minutes(5));
    EXPECT_EQ(Caught([this] { BodyCommand(*connection_, request_, sink_).Run(); }).kind(), ErrorKind::kCancelled);
  }
  // Would the next connection's greeting be taken for progress by all who wait?
  bool GreetingIsProgress() {
    d_.clock.Advance(std::chrono::seconds(1));
    d_.mailbox.OnReceived(100, d_.clock.Now());
    return d_.mailbox.last_progress() == d_.clock.Now();
  }

  const base::Duration stall_ = d_.options.timeouts.stall;
  base::Duration silence_ = stall_ / 2;
};

TEST_F(SilenceTest, ACommandThatNobodyWaitsForAnyMoreIsAStall) {
  CancelBy("! pass\n! cancel\n! silence\n");
  EXPECT_FALSE(GreetingIsProgress());
}

TEST_F(SilenceTest, ALongBodyThatNobodyWaitsForAnyMoreIsAStallToo) {
  CancelBy("S: * 3 FETCH (UID 10 BODY[] {1000000}\nS| hello\n! pass\n! cancel\n");
  EXPECT_FALSE(GreetingIsProgress());
}

TEST_F(SilenceTest, ACommandThatIsCancelledSoonIsNoStall) {
  silence_ -= std::chrono::milliseconds(1);
  CancelBy("! pass\n! cancel\n! silence\n");
  EXPECT_TRUE(GreetingIsProgress());
}

TEST_F(SilenceTest, WhateverComesBreaksTheSilence) {
  silence_ -= std::chrono::milliseconds(1);
  CancelBy("! pass\nS: * OK still here\n! pass\n! cancel\n! silence\n");
  EXPECT_TRUE(GreetingIsProgress());
}

TEST_F(BodyTest, WakeWithoutCancelChangesNothing) {
  d_.connector.OnHook("wake", [this] { d_.signals.wake.Set(); });
  Run("S: * 3 FETCH (UID 10 BODY[] {10}\nS| hello\n! wake\nS| world\nS: )\nS: A3 OK done\n");
  EXPECT_EQ(sink_.bytes, "helloworld");
}

TEST_F(BodyTest, StopEndsEverythingAtOnce) {
  d_.connector.OnHook("stop", [this] {
    d_.signals.stop.Set();
    d_.signals.wake.Set();
  });
  EXPECT_EQ(Fails("S: * 3 FETCH (UID 10 BODY[] {10}\nS| hello\n! stop\n").kind(), ErrorKind::kCancelled);
}

TEST_F(BodyTest, ProgressIsTold) {
  d_.connector.OnHook("later", [this] { d_.clock.Advance(std::chrono::seconds(20)); });
  Run("S: * 3 FETCH (UID 10 BODY[] {10}\nS| hello\n! later\nS| world\nS: )\n! later\n! later\nS: A3 OK done\n");
  EXPECT_EQ(d_.mailbox.last_progress(), d_.clock.Now());
}

constexpr const char* kPlaceholder =
    "From: \"Microsoft Exchange Server 2010\"\r\n"
    "Subject: Retrieval using the IMAP4 protocol failed for the following message: 12\r\n\r\n"
    "The server couldn\xE2\x80\x99t retrieve the following message:\r\n\r\nSubject: Budget\r\n";

TEST_F(BodyTest, ExchangesPlaceholderIsNotTheMail) {
  const std::string mail(kPlaceholder);
  std::string script = "S: * 3 FETCH (UID 10 BODY[] {" + std::to_string(mail.size()) + "}\n";
  for (size_t start = 0; start < mail.size();) {
    const size_t end = mail.find("\r\n", start);
    script += "S: " + mail.substr(start, end - start) + "\n";
    start = end + 2;
  }
  script += "S: )\nS: A3 OK done\n";
  EXPECT_EQ(Fails(script, "IMAP4rev1 BACKENDAUTHENTICATE").kind(), ErrorKind::kStub);
  EXPECT_EQ(sink_.begins, 0);
  Run(script);
  EXPECT_EQ(sink_.bytes, mail) << "elsewhere it is a mail like any other";
}

TEST_F(BodyTest, OtherShortMailsOnExchangeArriveWhole) {
  Run("S: * 3 FETCH (UID 10 BODY[] {5}\nS| hello\nS: )\nS: A3 OK done\n", "IMAP4rev1 BACKENDAUTHENTICATE");
  EXPECT_EQ(sink_.bytes, "hello");
  EXPECT_TRUE(sink_.identified);
}

}  // namespace
}  // namespace mailboxfs::mail
