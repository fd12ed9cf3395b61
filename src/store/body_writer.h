#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "hasher.h"
#include "mailboxfs/base/fd.h"
#include "mailboxfs/store/body_cache.h"

namespace mailboxfs::store {

class FileBodyCache;

// A body on its way into a FileBodyCache, or, when that one's disk is full, into a file without
// a name in $TMPDIR.
class FileBodyWriter : public BodyWriter {
 public:
  FileBodyWriter(FileBodyCache& cache, const BodyKey& key);
  ~FileBodyWriter() override;
  FileBodyWriter(const FileBodyWriter&) = delete;
  FileBodyWriter& operator=(const FileBodyWriter&) = delete;

  void Append(std::string_view bytes) override;
  uint64_t written() const override { return written_; }
  int fd() const override { return body_ ? body_->fd() : fd_.get(); }
  void Reset() override;
  std::shared_ptr<BodyFile> Commit() override;

 private:
  // At offset written_. False: the disk is full.
  bool Write(std::string_view bytes);
  void LeaveCache();
  void CopyTo(int target);
  void RemoveTemporaryName();

  FileBodyCache& cache_;
  const BodyKey key_;
  base::UniqueFd fd_;
  std::string path_;      // Of the temporary file; empty if it has no name (any more).
  bool unnamed_ = false;  // In $TMPDIR.
  uint64_t written_ = 0;
  Hasher hasher_;
  std::shared_ptr<BodyFile> body_;
};

}  // namespace mailboxfs::store
