#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "dialogue.h"
#include "mail/refresh_command.h"

namespace mailboxfs::mail {
namespace {

using base::Error;
using base::ErrorKind;
using testing::Caught;
using testing::Dialogue;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::RecordingRefreshSink;

constexpr const char* kItems =
    "(UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[HEADER.FIELDS (DATE FROM SUBJECT MESSAGE-ID)])";

std::string Open(int exists, int uid_next, const std::string& tag = "A2", int validity = 7) {
  return "C: " + tag + " EXAMINE INBOX\nS: * " + std::to_string(exists) + " EXISTS\nS: * OK [UIDVALIDITY " +
         std::to_string(validity) + "] ok\nS: * OK [UIDNEXT " + std::to_string(uid_next) + "] ok\nS: " + tag +
         " OK [READ-ONLY] done\n";
}

std::string Headers(const std::string& tag, const std::string& set) {
  return "C: " + tag + " UID FETCH " + set + " " + kItems + "\n";
}

// All messages of the folder, without flags.
std::string ListingOf(const std::vector<int>& uids, const std::string& tag) {
  std::string script = "C: " + tag + " UID FETCH 1:* (UID FLAGS)\n";
  for (size_t i = 0; i < uids.size(); ++i) {
    script += "S: * " + std::to_string(i + 1) + " FETCH (UID " + std::to_string(uids[i]) + " FLAGS ())\n";
  }
  return script + "S: " + tag + " OK done\n";
}

std::string Message(int sequence, int uid) {
  return "S: * " + std::to_string(sequence) + " FETCH (UID " + std::to_string(uid) +
         " FLAGS (\\Seen) INTERNALDATE \"01-Jan-2022 00:00:00 +0000\" RFC822.SIZE 100 "
         "BODY[HEADER.FIELDS (DATE FROM SUBJECT MESSAGE-ID)] {15}\nS: Subject: Hi\n"
         "S:\nS: )\n";
}

class RefreshTest : public ::testing::Test {
 protected:
  RefreshTest() {
    request_.folder_id = "INBOX";
    request_.last = {7, 11, 3};
    sink_.known = {5, 6, 10};
  }
  void TearDown() override { d_.connector.ExpectAllPlayed(); }

  void Run(const std::string& script) {
    connection_ = d_.OpenReady(script);
    RunAgain();
  }
  void RunAgain() { RefreshCommand(*connection_, request_, sink_, memory_, between_).Run(); }
  Error Fails(const std::string& script) {
    return Caught([&] { Run(script); });
  }

  Dialogue d_;
  model::RefreshRequest request_;
  RecordingRefreshSink sink_;
  RefreshMemory memory_;
  std::function<void()> between_;
  std::unique_ptr<Connection> connection_;
};

TEST_F(RefreshTest, UnchangedFolderCostsOneCommand) {
  Run(Open(3, 11));
  EXPECT_EQ(sink_.begins, 1);
  EXPECT_EQ(sink_.state.exists, 3U);
  EXPECT_THAT(sink_.vanished, IsEmpty());
}

TEST_F(RefreshTest, WithoutUidNextNothingIsTakenForUnchanged) {
  request_.last = {7, 0, 3};
  Run("C: A2 EXAMINE INBOX\nS: * 3 EXISTS\nS: * OK [UIDVALIDITY 7] ok\nS: A2 OK done\n" + Headers("A3", "11:*") +
      Message(3, 10) + "S: A3 OK done\nC: A4 UID SEARCH UID 11:*\nS: * SEARCH 10\nS: A4 OK done\n");
  EXPECT_THAT(sink_.added, IsEmpty());
}

TEST_F(RefreshTest, OnlyNewMailIsAskedFor) {
  Run(Open(5, 13) + Headers("A3", "11:*") + Message(4, 11) + Message(5, 12) + "S: A3 OK done\n");
  EXPECT_THAT(sink_.AddedUids(), ElementsAre(11U, 12U));
  EXPECT_EQ(sink_.added[0].header, "Subject: Hi\r\n\r\n");
  EXPECT_EQ(sink_.added[0].internal_date, 1640995200);
  EXPECT_EQ(sink_.added[0].size_estimate, 100U);
  EXPECT_EQ(sink_.added[0].flags, "\\Seen");
}

// Each of a message's folders has it under another UID.
TEST_F(RefreshTest, GmailIsAskedForItsOwnNumberOfAMessage) {
  const std::string items =
      "(UID FLAGS INTERNALDATE RFC822.SIZE X-GM-MSGID BODY.PEEK[HEADER.FIELDS (DATE FROM SUBJECT MESSAGE-ID)])";
  const auto tail = [](const std::string& asked) {
    return Open(4, 12) + "C: A3 UID FETCH 11:* " + asked +
           "\nS: * 4 FETCH (X-GM-MSGID 1278455344230334865 UID 11 INTERNALDATE \"01-Jan-2022 00:00:00 +0000\" "
           "RFC822.SIZE 100 BODY[HEADER] \"\")\nS: A3 OK done\n";
  };
  connection_ = d_.OpenReady(tail(items), "IMAP4rev1 X-GM-EXT-1");
  RunAgain();
  ASSERT_THAT(sink_.AddedUids(), ElementsAre(11U));
  EXPECT_EQ(sink_.added[0].shared_id, 1278455344230334865U);
  // In a listing of all, too.
  sink_ = {};
  request_.full = true;
  connection_ = d_.OpenReady(
      Open(1, 11) + ListingOf({5}, "A3") + "C: A4 UID FETCH 5 " + items + "\n" + Message(1, 5) + "S: A4 OK done\n",
      "IMAP4rev1 X-GM-EXT-1");
  RunAgain();
  ASSERT_THAT(sink_.AddedUids(), ElementsAre(5U));
  EXPECT_EQ(sink_.added[0].shared_id, 0U) << "not told";
  // And nowhere else, nor where somebody has said that it is of no use.
  sink_ = {};
  sink_.known = {5, 6, 10};
  request_.full = false;
  d_.options.profile.disabled = {"X-GM-EXT-1"};
  connection_ = d_.OpenReady(tail(kItems), "IMAP4rev1 X-GM-EXT-1");
  RunAgain();
  EXPECT_THAT(sink_.AddedUids(), ElementsAre(11U));
}

TEST_F(RefreshTest, LastMessageNamedThoughOlderIsNotNew) {
  Run(Open(3, 12) + Headers("A3", "11:*") + Message(3, 10) +
      "S: A3 OK done\nC: A4 UID SEARCH UID 11:*\nS: * SEARCH\nS: A4 OK done\n");
  EXPECT_THAT(sink_.added, IsEmpty());
  EXPECT_THAT(sink_.vanished, IsEmpty());
}

// The count is right: one has gone, one is not told of.
TEST_F(RefreshTest, ARightCountIsNoProofIfNewMessagesMayBeMissing) {
  const std::string all = ListingOf({5, 10, 11, 12}, "A5") + Headers("A6", "12") + Message(4, 12) + "S: A6 OK done\n";
  for (const char* search : {"S: * SEARCH 11 12\nS: A4 OK done\n", "S: A4 OK done\n", "S: A4 NO not now\n"}) {
    sink_ = {};
    sink_.known = {5, 6, 10};
    Run(Open(4, 13) + Headers("A3", "11:*") + Message(3, 11) + "S: A3 OK done\nC: A4 UID SEARCH UID 11:*\n" + search +
        all);
    EXPECT_THAT(sink_.AddedUids(), ElementsAre(11U, 12U));
    EXPECT_THAT(sink_.vanished, ElementsAre(6U));
  }
}

TEST_F(RefreshTest, WhatABrokenRefreshLeftIsComparedInFull) {
  sink_.known = {5, 6, 10, 12};
  Run(Open(4, 13) + ListingOf({6, 10, 11, 12}, "A3") + Headers("A4", "11") + Message(3, 11) + "S: A4 OK done\n");
  EXPECT_THAT(sink_.vanished, ElementsAre(5U));
  EXPECT_THAT(sink_.AddedUids(), ElementsAre(11U));
}

TEST_F(RefreshTest, AMessageThatCameMeanwhileDoesNotHideAGap) {
  sink_.known = {5, 6, 10};
  Run(Open(4, 13) + Headers("A3", "11:*") + Message(3, 11) + "S: * 5 EXISTS\n" + Message(5, 13) +
      "S: A3 OK done\nC: A4 UID SEARCH UID 11:*\nS: * SEARCH 11 12 13\nS: A4 OK done\n" +
      ListingOf({5, 10, 11, 12, 13}, "A5") + Headers("A6", "12") + Message(4, 12) + "S: A6 OK done\n");
  EXPECT_THAT(sink_.AddedUids(), ElementsAre(11U, 13U, 12U));
  EXPECT_THAT(sink_.vanished, ElementsAre(6U));
}

TEST_F(RefreshTest, AnAbsurdSizeIsAnEstimateThatCanBeShown) {
  std::string message = Message(4, 11);
  message.replace(message.find("100"), 3, "18446744073709551615");
  Run(Open(4, 12) + Headers("A3", "11:*") + message + "S: A3 OK done\n");
  EXPECT_EQ(sink_.added[0].size_estimate, uint64_t{1} << 48U);
}

TEST_F(RefreshTest, AGapInTheNewUidsIsAskedFor) {
  Run(Open(4, 15) + Headers("A3", "11:*") + Message(4, 13) +
      "S: A3 OK done\nC: A4 UID SEARCH UID 11:*\nS: * SEARCH 13\nS: A4 OK done\n");
  EXPECT_THAT(sink_.AddedUids(), ElementsAre(13U));
}

TEST_F(RefreshTest, NewMailAndAnExpungeLeadToTheFullComparison) {
  Run(Open(3, 12) + Headers("A3", "11:*") + Message(3, 11) + "S: A3 OK done\n" + R"(
    C: A4 UID FETCH 1:* (UID FLAGS)
    S: * 1 FETCH (UID 5 FLAGS (\Seen))
    S: * 2 FETCH (UID 10 FLAGS (\Answered \Seen))
    S: * 3 FETCH (UID 11 FLAGS ())
    S: A4 OK done
  )");
  EXPECT_THAT(sink_.AddedUids(), ElementsAre(11U));
  EXPECT_THAT(sink_.vanished, ElementsAre(6U));
  ASSERT_EQ(sink_.flags.size(), 3U);
  EXPECT_EQ(sink_.flags[1].flags, "\\Answered \\Seen");
}

TEST_F(RefreshTest, FullReadsAllFlagsThoughNothingSeemsChanged) {
  request_.full = true;
  Run(Open(3, 11) + R"(
    C: A3 UID FETCH 1:* (UID FLAGS)
    S: * 1 FETCH (FLAGS (\Seen \Recent) UID 5)
    S: * 2 FETCH (UID 6 FLAGS (\FLAGGED $Forwarded))
    S: * 3 FETCH (UID 10 FLAGS ())
    S: A3 OK done
  )");
  ASSERT_EQ(sink_.flags.size(), 3U);
  EXPECT_EQ(sink_.flags[0].flags, "\\Seen");
  EXPECT_EQ(sink_.flags[1].flags, "$Forwarded \\Flagged");
  EXPECT_EQ(sink_.flags[2].flags, "");
}

TEST_F(RefreshTest, ShortAnswerDeletesNothing) {
  request_.full = true;
  EXPECT_EQ(Fails(Open(3, 11) + R"(
    C: A3 UID FETCH 1:* (UID FLAGS)
    S: * 1 FETCH (UID 5 FLAGS ())
    S: * 3 FETCH (UID 10 FLAGS ())
    S: A3 OK done
  )")
                .kind(),
            ErrorKind::kProtocol);
  EXPECT_THAT(sink_.vanished, IsEmpty());
}

TEST_F(RefreshTest, EmptyAnswerIsNotAnEmptyFolder) {
  request_.full = true;
  EXPECT_EQ(Fails(Open(3, 11) + "C: A3 UID FETCH 1:* (UID FLAGS)\nS: A3 OK done\n").kind(), ErrorKind::kProtocol);
  EXPECT_THAT(sink_.vanished, IsEmpty());
}

TEST_F(RefreshTest, RefusedListingDeletesNothing) {
  request_.full = true;
  for (const char* answer : {"S: A3 NO not now", "S: A3 BAD Command Error. 10",
                             "S: * 1 FETCH (UID 5 FLAGS ())\nS: A3 NO Some messages could not be listed"}) {
    EXPECT_EQ(Fails(Open(3, 11) + "C: A3 UID FETCH 1:* (UID FLAGS)\n" + answer).kind(), ErrorKind::kServer);
  }
  EXPECT_EQ(Fails(Open(3, 11) + "C: A3 UID FETCH 1:* (UID FLAGS)\nS: * 1 FETCH (UID 5 FLAGS ())\n! close").kind(),
            ErrorKind::kNetwork);
  EXPECT_THAT(sink_.vanished, IsEmpty());
}

TEST_F(RefreshTest, FolderWithoutMessagesIsEmpty) {
  Run(Open(0, 11));
  EXPECT_THAT(sink_.vanished, ElementsAre(5U, 6U, 10U));
}

TEST_F(RefreshTest, ExpungeDuringTheListingIsCounted) {
  request_.full = true;
  // UID 6 goes while it is being listed; its number passes to UID 10.
  Run(Open(3, 11) + R"(
    C: A3 UID FETCH 1:* (UID FLAGS)
    S: * 1 FETCH (UID 5 FLAGS ())
    S: * 2 EXPUNGE
    S: * 2 FETCH (UID 10 FLAGS ())
    S: A3 OK done
  )");
  EXPECT_THAT(sink_.vanished, ElementsAre(6U));
}

TEST_F(RefreshTest, ExpungeOfAListedMessageDoesNotHideAMissingOne) {
  request_.full = true;
  // UID 6 is never named; that UID 5 went after it was named does not make up for it.
  EXPECT_EQ(Fails(Open(3, 11) + R"(
    C: A3 UID FETCH 1:* (UID FLAGS)
    S: * 1 FETCH (UID 5 FLAGS ())
    S: * 3 FETCH (UID 10 FLAGS ())
    S: * 1 EXPUNGE
    S: A3 OK done
  )")
                .kind(),
            ErrorKind::kProtocol);
  EXPECT_THAT(sink_.vanished, IsEmpty());
}

TEST_F(RefreshTest, ArrivalDuringTheListingIsNoShortAnswer) {
  request_.full = true;
  Run(Open(3, 11) + R"(
    C: A3 UID FETCH 1:* (UID FLAGS)
    S: * 1 FETCH (UID 5 FLAGS ())
    S: * 2 FETCH (UID 6 FLAGS ())
    S: * 3 FETCH (UID 10 FLAGS ())
    S: * 4 EXISTS
    S: A3 OK done
  )");
  EXPECT_THAT(sink_.vanished, IsEmpty());
}

TEST_F(RefreshTest, ArrivalDoesNotHideAMissingMessage) {
  request_.full = true;
  EXPECT_EQ(Fails(Open(3, 11) + R"(
    C: A3 UID FETCH 1:* (UID FLAGS)
    S: * 4 EXISTS
    S: * 1 FETCH (UID 5 FLAGS ())
    S: * 3 FETCH (UID 10 FLAGS ())
    S: * 4 FETCH (UID 11 FLAGS ())
    S: A3 OK done
  )")
                .kind(),
            ErrorKind::kProtocol);
  EXPECT_THAT(sink_.vanished, IsEmpty());
}

TEST_F(RefreshTest, TwoMessagesWithOneUidAreNotBelieved) {
  request_.full = true;
  EXPECT_EQ(Fails(Open(2, 11) + ListingOf({5, 5}, "A3")).kind(), ErrorKind::kProtocol);
  EXPECT_THAT(sink_.vanished, IsEmpty());
}

TEST_F(RefreshTest, AbsurdCountsAreRefused) {
  EXPECT_EQ(Fails("C: A2 EXAMINE INBOX\nS: * 4000000000 EXISTS\nS: * OK [UIDVALIDITY 7] ok\nS: A2 OK done\n").kind(),
            ErrorKind::kProtocol);
}

TEST_F(RefreshTest, FirstListingFetchesHeadersInBatches) {
  request_.last = {};
  sink_.known = {};
  d_.options.profile.header_batch = 2;
  Run(Open(3, 11) + ListingOf({5, 6, 10}, "A3") + Headers("A4", "5:6") + Message(2, 6) + Message(1, 5) +
      "S: A4 OK done\n" + Headers("A5", "10") + Message(3, 10) + "S: A5 OK done\n");
  EXPECT_THAT(sink_.AddedUids(), ElementsAre(5U, 6U, 10U)) << "ascending, whatever the server's order";
  EXPECT_THAT(sink_.progress, ElementsAre(std::pair<uint64_t, uint64_t>(2, 3), std::pair<uint64_t, uint64_t>(3, 3)));
}

TEST_F(RefreshTest, NewUidValidityAsksForEverything) {
  sink_.known = {};  // The sink knows nothing under the new one.
  Run(Open(1, 11, "A2", 8) + ListingOf({5}, "A3") + Headers("A4", "5") + Message(1, 5) + "S: A4 OK done\n");
  EXPECT_THAT(sink_.AddedUids(), ElementsAre(5U));
}

constexpr const char* kDates = "(UID FLAGS INTERNALDATE RFC822.SIZE)";

class NewMessagesTest : public RefreshTest {
 protected:
  NewMessagesTest() {
    request_.last = {};
    sink_.known = {};
  }
  // A first listing of UIDs 5, 6 and 10.
  std::string Listing() {
    return Open(3, 11) + R"(
      C: A3 UID FETCH 1:* (UID FLAGS)
      S: * 1 FETCH (UID 5 FLAGS (\Seen))
      S: * 2 FETCH (UID 6 FLAGS (\Flagged))
      S: * 3 FETCH (UID 10 FLAGS (\Seen))
      S: A3 OK done
    )";
  }
  // The folder opened and listed once more, to see which of the silent messages are there.
  static std::string SecondLook(int first_tag, bool with_6 = true) {
    return Open(with_6 ? 3 : 2, 11, "A" + std::to_string(first_tag)) +
           ListingOf(with_6 ? std::vector<int>{5, 6, 10} : std::vector<int>{5, 10},
                     "A" + std::to_string(first_tag + 1));
  }
  static std::string NoDates(const std::string& tag, const std::string& set) {
    return "C: " + tag + " UID FETCH " + set + " " + kDates + "\nS: " + tag + " OK done\n";
  }
};

TEST_F(NewMessagesTest, AnswersInPiecesAndBetweenOthersArePutTogether) {
  Run(Listing() + Headers("A4", "5:6,10") + R"(
    S: * 1 FETCH (UID 5 FLAGS (\Seen))
    S: * 7 EXISTS
    S: * 2 FETCH (RFC822.SIZE 45274)
    S: * 1 FETCH (RFC822.SIZE 4 INTERNALDATE "01-Jan-2022 00:00:00 +0000")
    S: * 2 FETCH (UID 6 INTERNALDATE "02-Jan-2022 00:00:00 +0000")
    S: * 9 FETCH (FLAGS (\Seen))
  )" + Message(3, 10) +
      "S: A4 OK done\n");
  ASSERT_THAT(sink_.AddedUids(), ElementsAre(5U, 6U, 10U));
  EXPECT_EQ(sink_.added[0].size_estimate, 4U);
  EXPECT_EQ(sink_.added[1].size_estimate, 45274U);
  EXPECT_EQ(sink_.added[1].internal_date, 1641081600);
  EXPECT_EQ(sink_.added[1].flags, "\\Flagged") << "from the listing";
}

TEST_F(NewMessagesTest, MessageThatWasLeftOutIsAskedForAlone) {
  Run(Listing() + Headers("A4", "5:6,10") + Message(1, 5) + Message(3, 10) + "S: A4 OK done\n" + Headers("A5", "6") +
      Message(2, 6) + "S: A5 OK done\n");
  EXPECT_THAT(sink_.AddedUids(), ElementsAre(5U, 6U, 10U));
}

TEST_F(NewMessagesTest, MessageWithoutAnyAnswerIsListedAllTheSame) {
  Run(Listing() + Headers("A4", "5:6,10") + Message(1, 5) + Message(3, 10) + "S: A4 OK done\n" + Headers("A5", "6") +
      "S: A5 OK done\n" + SecondLook(6) + NoDates("A8", "6"));
  ASSERT_THAT(sink_.AddedUids(), ElementsAre(5U, 10U, 6U));
  EXPECT_EQ(sink_.added[2].header, "");
  EXPECT_EQ(sink_.added[2].internal_date, 0);
  EXPECT_EQ(sink_.added[2].flags, "\\Flagged");
  EXPECT_FALSE(sink_.added[2].complete);
  EXPECT_TRUE(sink_.added[1].complete);
}

TEST_F(NewMessagesTest, DateOfAMessageWithoutHeaderIsAskedForAlone) {
  Run(Listing() + Headers("A4", "5:6,10") + Message(1, 5) + Message(3, 10) + "S: A4 OK done\n" + Headers("A5", "6") +
      "S: A5 NO cannot convert\n" + SecondLook(6) + "C: A8 UID FETCH 6 " + kDates + R"(
      S: * 2 FETCH (UID 6 FLAGS () INTERNALDATE "01-Jan-2022 00:00:00 +0000" RFC822.SIZE 77)
      S: A8 OK done
  )");
  ASSERT_THAT(sink_.AddedUids(), ElementsAre(5U, 10U, 6U));
  EXPECT_EQ(sink_.added[2].internal_date, 1640995200);
  EXPECT_EQ(sink_.added[2].size_estimate, 77U);
  EXPECT_FALSE(sink_.added[2].complete) << "asked for again";
}

TEST_F(NewMessagesTest, IncompleteMessagesAreAskedForAgain) {
  request_.full = true;
  sink_.known = {5, 6, 10};
  sink_.incomplete = {6};
  Run(Listing() + Headers("A4", "6") + Message(2, 6) + "S: A4 OK done\n");
  ASSERT_THAT(sink_.AddedUids(), ElementsAre(6U));
  EXPECT_TRUE(sink_.added[0].complete);
}

TEST_F(NewMessagesTest, MessageThatIsGoneByThenIsNotListed) {
  Run(Listing() + Headers("A4", "5:6,10") + Message(1, 5) + Message(3, 10) + "S: A4 OK done\n" + Headers("A5", "6") +
      "S: A5 OK done\n" + SecondLook(6, false));
  EXPECT_THAT(sink_.AddedUids(), ElementsAre(5U, 10U));
}

TEST_F(NewMessagesTest, ServerThatTellsNothingAboutAnyMessageHasNotEmptiedTheFolder) {
  // Exchange answers OK without data at times.
  const Error error =
      Fails(Listing() + Headers("A4", "5:6,10") + "S: A4 OK done\n" + Headers("A5", "5") + "S: A5 OK done\n" +
            Headers("A6", "6") + "S: A6 OK done\n" + Headers("A7", "10") + "S: A7 OK done\n" + SecondLook(8));
  EXPECT_EQ(error.kind(), ErrorKind::kServer);
  EXPECT_THAT(sink_.added, IsEmpty());
}

TEST_F(NewMessagesTest, RefusalThatMayPassIsNoPropertyOfTheMessages) {
  const std::string refusal = " NO [UNAVAILABLE] Temporary problem, try again later\n";
  const Error error = Fails(Listing() + Headers("A4", "5:6,10") + "S: A4" + refusal + Headers("A5", "5") + "S: A5" +
                            refusal + Headers("A6", "6,10") + "S: A6" + refusal + Headers("A7", "6") + "S: A7" +
                            refusal + Headers("A8", "10") + "S: A8" + refusal + SecondLook(9));
  EXPECT_EQ(error.kind(), ErrorKind::kServer);
  EXPECT_THAT(sink_.added, IsEmpty());
}

TEST_F(NewMessagesTest, RefusedBatchIsHalvedUntilTheBadMessageIsAlone) {
  Run(Listing() + Headers("A4", "5:6,10") + "S: A4 BAD Command Argument Error. 11\n" + Headers("A5", "5") +
      Message(1, 5) + "S: A5 OK done\n" + Headers("A6", "6,10") + "S: A6 NO cannot convert\n" + Headers("A7", "6") +
      "S: A7 NO cannot convert\n" + Headers("A8", "10") + Message(3, 10) + "S: A8 OK done\n" + SecondLook(9) +
      NoDates("A11", "6"));
  ASSERT_THAT(sink_.AddedUids(), ElementsAre(5U, 10U, 6U));
  EXPECT_EQ(sink_.added[2].size_estimate, 0U);
}

TEST_F(NewMessagesTest, PartOfARefusedBatchThatCameIsKept) {
  Run(Listing() + Headers("A4", "5:6,10") + Message(1, 5) + Message(3, 10) +
      "S: A4 NO Some of the requested messages no longer exist\n" + Headers("A5", "6") + "S: A5 NO gone\n" +
      SecondLook(6, false));
  EXPECT_THAT(sink_.AddedUids(), ElementsAre(5U, 10U));
}

TEST_F(NewMessagesTest, ThrottledBatchIsNotHalved) {
  EXPECT_EQ(Fails(Listing() + Headers("A4", "5:6,10") +
                  "S: A4 NO Request is throttled. Suggested Backoff Time: 1500 milliseconds\n")
                .kind(),
            ErrorKind::kThrottled);
  EXPECT_EQ(d_.mailbox.TakePause(), std::chrono::milliseconds(1500));
}

TEST_F(NewMessagesTest, MessageThatEndsTheConnectionIsFoundAndListedWithoutHeader) {
  Fails(Listing() + Headers("A4", "5:6,10") + "! close");
  EXPECT_TRUE(sink_.added.empty());
  // Second attempt: one by one.
  Fails(Listing() + Headers("A4", "5") + Message(1, 5) + "S: A4 OK done\n" + Headers("A5", "6") + "! close");
  EXPECT_TRUE(memory_.MadeProgress());
  // Third: without it.
  sink_.known = {5};
  Run(Listing() + Headers("A4", "10") + Message(3, 10) + "S: A4 OK done\n" + SecondLook(5));
  EXPECT_THAT(sink_.AddedUids(), ElementsAre(5U, 10U, 6U));
}

TEST_F(NewMessagesTest, ServerThatHangsUpAtEveryHeaderIsNotTriedForEachMessage) {
  Fails(Listing() + Headers("A4", "5:6,10") + "! close");
  int attempts = 0;
  for (const char* uid : {"5", "6", "10"}) {
    Fails(Listing() + Headers("A4", uid) + "! close");
    ++attempts;
    EXPECT_EQ(memory_.MadeProgress(), attempts <= 3);
  }
  EXPECT_EQ(Fails(Listing() + SecondLook(4)).kind(), ErrorKind::kServer);
  EXPECT_THAT(sink_.added, IsEmpty());
}

TEST_F(NewMessagesTest, OneLostConnectionBlamesNobody) {
  Fails(Listing() + Headers("A4", "5:6,10") + "! close");
  EXPECT_FALSE(memory_.MadeProgress());
  Run(Listing() + Headers("A4", "5") + Message(1, 5) + "S: A4 OK done\n" + Headers("A5", "6") + Message(2, 6) +
      "S: A5 OK done\n" + Headers("A6", "10") + Message(3, 10) + "S: A6 OK done\n");
  EXPECT_THAT(sink_.AddedUids(), ElementsAre(5U, 6U, 10U));
  EXPECT_TRUE(memory_.poison.empty());
}

TEST_F(NewMessagesTest, LongUidSetsAreCut) {
  d_.options.profile.max_command_octets = 400;  // 240 of them for the UIDs: 30 with seven digits and a comma.
  std::string script = Open(40, 5000000) + "C: A3 UID FETCH 1:* (UID FLAGS)\n";
  std::string sets[2];
  std::string answers[2];
  for (int i = 1; i <= 40; ++i) {
    const int uid = 1000000 + 2 * i;
    const size_t half = i <= 30 ? 0 : 1;
    script += "S: * " + std::to_string(i) + " FETCH (UID " + std::to_string(uid) + " FLAGS ())\n";
    sets[half] += (sets[half].empty() ? "" : ",") + std::to_string(uid);
    answers[half] += Message(i, uid);
  }
  Run(script + "S: A3 OK done\n" + Headers("A4", sets[0]) + answers[0] + "S: A4 OK done\n" + Headers("A5", sets[1]) +
      answers[1] + "S: A5 OK done\n");
  EXPECT_EQ(sink_.added.size(), 40U);
}

TEST_F(NewMessagesTest, MoreUrgentWorkMayComeBetweenBatches) {
  d_.options.profile.header_batch = 2;
  between_ = [this] { connection_->Examine("Other"); };
  Run(Listing() + Headers("A4", "5:6") + Message(1, 5) + Message(2, 6) + "S: A4 OK done\n" +
      "C: A5 EXAMINE Other\nS: * 1 EXISTS\nS: * OK [UIDVALIDITY 99] ok\nS: A5 OK done\n" + Open(3, 11, "A6") +
      Headers("A7", "10") + Message(3, 10) + "S: A7 OK done\n");
  EXPECT_THAT(sink_.AddedUids(), ElementsAre(5U, 6U, 10U));
}

TEST_F(NewMessagesTest, FolderReplacedInBetweenEndsTheListing) {
  d_.options.profile.header_batch = 2;
  between_ = [this] { connection_->Examine("Other"); };
  EXPECT_EQ(
      Fails(Listing() + Headers("A4", "5:6") + Message(1, 5) + Message(2, 6) + "S: A4 OK done\n" +
            "C: A5 EXAMINE Other\nS: * 1 EXISTS\nS: * OK [UIDVALIDITY 99] ok\nS: A5 OK done\n" + Open(3, 11, "A6", 8))
          .kind(),
      ErrorKind::kServer);
}

TEST_F(RefreshTest, BrokenTailIsNotTriedAgain) {
  Fails(Open(5, 13) + Headers("A3", "11:*") + "! close");
  Run(Open(3, 13) + ListingOf({5, 6, 10}, "A3"));
  EXPECT_THAT(sink_.vanished, IsEmpty());
}

}  // namespace
}  // namespace mailboxfs::mail
