#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "body_footer.h"
#include "mailboxfs/base/fd.h"
#include "mailboxfs/store/fsck.h"
#include "sqlite.h"

namespace mailboxfs::store {

// Looks at every file of a body cache whose lock the caller holds; borrows all that it is given.
// Thread-bound. Throws Error: kDisk, kCancelled.
class CacheFsck {
 public:
  // `index`: the database that the bodies are of; it may be in a transaction.
  CacheFsck(const FsckOptions& options, const std::string& index_id, Database& index);

  // `closed`: the last use ended properly, so the ledger must be right.
  void Run(bool closed, FsckSummary* summary);

 private:
  struct Body {
    std::string path;
    uint64_t disk_bytes = 0;
  };
  // What the index says of an inode.
  struct Message {
    uint64_t entry = 0;  // Row.
    uint64_t tag = 0;
    uint64_t size = 0;
    bool size_exact = false;
  };

  bool CheckIndexId();
  void CheckTemporaryFiles();
  void FindBodies();
  void CheckBody(uint64_t ino, const Body& body);
  std::optional<std::string> FaultOf(const base::UniqueFd& fd, uint64_t ino, const Message& message,
                                     BodyFooter* footer);
  void CheckSize(uint64_t ino, const Message& message, uint64_t size);
  void CheckMode(const Message& message, const base::UniqueFd& fd);
  std::optional<Message> MessageOf(uint64_t ino);
  void CheckLedger();
  std::string ComparedWithLedger() const;
  void UpdateLedger() const;
  void Remove(const std::string& where, const std::string& problem, const std::string& repair, const std::string& path);
  void Add(const std::string& where, const std::string& problem, const std::string& repair, bool corrected);

  const FsckOptions& options_;
  const std::string root_;
  const std::string ledger_;
  const std::string index_id_;
  const Digest index_digest_;
  Database& index_;
  FsckSummary* summary_ = nullptr;
  std::map<uint64_t, Body> bodies_;
  std::vector<uint64_t> removed_;
  bool ledger_sound_ = false;  // But for what has been removed.
};

}  // namespace mailboxfs::store
