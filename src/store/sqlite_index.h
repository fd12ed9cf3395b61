#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "directory.h"
#include "mailboxfs/base/mutex.h"
#include "mailboxfs/store/index.h"
#include "reader_pool.h"
#include "schema.h"
#include "sqlite.h"

namespace mailboxfs::store {

// The Index: one connection that writes, under a mutex, and a few that read. A method that
// reads is one statement, so it needs no transaction. Split over index.cpp (life and reading),
// index_folders.cpp (mailboxes and folders), index_messages.cpp and index_outcomes.cpp.
class SqliteIndex : public Index {
 public:
  explicit SqliteIndex(const std::string& directory);
  ~SqliteIndex() override;
  SqliteIndex(const SqliteIndex&) = delete;
  SqliteIndex& operator=(const SqliteIndex&) = delete;

  std::string id() const override { return id_; }

  std::optional<Node> Get(Ino ino) override;
  std::vector<Node> Names(Ino message) override;
  std::optional<Node> Find(Ino parent, std::string_view name) override;
  std::vector<Node> ListByName(Ino parent, std::string_view after, size_t limit) override;
  std::optional<Node> FindUid(Ino folder, model::Uid uid) override;
  std::vector<Node> List(Ino parent, Ino after, size_t limit) override;
  std::optional<MessageDetails> Details(Ino message) override;
  std::optional<Folder> GetFolder(Ino folder) override;
  std::optional<Folder> FindFolder(Ino mailbox, std::string_view id) override;
  std::vector<Folder> Folders(Ino mailbox) override;
  std::optional<Mailbox> GetMailbox(Ino mailbox) override;
  std::vector<model::Uid> Uids(Ino folder) override;
  std::vector<model::Uid> IncompleteUids(Ino folder) override;
  uint64_t CountMessages() override;
  std::optional<Outcome> GetOutcome(Ino message) override;
  std::vector<FailedMessage> FailedMessages(Ino mailbox, size_t limit, uint64_t* count) override;

  Ino EnsureMailbox(std::string_view key, std::string_view name, int64_t now) override;
  std::vector<Removed> ReplaceFolders(Ino mailbox, std::span<const NewFolder> folders, int64_t now) override;

  std::vector<model::Uid> BeginListing(Ino folder, model::UidValidity uid_validity) override;
  AddedChanges AddMessages(Ino folder, std::span<const NewMessage> messages, int64_t now) override;
  void UpdateFlags(Ino folder, std::span<const model::FlagsUpdate> updates) override;
  std::vector<Removed> RemoveUids(Ino folder, std::span<const model::Uid> uids, int64_t now) override;
  std::vector<Removed> FinishListing(Ino folder, const model::FolderState& state, bool scanned, int64_t now) override;
  std::optional<Removed> RemoveMessage(Ino entry, int64_t now) override;

  std::string GetNote(const std::string& key) override;
  void SetNote(const std::string& key, const std::string& text) override;

  bool SetExactSize(Ino message, uint64_t size) override;
  void DoubtSize(Ino message) override;

  void SetOutcome(Ino message, const Outcome& outcome) override;
  void ClearOutcome(Ino message) override;

 private:
  void OpenDatabase(const IndexOpening& opening) EXCLUDES(write_mutex_);
  // Before rows are added to `nodes`: see last_lost_ino_.
  void SkipLostInos() REQUIRES(write_mutex_);
  void SkipLostInosForGood() REQUIRES(write_mutex_);

  // For an absence that cannot be believed: says it, once, and sees to it that the next opening knows.
  [[noreturn]] void FailDamaged(std::string_view how);
  // What `search` finds, unless that is wrong.
  template <typename Search, typename IsWrong>
  std::optional<Node> FindOrProve(Database& reader, std::string_view how, Search search, IsWrong is_wrong);

  DirectoryLock lock_;
  const std::string index_path_;
  std::string id_;
  // Keyed with the index's id: whoever writes mails cannot compute two that look the same to us.
  uint64_t match_seed_ = 0;

  base::Mutex write_mutex_;
  std::unique_ptr<Database> writer_ PT_GUARDED_BY(write_mutex_);
  // Up to this one inodes may have been given out before a power failure that made the database
  // forget them; 0: none. Left out at opening or, if the disk is full then, when rows are added.
  int64_t last_lost_ino_ GUARDED_BY(write_mutex_) = 0;
  std::unique_ptr<ReaderPool> readers_;
  std::atomic<bool> damage_seen_{false};
};

}  // namespace mailboxfs::store
