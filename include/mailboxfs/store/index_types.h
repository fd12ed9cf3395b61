#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "mailboxfs/model/types.h"

namespace mailboxfs::store {

// Inode number = SQLite row id (AUTOINCREMENT): stable over mounts, never used twice as long as the
// database is: after an unclean end a million numbers are left out, more than a power failure can
// make it forget. What is restored from a backup can use one twice; then the tags differ. The root
// is kRootIno; all others are above kReservedInos. A message that stands in several folders is one inode with several
// entries (rows): it has the first one's number, also when that one has gone.
using Ino = uint64_t;
inline constexpr Ino kRootIno = 1;
inline constexpr Ino kReservedInos = 1000;

enum class NodeKind { kMailbox, kFolder, kMessage };

// One entry of the tree. mtime and ctime are the same, see SEMANTICS.md.
struct Node {
  Ino ino = 0;
  Ino entry = 0;       // Row id: of this name alone. The order of a directory.
  uint64_t links = 1;  // Names that the inode has.
  Ino parent = 0;      // kRootIno for a mailbox.
  NodeKind kind = NodeKind::kMessage;
  std::string name;   // File name: sanitised, unique in its parent.
  int64_t mtime = 0;  // Message: INTERNALDATE. Directory: last change of its contents (wall clock, seconds).
  uint64_t size = 0;  // Message: exact if size_exact, else the server's estimate. Directory: 0.
  bool size_exact = false;
  bool complete = true;  // Message: the server has told size, date and header, see NewMessage.
  uint64_t tag = 0;      // Random, made with the row: with the inode number it names a message's body.
  // Message only; what it means is the folder's `listed.uid_validity`. 0: the folder's UIDVALIDITY
  // has changed and the message has not been matched yet (see BeginListing); it cannot be fetched.
  model::Uid uid = 0;
};

// What only some questions need.
struct MessageDetails {
  std::string flags;
  std::string message_id;
};

// A folder's state in the index.
struct Folder {
  Ino ino = 0;
  Ino mailbox = 0;
  std::string id;  // The server's name: the key within the mailbox.
  bool selectable = true;
  // `uid_validity`: what the UIDs of the folder's messages mean; from BeginListing on, 0 before.
  // The rest: as of the last complete listing, 0 if there was none under this UIDVALIDITY.
  model::FolderState listed;
  int64_t listed_at = 0;   // Last complete listing, wall clock, seconds; 0: never. A UIDVALIDITY change keeps it.
  int64_t scanned_at = 0;  // Last comparison of all UIDs and flags.
  uint64_t messages = 0;   // Visible ones.
};

struct Mailbox {
  Ino ino = 0;
  std::string key;        // "account/address": identity.
  std::string name;       // Directory name.
  int64_t listed_at = 0;  // When the folder list was last complete; 0: never.
};

// A new folder or message with its file name chosen already.
struct NewFolder {
  std::string id;
  std::string parent_id;  // Empty: directly in the mailbox. Parents come before children.
  std::string name;
  bool selectable = true;
  bool unlisted = false;  // Known, and to stay as it is; only `id` is set.
};
struct NewMessage {
  model::Uid uid = 0;
  std::string name;
  std::string flags;
  std::string message_id;
  int64_t internal_date = 0;
  uint64_t size_estimate = 0;
  std::string header;  // Only its digest is kept, to match again after a UIDVALIDITY change.
  // False: the server tells neither date nor size nor header, now; to be asked again.
  bool complete = true;
  // Not 0: what has the same in other folders of the mailbox is the same message.
  uint64_t shared_id = 0;
};

// Why a message's body cannot be had, as the last try has shown.
struct Outcome {
  enum class Kind { kUnfetchable = 0, kStub = 1, kFailed = 2 };  // As base::ErrorKind has them; stored as numbers.
  Kind kind = Kind::kUnfetchable;
  unsigned tries = 0;     // In a row.
  int64_t failed_at = 0;  // The last one; wall clock, seconds.
  int64_t retry_at = 0;   // The server is not asked again before.
  std::string error;      // For people.
};
struct FailedMessage {
  Ino ino = 0;
  Ino folder = 0;
  model::Uid uid = 0;  // 0 as in Node.
  Outcome outcome;
};

// A name that has gone: what the kernel must be told.
struct Removed {
  Ino ino = 0;
  Ino parent = 0;
  std::string name;
  bool linked = false;  // The inode has other names, so that Node::links is what has changed of it.
};
// What AddMessages has changed of messages that were there before.
struct AddedChanges {
  std::vector<Removed> completed;
  std::vector<Ino> linked;  // They have one name more.
};

}  // namespace mailboxfs::store
