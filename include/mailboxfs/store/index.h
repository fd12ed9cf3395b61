#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "mailboxfs/base/error.h"
#include "mailboxfs/model/types.h"
#include "mailboxfs/store/index_types.h"

namespace mailboxfs::store {

// The persistent index: names, inodes, dates, sizes, flags of all that has been seen. One
// SQLite database (WAL, synchronous=NORMAL), schema-versioned, crash-safe: each method that
// changes it is one transaction. Thread-safe; reads do not wait for a writer. Throws Error:
// kDisk, kDiskFull, kCorrupt, kConfig (another daemon holds it, or a newer version wrote it),
// kGone (a method that changes a folder's messages, when ReplaceFolders has removed the folder).
// Each opening looks at the whole database. If its search trees or its rows contradict each other they are mended, and
// what may have been lost counts as never listed; if it is damaged beyond that, it is moved to index.db.corrupt-<n>,
// logged, and replaced by a new one (with another id, and inode numbers that the old one did not give out).
// Damage that comes later is kCorrupt where it shows: Find, FindUid and List do not take it for an absence.
class Index {
 public:
  // Opens or creates `directory`/index.db (directory 0700) and takes the directory's lock.
  static std::unique_ptr<Index> Open(const std::string& directory);
  virtual ~Index() = default;

  // Random, made with the database: cached bodies carry it, so that a body can never be
  // taken for that of another index's message.
  virtual std::string id() const = 0;

  // -- Reading.
  // Of an inode with several names, the one that it was first known by.
  virtual std::optional<Node> Get(Ino ino) = 0;
  // All names of a message, in order.
  virtual std::vector<Node> Names(Ino message) = 0;
  virtual std::optional<Node> Find(Ino parent, std::string_view name) = 0;
  virtual std::optional<Node> FindUid(Ino folder, model::Uid uid) = 0;
  // Children with entry > `after`, ascending, at most `limit`: one range query. An empty list is the end: it is given
  // only if there are as many children as were counted when they came.
  virtual std::vector<Node> List(Ino parent, Ino after, size_t limit) = 0;
  // The same in the order of names' bytes, from `after` on; proves nothing.
  virtual std::vector<Node> ListByName(Ino parent, std::string_view after, size_t limit) = 0;
  virtual std::optional<MessageDetails> Details(Ino message) = 0;
  virtual std::optional<Folder> GetFolder(Ino folder) = 0;
  virtual std::optional<Folder> FindFolder(Ino mailbox, std::string_view id) = 0;
  virtual std::vector<Folder> Folders(Ino mailbox) = 0;
  virtual std::optional<Mailbox> GetMailbox(Ino mailbox) = 0;
  // UIDs in ascending order, under the folder's current UIDVALIDITY.
  virtual std::vector<model::Uid> Uids(Ino folder) = 0;
  // Those of them that were added incomplete and have not been completed; cheap if they are few.
  virtual std::vector<model::Uid> IncompleteUids(Ino folder) = 0;
  virtual uint64_t CountMessages() = 0;
  virtual std::optional<Outcome> GetOutcome(Ino message) = 0;
  // The mailbox's messages that have an outcome, by folder and UID; at most `limit`, but `*count` of them in all.
  virtual std::vector<FailedMessage> FailedMessages(Ino mailbox, size_t limit, uint64_t* count) = 0;

  // -- Mailboxes. Keeps the inode of a known key; renames if the name differs. Another mailbox
  // that has the name gets "~2" appended, until it is ensured itself under a name of its own.
  virtual Ino EnsureMailbox(std::string_view key, std::string_view name, int64_t now) = 0;

  // -- Folder list: makes the mailbox's folders exactly `folders`; sets listed_at = now. A known
  // id keeps inode and name, unless its parent is another one now. `name`s of siblings should be
  // unique; one that is taken (by a message, too) gets "~2", ... appended. Returns what has gone,
  // in no order: removed folders (their own entry stands for their messages, but those that have other
  // names), the old names of folders that moved, and the messages of folders that can no longer be selected.
  virtual std::vector<Removed> ReplaceFolders(Ino mailbox, std::span<const NewFolder> folders, int64_t now) = 0;

  // -- Messages. BeginListing tells which UIDVALIDITY the following calls belong to. If it is
  // a new one, the folder's old messages are set aside; AddMessages then matches each new
  // message with them by Message-ID, INTERNALDATE, estimated size and header digest: a match
  // keeps inode, tag, name and exact size and gets the new UID; FinishListing drops the rest.
  // What is incomplete, old or new, matches nothing.
  // Until then set-aside messages stay visible, without UID. All of this is persistent: a
  // listing that broke off is continued by BeginListing with the same UIDVALIDITY, set aside
  // afresh with another. Of equal messages each old row is used once, in order of UID.
  // Returns the UIDs already known under `uid_validity`, ascending.
  virtual std::vector<model::Uid> BeginListing(Ino folder, model::UidValidity uid_validity) = 0;
  // Names already taken in the folder get "~2", "~3", ... before the ".uid.eml" suffix or extension.
  // A UID that is known already is skipped, unless it is incomplete and now given complete: then
  // it gets what is given, but keeps inode, tag and a size that is exact. Returns those with their
  // old names (a name may be the new one, too: what stat shows has changed all the same).
  // One with the shared_id of a message in another folder of the mailbox becomes a name of that inode,
  // and has its tag, date and size; a second one in the same folder is an inode of its own.
  virtual AddedChanges AddMessages(Ino folder, std::span<const NewMessage> messages, int64_t now) = 0;
  virtual void UpdateFlags(Ino folder, std::span<const model::FlagsUpdate> updates) = 0;
  virtual std::vector<Removed> RemoveUids(Ino folder, std::span<const model::Uid> uids, int64_t now) = 0;
  // The listing is complete: stores what the server said and when. `scanned`: all UIDs and
  // flags were compared. Returns what a UIDVALIDITY change left over. `state.uid_validity` must be
  // that of BeginListing.
  virtual std::vector<Removed> FinishListing(Ino folder, const model::FolderState& state, bool scanned,
                                             int64_t now) = 0;
  // One message proven gone from its folder (by a fetch); its other names stay. No-op if unknown.
  virtual std::optional<Removed> RemoveMessage(Ino entry, int64_t now) = 0;

  // -- Notes: small texts that others want kept, by key; empty: there is none.
  virtual std::string GetNote(const std::string& key) = 0;
  virtual void SetNote(const std::string& key, const std::string& text) = 0;

  // -- Sizes, of all names: the body was seen; true if this changed what stat shows. For good.
  virtual bool SetExactSize(Ino message, uint64_t size) = 0;

  // The server sends other sizes each time: the next who opens it must ask again.
  virtual void DoubtSize(Ino message) = 0;

  // -- Outcomes: live as long as the inode, UIDVALIDITY changes included. No-op if it is unknown.
  virtual void SetOutcome(Ino message, const Outcome& outcome) = 0;
  virtual void ClearOutcome(Ino message) = 0;
};

}  // namespace mailboxfs::store
