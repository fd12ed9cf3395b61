#pragma once

#include <fuse3/fuse_lowlevel.h>

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "attributes.h"
#include "mailboxfs/tree/tree.h"

namespace mailboxfs::fuse {

// The answer to one READDIR or READDIRPLUS: as many entries as the kernel's buffer takes.
// Cookies (the position after an entry) are 1 for ".", 2 for "..", else the entry's inode: they
// stay right whatever comes or goes in between, after rewinddir(3), and over mounts. Thread-bound.
class DirectoryPage {
 public:
  static constexpr off_t kDot = 1, kDotDot = 2;

  DirectoryPage(fuse_req_t request, size_t size, bool plus, const Presentation& presentation)
      : request_(request), buffer_(size), plus_(plus), presentation_(presentation) {}

  // False: full, not added.
  bool AddDot(tree::Ino ino, const char* name, off_t cookie);
  bool Add(const tree::DirEntry& entry);

  // How many entries of usual size still fit, and one more.
  size_t EntriesLeft() const;
  std::string_view bytes() const { return {buffer_.data(), used_}; }

 private:
  bool Append(const std::string& name, const fuse_entry_param& entry, off_t cookie);

  fuse_req_t request_;
  std::vector<char> buffer_;
  size_t used_ = 0;
  const bool plus_;
  const Presentation& presentation_;
};

}  // namespace mailboxfs::fuse
