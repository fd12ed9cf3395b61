#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "mailboxfs/model/mail_source.h"
#include "mailboxfs/store/body_cache.h"

namespace mailboxfs::tree {

struct FolderStatus {
  std::string path;  // "mailbox/folder"
  uint64_t messages = 0;
  bool listed = false;  // Ever completely.
  int64_t listed_at = 0;
  bool refreshing = false;
  uint64_t progress_done = 0, progress_total = 0;
  std::string last_error;
};
struct MailboxStatus {
  std::string name;
  std::string key;
  model::SourceStatus source;
  std::vector<FolderStatus> folders;  // Those listed, being listed, or failed.
  std::string last_error;             // Of the folder list.
};
struct TreeStatus {
  std::vector<MailboxStatus> mailboxes;
  store::CacheStatus cache;
  uint64_t messages = 0;
  uint64_t downloads = 0;  // Running or queued.
  uint64_t waiting = 0;    // Callers waiting.
};

// For statfs.
struct SpaceStatus {
  store::CacheStatus cache;
  uint64_t messages = 0;
};

}  // namespace mailboxfs::tree
