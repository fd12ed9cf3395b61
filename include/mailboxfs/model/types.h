#pragma once

#include <cstdint>
#include <string>
#include <vector>

// Values that store, tree and mail share. All reentrant.
namespace mailboxfs::model {

// Unique identifier of a message within (folder, UIDVALIDITY); RFC 3501 section 2.3.1.1. 0 = none.
using Uid = uint32_t;
// RFC 3501 section 2.3.1.1: the UIDs of a folder mean the same messages while this stays the same.
using UidValidity = uint32_t;

// One folder as the server lists it.
struct FolderInfo {
  // The server's own name, byte for byte as on the wire after unquoting (IMAP: modified UTF-7). The key.
  std::string id;
  // The name split at the hierarchy delimiter and decoded; not yet fit for a file system.
  struct Component {
    std::string text;  // UTF-8, or the raw bytes if they could not be decoded.
    bool raw = false;  // Could not be decoded.
  };
  std::vector<Component> path;
  // The id of the parent folder; empty at the top.
  std::string parent_id;
  bool selectable = true;
  // The server does not list it any more, but does not say either that it is gone: only `id` is set.
  bool unlisted = false;
  // It is not to be shown; for `status`.
  bool hidden = false;
  // Lower-case attributes without the backslash ("sent", "all", "hasnochildren"); RFC 6154, RFC 3501.
  std::vector<std::string> attributes;
};

// What a refresh finds at the server before it looks at messages.
struct FolderState {
  UidValidity uid_validity = 0;
  Uid uid_next = 0;     // 0: the server did not say.
  uint32_t exists = 0;  // Number of messages.
};

// One message as listed: what is known without its body.
struct MessageInfo {
  Uid uid = 0;
  std::string flags;           // Sorted, joined with one space, backslashes kept: "\Answered \Seen".
  int64_t internal_date = 0;   // Seconds since 1970 UTC (IMAP INTERNALDATE; RFC 3501 section 2.3.3).
  uint64_t size_estimate = 0;  // RFC822.SIZE: an estimate, never a promise.
  std::string header;          // The raw header fields that were asked for, as received.
  // False: the server lists it, but does not tell date, size or header, at least not now.
  bool complete = true;
  // What the server knows the message by in all its folders (X-GM-MSGID); 0: it does not tell.
  uint64_t shared_id = 0;
};

// New flags of a known message.
struct FlagsUpdate {
  Uid uid = 0;
  std::string flags;
};

}  // namespace mailboxfs::model
