#pragma once

#include <vector>

#include "mail/outlook_names.h"
#include "mailboxfs/mail/imap_source.h"
#include "mailboxfs/model/server_profile.h"
#include "mailboxfs/model/types.h"

namespace mailboxfs::mail {

// Which folders are not to be shown: by the configuration's patterns, else because they hold no mail (Exchange shows
// calendars and the like as folders) or only repeat other folders (Gmail's All Mail). Never INBOX. Reentrant.
class FolderFilter {
 public:
  // `folders`: all of the mailbox. `profile` and `rules` are borrowed.
  FolderFilter(const std::vector<model::FolderInfo>& folders, const model::ServerProfile& profile,
               const FolderRules& rules);
  bool IsHidden(const model::FolderInfo& folder) const;

 private:
  const model::ServerProfile& profile_;
  const FolderRules& rules_;
  const OutlookNames not_mail_;
};

}  // namespace mailboxfs::mail
