#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "mailboxfs/store/fsck.h"
#include "mailboxfs/store/index.h"
#include "sqlite.h"

namespace mailboxfs::store {

// MAILBOX/FOLDER/FILE, printable; as much of it as there is. `ino`: a row's number.
std::string IndexPathOf(Database& database, Ino ino);

// At opening: if what the tables say of each other cannot be true, as far as that is told without looking at each
// value, does what IndexFsck does, and logs it. Throws as Database.
void MendIndexRows(Database& database);

// Reads every row of a database that SQLite finds sound, inside the caller's transaction, and
// repairs what cannot be true: to be committed, or rolled back if it was only to be said. Folders
// whose place is lost come to their mailbox's top (the next folder list moves them to where they
// belong); rows that make no sense go, and their folder counts as never listed, so that
// nobody is told that a message does not exist. Thread-bound. Throws as Database.
class IndexFsck {
 public:
  using Progress = std::function<void(uint64_t done, uint64_t total)>;
  IndexFsck(Database& database, Progress progress) : db_(database), progress_(std::move(progress)) {}

  // Adds the numbers of what is left to `summary`; the findings' `corrected` is false.
  std::vector<FsckFinding> Run(FsckSummary* summary);

 private:
  struct FolderRow {
    Ino mailbox = 0;
    Ino parent = 0;
    std::string id;
    bool selectable = true;
    int64_t uid_validity = 0;
    uint64_t messages = 0;  // As its row says.
    uint64_t counted = 0;
  };
  struct NodeRow;

  void CheckId();
  void CheckMailboxes();
  void CheckFolders();
  void CheckFolderRow(Ino ino, const FolderRow& folder, const std::string& kind);
  void CheckPlaces();
  bool LeadsToMailbox(Ino ino) const;
  void Reattach(Ino ino, const std::string& problem);
  void CheckNodes();
  void CheckDirectory(const NodeRow& node);
  void CheckMessage(const NodeRow& node);
  void CheckValues(const NodeRow& node);
  void RemoveUnsound();
  void CheckLinks();
  void CheckCounts();
  void CheckAside();
  void CheckSequence();
  void ListAgain();

  void Add(std::string where, std::string problem, std::string repair);

  Database& db_;
  const Progress progress_;
  std::vector<FsckFinding> findings_;
  std::map<Ino, std::string> mailboxes_;            // Sound ones: key.
  std::map<Ino, FolderRow> folders_;                // Sound ones.
  std::map<Ino, uint64_t> orphans_;                 // Messages by a parent that does not exist.
  std::vector<std::pair<Ino, std::string>> names_;  // Nodes to rename.
  std::vector<Ino> unsound_;                        // Rows of `nodes` to remove.
  std::set<Ino> to_list_;                           // Folders; mailboxes, for their folder lists.
};

}  // namespace mailboxfs::store
