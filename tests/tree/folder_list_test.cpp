#include "folder_list.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>

#include "mailboxfs/tree/names.h"

namespace mailboxfs::tree {
namespace {

model::FolderInfo Info(const std::string& id, std::vector<std::string> path, const std::string& parent = "",
                       bool selectable = true) {
  model::FolderInfo info;
  info.id = id;
  info.parent_id = parent;
  info.selectable = selectable;
  for (std::string& text : path) info.path.push_back({std::move(text), false});
  return info;
}

// "parent|id|name", "-" in front if not selectable.
std::vector<std::string> Show(const std::vector<store::NewFolder>& folders) {
  std::vector<std::string> lines;
  for (const store::NewFolder& folder : folders) {
    lines.push_back((folder.selectable ? "" : "-") + folder.parent_id + "|" + folder.id + "|" + folder.name);
  }
  return lines;
}

using Lines = std::vector<std::string>;

TEST(PlanFolders, PutsParentsBeforeChildren) {
  EXPECT_EQ(Show(PlanFolders(std::vector{Info("A/B", {"A", "B"}, "A"), Info("INBOX", {"INBOX"}), Info("A", {"A"})})),
            (Lines{"|A|A", "A|A/B|B", "|INBOX|INBOX"}));
}

TEST(PlanFolders, AddsParentsThatAreNotListed) {
  EXPECT_EQ(Show(PlanFolders(std::vector{Info("A.&AOk-.C", {"A", "\u00E9", "C"}, "A.&AOk-")})),
            (Lines{"-|A|A", "-A|A.&AOk-|\u00E9", "A.&AOk-|A.&AOk-.C|C"}));
}

TEST(PlanFolders, InboxMayBeSpeltInAnotherWayThanItsChildrenSay) {
  EXPECT_EQ(Show(PlanFolders(std::vector{Info("INBOX", {"INBOX"}), Info("Inbox/Sub", {"INBOX", "Sub"}, "INBOX")})),
            (Lines{"|INBOX|INBOX", "INBOX|Inbox/Sub|Sub"}));
  EXPECT_EQ(Show(PlanFolders(std::vector{Info("a", {"a"}), Info("A/b", {"A", "b"}, "a")})), (Lines{"|a|a", "|A/b|b"}));
}

TEST(PlanFolders, LeavesAnUnlistedFolderWhereItIs) {
  model::FolderInfo unlisted;
  unlisted.id = "A";
  unlisted.unlisted = true;
  const std::vector<store::NewFolder> planned =
      PlanFolders(std::vector{Info("INBOX", {"INBOX"}), Info("A/B", {"A", "B"}, "A"), unlisted});
  EXPECT_EQ(Show(planned), (Lines{"|A|", "A|A/B|B", "|INBOX|INBOX"}));
  EXPECT_TRUE(planned[0].unlisted);
}

TEST(PlanFolders, EscapesNames) {
  EXPECT_EQ(Show(PlanFolders(std::vector{Info("..", {".."}), Info("a/b", {"a/b"})})),
            (Lines{"|..|%2E.", "|a/b|a%2Fb"}));
}

TEST(PlanFolders, TellsSiblingsOfOneNameApartInAnyOrder) {
  const model::FolderInfo first = Info("x1", {"x"});
  const model::FolderInfo second = Info("x2", {"x"});
  const Lines lines = Show(PlanFolders(std::vector{first, second}));
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_TRUE(lines[0].starts_with("|x1|x%~")) << lines[0];
  EXPECT_TRUE(lines[1].starts_with("|x2|x%~")) << lines[1];
  EXPECT_NE(lines[0].substr(4), lines[1].substr(4));
  EXPECT_EQ(lines, Show(PlanFolders(std::vector{second, first})));
}

TEST(PlanFolders, SurvivesNonsense) {
  EXPECT_EQ(Show(PlanFolders(std::vector{Info("", {""}), Info("A", {"A"}, "A"), Info("B", {"B", "C"}, "ZZZ"),
                                         Info("D", {}), Info("E/F", {"F"}, "E")})),
            (Lines{"|A|A", "|B|C", "|D|D", "|E/F|F"}));
}

TEST(PlanFolders, IsSoundWhateverTheServerSends) {
  std::mt19937 random(5);  // Fixed: failures repeat.
  const std::vector<std::string> texts = {"a", "b", "/", "", ".", "A", "\xFF"};
  for (int round = 0; round < 2000; ++round) {
    std::vector<model::FolderInfo> listed;
    for (unsigned i = random() % 8; i > 0; --i) {
      std::string id;
      std::vector<std::string> path;
      for (unsigned depth = random() % 4 + 1; depth > 0; --depth) {
        path.push_back(texts[random() % texts.size()]);
        id += (id.empty() ? "" : "/") + path.back();
      }
      const size_t slash = id.rfind('/');
      listed.push_back(
          Info(id, path,
               slash == std::string::npos || random() % 5 == 0 ? texts[random() % texts.size()] : id.substr(0, slash)));
    }
    std::set<std::string> ids;
    std::set<std::pair<std::string, std::string>> names;
    for (const store::NewFolder& folder : PlanFolders(listed)) {
      ASSERT_TRUE(folder.parent_id.empty() || ids.count(folder.parent_id)) << folder.id;
      ASSERT_TRUE(ids.insert(folder.id).second) << folder.id;
      ASSERT_TRUE(names.emplace(folder.parent_id, folder.name).second) << folder.name;
      ASSERT_TRUE(IsPossibleName(folder.name)) << folder.name;
    }
  }
}

}  // namespace
}  // namespace mailboxfs::tree
