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

std::vector<model::FolderInfo> Tops(const std::vector<std::string>& names) {
  std::vector<model::FolderInfo> folders = {Folder({"INBOX"})};
  for (const std::string& name : names) folders.push_back(Folder({name}));
  return folders;
}

const std::vector<std::string> kEnglish = {"Calendar", "Contacts", "Tasks", "Notes", "Journal", "Outbox"};

// Those of the mailbox that are hidden.
std::vector<std::string> HiddenOf(const std::vector<std::string>& names, const std::string& profile = "exchange") {
  const std::vector<model::FolderInfo> folders = Tops(names);
  const FolderRules rules;
  const FolderFilter filter(folders, *model::FindProfile(profile), rules);
  std::vector<std::string> hidden;
  for (const model::FolderInfo& folder : folders) {
    if (filter.IsHidden(folder)) hidden.push_back(folder.id);
  }
  return hidden;
}

bool Hidden(const std::string& profile, const model::FolderInfo& folder, const FolderRules& rules = {}) {
  const std::vector<model::FolderInfo> folders = Tops(kEnglish);
  return FolderFilter(folders, *model::FindProfile(profile), rules).IsHidden(folder);
}

TEST(FolderFilterTest, ExchangesCalendarsAreNotMail) {
  for (const char* name : {"Calendar", "calendar", "Sync Issues", "Files", "Yammer Root"}) {
    EXPECT_TRUE(Hidden("exchange", Folder({name}))) << name;
    EXPECT_TRUE(Hidden("exchange", Folder({name, "Below"}))) << name;
    EXPECT_FALSE(Hidden("generic", Folder({name}))) << name;
  }
  EXPECT_FALSE(Hidden("exchange", Folder({"Projects", "Calendar"}))) << "somebody's own, with mail in it";
  EXPECT_FALSE(Hidden("exchange", Folder({"INBOX"})));
  EXPECT_FALSE(Hidden("exchange", Folder({"Sent Items"})));
}

TEST(FolderFilterTest, NobodysMailIsHiddenForItsFoldersName) {
  std::vector<std::string> names = kEnglish;
  for (const char* own : {"Dateien", "Agenda", "Taken", "Notities", "Note", "Noter", "Archivos", "工作", "Kalender"}) {
    names.emplace_back(own);
  }
  EXPECT_EQ(HiddenOf(names), kEnglish);
  const std::vector<std::string> few = {"Calendar", "Tasks", "Outlook"};
  EXPECT_EQ(HiddenOf(few), std::vector<std::string>()) << "too little to go by";
}

TEST(FolderFilterTest, LanguagesAreKnownByWhatTheyNameInCommon) {
  const std::vector<std::string> french = {"Calendrier",
                                           "Contacts",
                                           "Ta\u0302ches",
                                           "Notes",
                                           "Journal",
                                           "BOÎTE D\u2019ENVOI",
                                           "Historique des conversations"};
  EXPECT_EQ(HiddenOf(french), french) << "decomposed, in capitals, with another apostrophe";
  for (const std::vector<std::string>& names : std::vector<std::vector<std::string>>{
           {"Ημερολόγιο", "ΕΠΑΦΈΣ", "Εργασίες", "Σημειώσεις"},
           {"Календарь", "Контакты", "ЗАДАЧИ", "Заметки", "Журнал бесед"},
           {"Kalendár", "Kontakty", "Úlohy", "Poznámky", "Denník"},
           {"Koledar", "Stiki", "Opravila"},
           {"לוח שנה", "אנשי קשר", "משימות"},
           {"التقويم", "جهات الاتصال", "المهام"},
           {"行事曆", "連絡人", "工作", "寄件匣"},
           {"Kalender", "Kontakte", "Aufgaben", "Notizen", "Journal", "Postausgang", "RSS-Feeds"},
       }) {
    EXPECT_EQ(HiddenOf(names), names);
  }
}

TEST(FolderFilterTest, GmailsAllMailIsKnownByItsAttribute) {
  EXPECT_TRUE(Hidden("gmail", Folder({"[Gmail]", "Alle Nachrichten"}, {"all"})));
  EXPECT_FALSE(Hidden("gmail", Folder({"[Gmail]", "Gesendet"}, {"sent"})));
  EXPECT_FALSE(Hidden("gmail", Folder({"Calendar"})));
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
