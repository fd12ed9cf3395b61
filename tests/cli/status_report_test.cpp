#include "status_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mailboxfs::cli {
namespace {

using ::testing::HasSubstr;

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
