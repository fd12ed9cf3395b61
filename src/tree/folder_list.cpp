#include "folder_list.h"

#include <algorithm>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "escape.h"
#include "mailboxfs/base/encoding.h"
#include "mailboxfs/tree/names.h"

namespace mailboxfs::tree {
namespace {

using Path = std::span<const model::FolderInfo::Component>;

std::string NameOf(Path path, const std::string& id) {
  return path.empty() ? EscapeFolderName(id, true) : EscapeFolderName(path.back().text, path.back().raw);
}

// A parent's id is that of the child, cut at a delimiter; only INBOX may be in another case.
bool IsParentOf(std::string_view parent, std::string_view id) {
  constexpr std::string_view kInbox = "INBOX";
  if (parent.empty() || parent.size() + 1 >= id.size()) return false;
  const size_t same = parent.size() >= kInbox.size() &&
                              base::EqualsIgnoreCase(parent.substr(0, kInbox.size()), kInbox) &&
                              base::EqualsIgnoreCase(id.substr(0, kInbox.size()), kInbox)
                          ? kInbox.size()
                          : 0;
  return id.substr(same).starts_with(parent.substr(same));
}

class Planner {
 public:
  std::vector<store::NewFolder> Plan(std::span<const model::FolderInfo> listed) {
    for (const model::FolderInfo& info : listed) {
      if (info.id.empty() || info.hidden) continue;
      if (info.unlisted) {
        folders_.emplace(info.id, store::NewFolder{.id = info.id, .unlisted = true});
        continue;
      }
      store::NewFolder folder{info.id, "", NameOf(info.path, info.id), info.selectable};
      if (IsParentOf(info.parent_id, info.id) && info.path.size() > 1) folder.parent_id = info.parent_id;
      folders_.emplace(info.id, std::move(folder));
    }
    for (const model::FolderInfo& info : listed) {
      if (!info.unlisted && !info.hidden) AddMissingParents(info);
    }
    std::vector<store::NewFolder> result;
    for (auto& [id, folder] : folders_) result.push_back(std::move(folder));
    // A parent's id is shorter than its child's.
    std::stable_sort(result.begin(), result.end(),
                     [](const store::NewFolder& a, const store::NewFolder& b) { return a.id.size() < b.id.size(); });
    TellSiblingsApart(&result);
    return result;
  }

 private:
  void AddMissingParents(const model::FolderInfo& info) {
    if (!IsParentOf(info.parent_id, info.id)) return;
    const char delimiter = info.id[info.parent_id.size()];
    std::string id = info.parent_id;
    for (Path path = info.path; path.size() > 1 && !id.empty();) {
      path = path.first(path.size() - 1);
      const size_t cut = id.rfind(delimiter);
      const bool top = path.size() == 1 || cut == std::string::npos;
      std::string parent_id = top ? "" : id.substr(0, cut);
      if (!folders_.emplace(id, store::NewFolder{id, parent_id, NameOf(path, id), false}).second) return;
      id = std::move(parent_id);
    }
  }

  // All of one name get the hash of their id, so that it does not matter who came first.
  static void TellSiblingsApart(std::vector<store::NewFolder>* folders) {
    std::map<std::pair<std::string, std::string>, int> count;
    for (const store::NewFolder& folder : *folders) {
      if (!folder.unlisted) ++count[{folder.parent_id, folder.name}];
    }
    for (store::NewFolder& folder : *folders) {
      if (!folder.unlisted && count[{folder.parent_id, folder.name}] > 1)
        folder.name = WithHash(folder.name, folder.id);
    }
  }

  std::map<std::string, store::NewFolder> folders_;
};

}  // namespace

std::vector<std::string> HiddenPaths(std::span<const model::FolderInfo> listed) {
  std::vector<std::string> paths;
  for (const model::FolderInfo& info : listed) {
    if (!info.hidden) continue;
    std::string path;
    for (const model::FolderInfo::Component& part : info.path) {
      path += (path.empty() ? "" : "/") + EscapeFolderName(part.text, part.raw);
    }
    paths.push_back(std::move(path));
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

std::vector<store::NewFolder> PlanFolders(std::span<const model::FolderInfo> listed) { return Planner().Plan(listed); }

}  // namespace mailboxfs::tree
