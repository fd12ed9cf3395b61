#pragma once

#include <span>
#include <string>
#include <vector>

#include "mailboxfs/model/types.h"
#include "mailboxfs/store/index.h"

namespace mailboxfs::tree {

// A server's folder list as directories: names escaped and unique among siblings, parents
// before children. A parent that the server did not list is added, not selectable; a folder
// whose parent makes no sense stands at the top. Does not depend on the server's order.
// What is hidden is left out. Reentrant.
std::vector<store::NewFolder> PlanFolders(std::span<const model::FolderInfo> listed);

// What is left out, sorted: "Sync Issues/Conflicts".
std::vector<std::string> HiddenPaths(std::span<const model::FolderInfo> listed);

}  // namespace mailboxfs::tree
