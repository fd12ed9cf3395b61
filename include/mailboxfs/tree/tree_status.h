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
// One whose body cannot be had.
struct FailedMessageStatus {
  std::string path;  // "mailbox/folder/message"
  model::Uid uid = 0;
  std::string kind;  // "unfetchable", "stub", "message-failed"
  std::string error;
  unsigned tries = 0;
  int64_t failed_at = 0, retry_at = 0;  // Wall clock, seconds.
};
struct MailboxStatus {
  std::string name;
  std::string key;
  model::SourceStatus source;
  std::vector<FolderStatus> folders;  // Those listed, being listed, or failed.
  std::string last_error;             // Of the folder list.
  std::vector<std::string> hidden;    // Folders that are not shown, as of the last list of folders in this mount.
  uint64_t failed_count = 0;
  std::vector<FailedMessageStatus> failed;  // The first thousand.
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
