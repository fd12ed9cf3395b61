#pragma once

#include "mailboxfs/mail/imap_source.h"
#include "mailboxfs/model/server_profile.h"
#include "mailboxfs/model/types.h"

namespace mailboxfs::mail {

// Is the folder not to be shown? By the configuration's patterns, else because it holds no mail (Exchange shows
// calendars and the like as folders) or only repeats other folders (Gmail's All Mail). Never INBOX. Reentrant.
bool IsHidden(const model::FolderInfo& folder, const model::ServerProfile& profile, const FolderRules& rules);

}  // namespace mailboxfs::mail
