#include "mail/folder_filter.h"

#include <fnmatch.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "mailboxfs/imap/mailbox_name.h"

namespace mailboxfs::mail {
namespace {

bool Matches(const std::vector<std::string>& patterns, const model::FolderInfo& folder) {
  std::string path;
  for (const model::FolderInfo::Component& part : folder.path) {
    path += (path.empty() ? "" : "/") + part.text;
    const auto matches = [&](const std::string& pattern) { return ::fnmatch(pattern.c_str(), path.c_str(), 0) == 0; };
    if (std::any_of(patterns.begin(), patterns.end(), matches)) return true;
  }
  return false;
}

bool HasAttribute(const model::FolderInfo& folder, std::string_view name) {
  return std::find(folder.attributes.begin(), folder.attributes.end(), name) != folder.attributes.end();
}

std::vector<std::string_view> TopNames(const std::vector<model::FolderInfo>& folders) {
  std::vector<std::string_view> names;
  for (const model::FolderInfo& folder : folders) {
    if (!folder.unlisted && folder.path.size() == 1) names.push_back(folder.path.front().text);
  }
  return names;
}

}  // namespace

FolderFilter::FolderFilter(const std::vector<model::FolderInfo>& folders, const model::ServerProfile& profile,
                           const FolderRules& rules)
    : profile_(profile),
      rules_(rules),
      not_mail_(profile.name == "exchange" ? TopNames(folders) : std::vector<std::string_view>()) {}

bool FolderFilter::IsHidden(const model::FolderInfo& folder) const {
  if (folder.unlisted || folder.path.empty() || imap::IsInbox(folder.id)) return false;
  if (Matches(rules_.include, folder)) return false;
  if (Matches(rules_.exclude, folder)) return true;
  if (profile_.name == "gmail") return HasAttribute(folder, "all");
  return not_mail_.Contains(folder.path.front().text);
}

}  // namespace mailboxfs::mail
