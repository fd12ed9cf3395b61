#include "mail/folder_filter.h"

#include <gtest/gtest.h>

namespace mailboxfs::mail {
namespace {

model::FolderInfo Folder(const std::vector<std::string>& path, const std::vector<std::string>& attributes = {}) {
  model::FolderInfo folder;
  for (const std::string& part : path) {
    folder.id += (folder.id.empty() ? "" : "/") + part;
    folder.path.push_back({part, false});
  }
  folder.attributes = attributes;
  return folder;
}

bool Hidden(const std::string& profile, const model::FolderInfo& folder, const FolderRules& rules = {}) {
  return IsHidden(folder, *model::FindProfile(profile), rules);
}

TEST(FolderFilterTest, ExchangesCalendarsAreNotMail) {
  for (const char* name : {"Calendar", "calendar", "Kalender", "Boîte d'envoi", "予定表", "Sync Issues"}) {
    EXPECT_TRUE(Hidden("exchange", Folder({name}))) << name;
    EXPECT_TRUE(Hidden("exchange", Folder({name, "Below"}))) << name;
    EXPECT_FALSE(Hidden("generic", Folder({name}))) << name;
  }
  EXPECT_FALSE(Hidden("exchange", Folder({"Projects", "Calendar"}))) << "somebody's own, with mail in it";
  EXPECT_FALSE(Hidden("exchange", Folder({"INBOX"})));
  EXPECT_FALSE(Hidden("exchange", Folder({"Gesendete Elemente"})));
}

TEST(FolderFilterTest, GmailsAllMailIsKnownByItsAttribute) {
  EXPECT_TRUE(Hidden("gmail", Folder({"[Gmail]", "Alle Nachrichten"}, {"all"})));
  EXPECT_FALSE(Hidden("gmail", Folder({"[Gmail]", "Gesendet"}, {"sent"})));
  EXPECT_FALSE(Hidden("dovecot", Folder({"All"}, {"all"})));
}

TEST(FolderFilterTest, TheConfigurationGoesFirst) {
  const FolderRules rules{{"Archive", "Old*"}, {"Calendar", "Archive/2020"}};
  EXPECT_FALSE(Hidden("exchange", Folder({"Calendar"}), rules));
  EXPECT_TRUE(Hidden("exchange", Folder({"Tasks"}), rules));
  EXPECT_TRUE(Hidden("generic", Folder({"Archive"}), rules));
  EXPECT_TRUE(Hidden("generic", Folder({"Archive", "2019"}), rules));
  EXPECT_FALSE(Hidden("generic", Folder({"Archive", "2020"}), rules));
  EXPECT_FALSE(Hidden("generic", Folder({"Archive", "2020", "May"}), rules));
  EXPECT_TRUE(Hidden("generic", Folder({"Older", "x"}), rules));
  EXPECT_FALSE(Hidden("generic", Folder({"INBOX"}), {{"*"}, {}})) << "a mailbox without INBOX is not one";
}

}  // namespace
}  // namespace mailboxfs::mail
