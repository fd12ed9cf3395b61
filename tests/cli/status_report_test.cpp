#include "status_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mailboxfs::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

tree::TreeStatus SampleTree() {
  tree::TreeStatus tree;
  tree.messages = 7;
  tree.cache.bytes = 3 << 20;
  tree.cache.limit = 10ULL << 30;
  tree::MailboxStatus mailbox;
  mailbox.name = "sales";
  mailbox.key = "contoso/sales@example.org";
  mailbox.source.state = "backing off";
  mailbox.source.last_error = "cannot connect";
  mailbox.source.last_error_kind = base::ErrorKind::kNetwork;
  mailbox.source.retry_in_seconds = 4;
  tree::FolderStatus folder;
  folder.path = "sales/INBOX";
  folder.refreshing = true;
  folder.progress_done = 1200;
  folder.progress_total = 100'000;
  mailbox.folders.push_back(folder);
  tree.mailboxes.push_back(mailbox);
  return tree;
}

json::Value SampleStatus() {
  json::Value status = json::Value::MakeObject();
  AddTreeStatus(SampleTree(), &status);
  AddSessionStatus({}, &status);
  json::Value tokens = json::Value::MakeObject();
  tokens.Set("contoso", TokenReport({true, 120, 1, ""}));
  status.Set("tokens", std::move(tokens));
  return status;
}

TEST(StatusReport, ShowsProgressErrorAndNextTry) {
  const std::string text = FormatStatus(SampleStatus());
  EXPECT_THAT(text, HasSubstr("sales/INBOX: 0 messages, listing 1200 of 100000, not listed completely yet"));
  EXPECT_THAT(text, HasSubstr("error: cannot connect (next try in 4 s)"));
  EXPECT_THAT(text, HasSubstr("cache: 3.0 MiB of 10.0 GiB"));
  EXPECT_THAT(text, HasSubstr("token of contoso: valid for 120 s"));
}

TEST(StatusReport, NamesWhatIsNotShownAndWhatCannotBeFetched) {
  tree::TreeStatus tree = SampleTree();
  tree.mailboxes[0].hidden = {"Calendar", "Calendar/Birthdays"};
  tree.mailboxes[0].failed_count = 25;
  tree::FailedMessageStatus failed;
  failed.path = "sales/INBOX/a.eml";
  failed.uid = 42;
  failed.kind = "stub";
  failed.tries = 3;
  tree.mailboxes[0].failed.assign(25, failed);
  json::Value status = json::Value::MakeObject();
  AddTreeStatus(tree, &status);
  const std::string text = FormatStatus(status);
  EXPECT_THAT(text, HasSubstr("folders that are not shown: Calendar, Calendar/Birthdays\n"));
  EXPECT_THAT(text, HasSubstr("25 messages cannot be fetched; reading gives EIO:\n"));
  EXPECT_THAT(text, HasSubstr("sales/INBOX/a.eml (UID 42): stub, tried 3 times\n"));
  EXPECT_THAT(text, HasSubstr("and 5 more: see --json\n"));
}

TEST(StatusReport, TellsWhatHoldsForAnAccount) {
  json::Value account = json::Value::MakeObject();
  account.Set("paused_for_seconds", 93);
  account.Set("pause_reason", "Request is throttled");
  account.Set("unreachable", "connection refused");
  account.Set("received_today", uint64_t{1} << 30U);
  account.Set("daily_volume", uint64_t{2} << 30U);
  account.Set("sizes_seen", 10);
  account.Set("sizes_wrong", 4);
  json::Value accounts = json::Value::MakeObject();
  accounts.Set("contoso", std::move(account));
  accounts.Set("quiet", json::Value::MakeObject());
  json::Value status = SampleStatus();
  status.Set("accounts", std::move(accounts));
  const std::string text = FormatStatus(status);
  EXPECT_THAT(text, HasSubstr("account contoso: pausing for 93 s, as the server asked: Request is throttled\n"));
  EXPECT_THAT(text, HasSubstr("account contoso: the server cannot be reached"));
  EXPECT_THAT(text, HasSubstr("account contoso: 1.0 GiB of 2.0 GiB received today (UTC)\n"));
  EXPECT_THAT(text, HasSubstr("account contoso: the server only estimates sizes, 4 of 10 were wrong\n"));
  EXPECT_THAT(text, Not(HasSubstr("account quiet")));
}

TEST(StatusReport, SurvivesTheWayThroughJson) {
  const json::Value status = SampleStatus();
  EXPECT_EQ(FormatStatus(json::Parse(json::Dump(status))), FormatStatus(status));
}

TEST(StatusReport, FormatsBytesInBinaryUnits) {
  EXPECT_EQ(FormatBytes(0), "0 B");
  EXPECT_EQ(FormatBytes(1023), "1023 B");
  EXPECT_EQ(FormatBytes(1536), "1.5 KiB");
  EXPECT_EQ(FormatBytes(5ULL << 40), "5.0 TiB");
}

}  // namespace
}  // namespace mailboxfs::cli
