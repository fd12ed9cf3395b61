#pragma once

#include <vector>

#include "mailboxfs/imap/response.h"
#include "mailboxfs/model/types.h"

namespace mailboxfs::mail {

// Makes folders of LIST data: names split and decoded, parents found. A parent that the
// server did not list is added, not selectable, before its first child. A name that ends in
// the delimiter ("Mail/") counts without it. Reentrant.
std::vector<model::FolderInfo> BuildFolderList(const std::vector<imap::ListData>& listed);

}  // namespace mailboxfs::mail
