#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "body_footer.h"
#include "cache_ledger.h"
#include "mailboxfs/base/fd.h"

struct stat;

namespace mailboxfs::store {

// Where bodies lie: DIRECTORY/v1/<last 2 hex digits of the inode>/<16 hex digits>, and
// DIRECTORY/v1/tmp for those being written. Knows nothing of limits. Thread-safe.
class BodyFiles {
 public:
  // Creates the directories; removes temporary files, and all bodies if they are of another
  // index. Throws Error: kDisk, kDiskFull, kConfig.
  BodyFiles(std::string directory, const std::string& index_id);

  // What the names there mean; nullopt: nothing that is ours. A file's is right in the directory `number` only.
  static std::optional<uint64_t> ParseDirectoryName(const std::string& name);
  static std::optional<uint64_t> ParseFileName(const std::string& name, uint64_t number);
  // Of the index whose bodies are below `root` (DIRECTORY/v1); empty if there is none.
  static std::string IndexIdIn(const std::string& root);

  // The bodies of another index have been removed just now.
  bool emptied() const { return emptied_; }
  std::string PathOf(uint64_t ino) const;
  // Creates an empty file; throws kDiskFull, kDisk.
  base::UniqueFd CreateTemporary(std::string* path) const;
  // Moves a temporary file into its place, over what is there. 0, or errno.
  int MoveIntoPlace(const std::string& temporary, uint64_t ino) const;
  // nullopt: the file does not end in the sound footer of a body of this index, inode and length.
  std::optional<BodyFooter> ReadFooter(int fd, uint64_t ino) const;
  BodyFooter FooterFor(const BodyKey& key, uint64_t size, const Digest& body) const {
    return {index_, key, size, body};
  }

  // All bodies, the least recently used first as far as file times tell; what cannot be one is removed.
  std::vector<CacheLedger::Entry> Scan() const;

 private:
  void RemoveTemporaryFiles() const;
  void AdoptIndex(const std::string& index_id);

  const std::string root_;
  const Digest index_;
  bool emptied_ = false;
};

// Reads all of the body; whether it is what the footer says.
bool IsSound(int fd, const BodyFooter& footer);

// What a file takes on disk. Some file systems account for blocks only later: not less than its length.
uint64_t DiskBytes(const struct stat& status);

}  // namespace mailboxfs::store
