#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "dialogue.h"
#include "mail/folder_list.h"
#include "mailboxfs/base/log.h"

namespace mailboxfs::mail {
namespace {

using base::Error;
using base::ErrorKind;
using testing::Caught;
using testing::Dialogue;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

imap::ListData Listed(const std::string& name, std::vector<std::string> attributes = {},
                      std::optional<char> delimiter = '/') {
  return {std::move(attributes), delimiter, name};
}

std::vector<std::string> PathOf(const model::FolderInfo& folder) {
  std::vector<std::string> words;
  for (const auto& component : folder.path) words.push_back(component.text);
  return words;
}

TEST(FolderListTest, DecodesNamesAndFindsParents) {
  const auto folders = BuildFolderList(
      {Listed("INBOX"), Listed("&AMk-l&AOk-ments", {"\\HasChildren", "\\Sent"}), Listed("&AMk-l&AOk-ments/2022")});
  ASSERT_EQ(folders.size(), 3U);
  EXPECT_EQ(folders[1].id, "&AMk-l&AOk-ments");
  EXPECT_THAT(PathOf(folders[1]), ElementsAre("Éléments"));
  EXPECT_THAT(folders[1].attributes, ElementsAre("haschildren", "sent"));
  EXPECT_EQ(folders[2].parent_id, "&AMk-l&AOk-ments");
  EXPECT_THAT(PathOf(folders[2]), ElementsAre("Éléments", "2022"));
}

TEST(FolderListTest, UnselectableFoldersAreMarked) {
  const auto folders = BuildFolderList(
      {Listed("[Gmail]", {"\\Noselect"}), Listed("gone", {"\\NonExistent"}), Listed("x", {"\\noSELECT"}), Listed("y")});
  EXPECT_FALSE(folders[0].selectable);
  EXPECT_FALSE(folders[1].selectable);
  EXPECT_FALSE(folders[2].selectable);
  EXPECT_TRUE(folders[3].selectable);
}

TEST(FolderListTest, UnlistedParentsAreAddedBeforeTheirChildren) {
  const auto folders = BuildFolderList({Listed("a.b.c", {}, '.'), Listed("a.b.d", {}, '.')});
  ASSERT_EQ(folders.size(), 4U);
  EXPECT_EQ(folders[0].id, "a");
  EXPECT_FALSE(folders[0].selectable);
  EXPECT_EQ(folders[1].id, "a.b");
  EXPECT_EQ(folders[1].parent_id, "a");
  EXPECT_EQ(folders[2].id, "a.b.c");
  EXPECT_EQ(folders[3].id, "a.b.d");
}

TEST(FolderListTest, ParentListedAfterItsChildIsNotAddedTwice) {
  const auto folders = BuildFolderList({Listed("a/b"), Listed("a")});
  ASSERT_EQ(folders.size(), 2U);
  EXPECT_TRUE(folders[1].selectable);
}

TEST(FolderListTest, ChildOfInboxFindsItHoweverItIsSpelled) {
  const auto folders = BuildFolderList({Listed("Inbox"), Listed("INBOX/sub")});
  ASSERT_EQ(folders.size(), 2U);
  EXPECT_EQ(folders[1].parent_id, "Inbox");
}

TEST(FolderListTest, FlatNamespaceHasNoParents) {
  const auto folders = BuildFolderList({Listed("a/b", {}, std::nullopt)});
  ASSERT_EQ(folders.size(), 1U);
  EXPECT_THAT(PathOf(folders[0]), ElementsAre("a/b"));
}

TEST(FolderListTest, TrailingDelimiterIsNoLevel) {
  const auto folders = BuildFolderList({Listed("Mail/", {"\\Noselect"}), Listed("Mail/x")});
  ASSERT_EQ(folders.size(), 2U);
  EXPECT_EQ(folders[0].id, "Mail/") << "the server's own name is kept";
  EXPECT_THAT(PathOf(folders[0]), ElementsAre("Mail"));
  EXPECT_EQ(folders[1].parent_id, "Mail/") << "ids must lead to the parent";
}

TEST(FolderListTest, DoubledDelimitersDoNotMakeTwoFoldersOne) {
  const auto folders = BuildFolderList({Listed("a"), Listed("a/b"), Listed("a//b"), Listed("/a")});
  ASSERT_EQ(folders.size(), 4U);
  EXPECT_THAT(PathOf(folders[1]), ElementsAre("a", "b"));
  EXPECT_THAT(PathOf(folders[2]), ElementsAre("a", "/b"));
  EXPECT_THAT(PathOf(folders[3]), ElementsAre("/a"));
}

TEST(FolderListTest, UndecodableNamesStayRaw) {
  const auto folders = BuildFolderList({Listed("&&&")});
  ASSERT_EQ(folders.size(), 1U);
  EXPECT_TRUE(folders[0].path[0].raw);
}

TEST(FolderListTest, AbsurdDepthIsTakenAsFlat) {
  std::string name;
  for (int i = 0; i < 100'000; ++i) name += "a/";
  const auto folders = BuildFolderList({Listed(name + "b")});
  ASSERT_EQ(folders.size(), 1U);
  EXPECT_EQ(folders[0].path.size(), 1U);
}

TEST(FolderListTest, DoublesAndEmptyNamesAreLeftOut) {
  EXPECT_EQ(BuildFolderList({Listed("a"), Listed("a"), Listed("")}).size(), 1U);
}

class ListFoldersTest : public ::testing::Test {
 protected:
  void TearDown() override { d_.connector.ExpectAllPlayed(); }
  Error Fails(const std::string& answer) {
    const auto connection = d_.OpenReady("C: A2 LIST \"\" \"*\"\n" + answer);
    return Caught([&] { connection->ListFolders({}); });
  }
  Dialogue d_;
};

TEST_F(ListFoldersTest, ExchangeAnswer) {
  const auto connection = d_.OpenReady(R"(
    C: A2 LIST "" "*"
    S: * LIST (\HasNoChildren) "/" Calendar
    S: * LIST (\Marked \HasNoChildren) "/" INBOX
    S: * 12 EXISTS
    S: * LIST (\HasNoChildren) "/" {12}
    S: with "quotes
    S: * LIST (\HasNoChildren \Sent) "/" "Sent Items"
    S: A2 OK LIST completed.
  )");
  const auto folders = connection->ListFolders({});
  ASSERT_EQ(folders.size(), 4U);
  EXPECT_EQ(folders[2].id, "with \"quotes");
  EXPECT_EQ(folders[3].id, "Sent Items");
}

TEST_F(ListFoldersTest, EveryFailureIsAnErrorAndNeverAnEmptyList) {
  EXPECT_EQ(Fails("S: A2 NO [SERVERBUG] sorry").kind(), ErrorKind::kServer);
  EXPECT_EQ(Fails("S: A2 BAD Command Argument Error. 12").kind(), ErrorKind::kServer);
  EXPECT_EQ(Fails("S: * BYE Connection closed. 14\n! close").kind(), ErrorKind::kNetwork);
  EXPECT_EQ(Fails("S: * LIST (\\HasNoChildren) \"/\" INBOX\n! close").kind(), ErrorKind::kNetwork);
  EXPECT_EQ(Fails("! silence").kind(), ErrorKind::kTimeout);
  EXPECT_EQ(Fails("S: <html>").kind(), ErrorKind::kProtocol);
  EXPECT_EQ(Fails("S: A9 OK").kind(), ErrorKind::kProtocol);
  EXPECT_EQ(Fails("S: + go on").kind(), ErrorKind::kProtocol);
  EXPECT_EQ(Fails("S: A2 BAD Request is throttled. Suggested Backoff Time: 2000 milliseconds").kind(),
            ErrorKind::kThrottled);
}

TEST_F(ListFoldersTest, NoFolderAtAllIsNotBelieved) {
  const Error error = Fails("S: A2 OK LIST completed.");
  EXPECT_EQ(error.kind(), ErrorKind::kProtocol);
  EXPECT_THAT(error.what(), HasSubstr("INBOX"));
}

TEST_F(ListFoldersTest, AListThatMayLackFoldersIsNotBelieved) {
  EXPECT_EQ(
      Fails("S: * NO [UNAVAILABLE] Some folders cannot be listed now\nS: * LIST () \"/\" INBOX\nS: A2 OK done").kind(),
      ErrorKind::kServer);
  const std::string without = "S: * LIST () \"/\" Sent\nS: A2 OK done\nC: A3 LIST \"\" INBOX\n";
  EXPECT_EQ(Fails(without + "S: * LIST () \"/\" INBOX\nS: A3 OK done").kind(), ErrorKind::kServer);
  const auto connection = d_.OpenReady("C: A2 LIST \"\" \"*\"\n" + without + "S: A3 OK done\n");
  EXPECT_EQ(connection->ListFolders({}).size(), 1U) << "some have no INBOX";
}

TEST_F(ListFoldersTest, AKnownFolderIsGoneOnlyIfTheServerSaysSo) {
  const std::string list = "C: A2 LIST \"\" \"*\"\nS: * LIST () \"/\" INBOX\nS: A2 OK done\nC: A3 EXAMINE Old\n";
  const auto count = [&](const std::string& answer) {
    return d_.OpenReady(list + answer)->ListFolders({"INBOX", "Old"}).size();
  };
  EXPECT_EQ(count("S: A3 NO [NONEXISTENT] sorry\n"), 1U);
  EXPECT_EQ(count("S: A3 NO Old doesn't exist.\n"), 1U);
  EXPECT_EQ(count("S: * 3 EXISTS\nS: * OK [UIDVALIDITY 7] ok\nS: A3 OK done\n"), 2U);
  EXPECT_EQ(count("S: A3 NO Internal error, see the log.\n"), 2U);
  EXPECT_EQ(count("S: A3 NO [NOPERM] Permission denied\n"), 2U);
  EXPECT_EQ(count("S: A3 BAD Command Error. 12\n"), 2U) << "Exchange's word for any trouble";
  const auto connection = d_.OpenReady(list + "S: A3 NO [UNAVAILABLE] try again later\n");
  EXPECT_EQ(Caught([&] { connection->ListFolders({"INBOX", "Old"}); }).kind(), ErrorKind::kServer);
}

TEST_F(ListFoldersTest, EachOfManyLostFoldersIsLookedFor) {
  std::string dialogue = "C: A2 LIST \"\" \"*\"\nS: * LIST () \"/\" INBOX\nS: A2 OK done\n";
  std::vector<std::string> known;
  for (int i = 0; i < 40; ++i) {
    known.push_back(base::Format("Old{}", i));
    dialogue +=
        base::Format("C: A{0} EXAMINE Old{1}\nS: A{0} {2}\n", i + 3, i, i < 39 ? "NO no such folder" : "OK done");
  }
  const std::vector<model::FolderInfo> folders = d_.OpenReady(dialogue)->ListFolders(known);
  ASSERT_EQ(folders.size(), 2U);
  EXPECT_EQ(folders[1].id, "Old39");
}

// The name of a child makes its parent a directory; it does not make it one without messages.
TEST_F(ListFoldersTest, AnOmittedParentIsLookedForThoughItsChildIsListed) {
  const std::string list =
      "C: A2 LIST \"\" \"*\"\nS: * LIST () \"/\" INBOX\nS: * LIST () \"/\" Old/2021\nS: A2 OK done\n";
  const std::vector<model::FolderInfo> folders =
      d_.OpenReady(list + "C: A3 EXAMINE Old\nS: A3 OK done\n")->ListFolders({"Old", "Old/2021"});
  ASSERT_EQ(folders.size(), 3U);
  for (const model::FolderInfo& folder : folders) EXPECT_TRUE(folder.selectable) << folder.id;
  EXPECT_EQ(folders[2].id, "Old");
  EXPECT_TRUE(folders[2].unlisted);
  const std::string without = "C: A2 LIST \"\" \"*\"\nS: * LIST () \"/\" INBOX/Sub\nS: A2 OK done\n";
  const auto connection = d_.OpenReady(without + "C: A3 LIST \"\" INBOX\nS: * LIST () \"/\" INBOX\nS: A3 OK done\n");
  EXPECT_EQ(Caught([&] { connection->ListFolders({}); }).kind(), ErrorKind::kServer);
}

TEST_F(ListFoldersTest, ANoselectFolderKeepsItsMessagesUnlessTheServerSaysThatItIsGone) {
  const std::string list =
      "C: A2 LIST \"\" \"*\"\nS: * LIST () \"/\" INBOX\nS: * LIST (\\Noselect) \"/\" Old\nS: A2 OK done\nC: A3 EXAMINE "
      "Old\n";
  const auto selectable = [&](const std::string& answer) {
    return d_.OpenReady(list + answer)->ListFolders({"Old"})[1].selectable;
  };
  EXPECT_TRUE(selectable("S: A3 OK done\n"));
  EXPECT_TRUE(selectable("S: A3 NO Mailbox backend is offline\n"));
  EXPECT_TRUE(selectable("S: A3 NO [NOPERM] it does not exist, or you have no permission\n"));
  EXPECT_FALSE(selectable("S: A3 NO [NONEXISTENT] it holds no mail\n"));
}

TEST_F(ListFoldersTest, InboxInAnotherCaseIsTheSameFolder) {
  const auto connection =
      d_.OpenReady("C: A2 LIST \"\" \"*\"\nS: * LIST () \"/\" Inbox\nS: * LIST () \"/\" Inbox/Sub\nS: A2 OK done\n");
  const std::vector<model::FolderInfo> folders = connection->ListFolders({"INBOX"});
  ASSERT_EQ(folders.size(), 2U);
  EXPECT_EQ(folders[0].id, "INBOX");
  EXPECT_EQ(folders[1].parent_id, "INBOX");
}

TEST_F(ListFoldersTest, WhatIsBelowInboxInAnotherCaseIsTheSameIfTheServerKnowsItByBothNames) {
  const std::string list =
      "C: A2 LIST \"\" \"*\"\nS: * LIST () \"/\" Inbox\nS: * LIST () \"/\" Inbox/Sub\n"
      "S: * LIST () \"/\" Inbox/Sub/Deep\nS: A2 OK done\nC: A3 EXAMINE INBOX/Sub\n";
  const auto ids = [&](const std::string& answer) {
    std::string text;
    for (const model::FolderInfo& folder : d_.OpenReady(list + answer)->ListFolders({"INBOX", "INBOX/Sub"})) {
      text += folder.id + " in " + folder.parent_id + "; ";
    }
    return text;
  };
  EXPECT_EQ(ids("S: A3 OK done\n"), "INBOX in ; INBOX/Sub in INBOX; Inbox/Sub/Deep in INBOX/Sub; ");
  EXPECT_EQ(ids("S: A3 NO [NONEXISTENT] no\n"), "INBOX in ; Inbox/Sub in INBOX; Inbox/Sub/Deep in Inbox/Sub; ");
}

TEST_F(ListFoldersTest, FoldersThatDifferInTheCaseOfInboxAreTwoIfTheServerListsBoth) {
  const auto connection = d_.OpenReady(
      "C: A2 LIST \"\" \"*\"\nS: * LIST () \"/\" INBOX\nS: * LIST () \"/\" INBOX/a\nS: * LIST () \"/\" Inbox/a\n"
      "S: A2 OK done\n");
  const std::vector<model::FolderInfo> folders = connection->ListFolders({"INBOX/a"});
  ASSERT_EQ(folders.size(), 3U);
  EXPECT_EQ(folders[1].id, "INBOX/a");
  EXPECT_EQ(folders[2].id, "Inbox/a");
}

TEST_F(ListFoldersTest, OthersMayGoFirstBetweenTheFoldersThatAreLookedFor) {
  const auto connection = d_.OpenReady(
      "C: A2 LIST \"\" \"*\"\nS: * LIST () \"/\" INBOX\nS: A2 OK done\nC: A3 EXAMINE a\nS: A3 OK done\n"
      "C: A4 EXAMINE b\nS: A4 OK done\n");
  int times = 0;
  connection->ListFolders({"a", "b"}, [&] { ++times; });
  EXPECT_EQ(times, 2);
}

TEST_F(ListFoldersTest, AServerThatOnlySaysThatItLivesIsGivenUp) {
  d_.connector.OnHook("minute", [this] { d_.clock.Advance(std::chrono::minutes(1)); });
  std::string still;
  for (int i = 0; i < 60; ++i) still += "! minute\nS: * OK Still here\n";
  EXPECT_EQ(Fails(still).kind(), ErrorKind::kTimeout);
  d_.connector.Forget();
}

TEST_F(ListFoldersTest, LosingTheMailboxLaterBreaksTheConnection) {
  const auto connection = d_.OpenReady(R"(
    C: A2 LIST "" "*"
    S: A2 BAD User is authenticated but not connected.
  )");
  EXPECT_EQ(Caught([&] { connection->ListFolders({}); }).kind(), ErrorKind::kNetwork);
  EXPECT_TRUE(connection->broken());
}

TEST_F(ListFoldersTest, AServerRefusalLeavesTheConnectionUsable) {
  const auto connection = d_.OpenReady(R"(
    C: A2 LIST "" "*"
    S: A2 NO later
    C: A3 LIST "" "*"
    S: * LIST () "/" INBOX
    S: A3 OK done
  )");
  EXPECT_EQ(Caught([&] { connection->ListFolders({}); }).kind(), ErrorKind::kServer);
  EXPECT_FALSE(connection->broken());
  EXPECT_EQ(connection->ListFolders({}).size(), 1U);
}

TEST_F(ListFoldersTest, ExpiredTokenIsInvalidated) {
  d_.AddScript(R"(
    S: * OK [CAPABILITY IMAP4rev1 AUTH=XOAUTH2 SASL-IR] ready
    C: A1 AUTHENTICATE XOAUTH2 {X1}
    S: A1 OK [CAPABILITY IMAP4rev1] in
    C: A2 LIST "" ""
    S: A2 OK done
    C: A3 LIST "" "*"
    S: * BYE Session invalidated - AccessTokenExpired
  )");
  const auto connection = d_.Open();
  EXPECT_EQ(Caught([&] { connection->ListFolders({}); }).kind(), ErrorKind::kNetwork);
  EXPECT_EQ(d_.tokens->invalidated(), 1U);
}

class ExamineTest : public ListFoldersTest {};

TEST_F(ExamineTest, ReadsTheStateAndKeepsTheFolder) {
  const auto connection = d_.OpenReady(R"(
    C: A2 EXAMINE "Sent Items"
    S: * 36453 EXISTS
    S: * 0 RECENT
    S: * FLAGS (\Seen \Answered \Flagged \Deleted \Draft $MDNSent)
    S: * OK [PERMANENTFLAGS ()] Permanent flags
    S: * OK [UNSEEN 1] Is the first unseen message
    S: * OK [UIDVALIDITY 14] UIDVALIDITY value
    S: * OK [UIDNEXT 155147] The next unique identifier value
    S: A2 OK [READ-ONLY] EXAMINE completed.
  )");
  connection->Examine("Sent Items");
  const model::FolderState state = connection->EnsureExamined("Sent Items").state;
  EXPECT_EQ(state.uid_validity, 14U);
  EXPECT_EQ(state.uid_next, 155147U);
  EXPECT_EQ(state.exists, 36453U);
}

TEST_F(ExamineTest, FailureLeavesNoFolderOpen) {
  const auto connection = d_.OpenReady(R"(
    C: A2 EXAMINE a
    S: * 1 EXISTS
    S: * OK [UIDVALIDITY 1] ok
    S: A2 OK done
    C: A3 EXAMINE b
    S: A3 NO [NONEXISTENT] The specified mailbox does not exist
    C: A4 EXAMINE a
    S: * 2 EXISTS
    S: * OK [UIDVALIDITY 1] ok
    S: A4 OK done
  )");
  connection->EnsureExamined("a");
  EXPECT_EQ(Caught([&] { connection->EnsureExamined("b"); }).kind(), ErrorKind::kServer);
  EXPECT_EQ(connection->EnsureExamined("a").state.exists, 2U);
}

TEST_F(ExamineTest, MissingUidValidityIsUnsupported) {
  const auto connection =
      d_.OpenReady("C: A2 EXAMINE a\nS: * 1 EXISTS\nS: * NO [UIDNOTSTICKY] so sorry\nS: A2 OK done");
  EXPECT_EQ(Caught([&] { connection->Examine("a"); }).kind(), ErrorKind::kUnsupported);
}

TEST_F(ExamineTest, MissingExistsIsAProtocolError) {
  const auto connection = d_.OpenReady("C: A2 EXAMINE a\nS: * OK [UIDVALIDITY 1] ok\nS: A2 OK done");
  EXPECT_EQ(Caught([&] { connection->Examine("a"); }).kind(), ErrorKind::kProtocol);
}

TEST_F(ExamineTest, NameThatNeedsALiteralWaitsForTheContinuation) {
  const auto connection = d_.OpenReady(
      "C: A2 EXAMINE {3}\nS: + go\nC: \xC3\xA4x\nS: * 1 EXISTS\n"
      "S: * OK [UIDVALIDITY 1] ok\nS: A2 OK done");
  EXPECT_EQ(connection->Examine("\xC3\xA4x").state.exists, 1U);
}

}  // namespace
}  // namespace mailboxfs::mail
