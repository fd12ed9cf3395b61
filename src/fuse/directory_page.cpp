#include "directory_page.h"

namespace mailboxfs::fuse {
namespace {

// Header and a name of 56 bytes.
constexpr size_t kUsualEntry = 80, kUsualEntryPlus = 208;

}  // namespace

bool DirectoryPage::AddDot(tree::Ino ino, const char* name, off_t cookie) {
  // READDIRPLUS: inode 0 tells the kernel that no attributes come with this name.
  fuse_entry_param entry{};
  entry.attr.st_ino = ino;
  entry.attr.st_mode = S_IFDIR;
  return Append(name, entry, cookie);
}

bool DirectoryPage::Add(const tree::DirEntry& entry) {
  return Append(entry.name, ToEntry(entry.attributes, presentation_), static_cast<off_t>(entry.position));
}

size_t DirectoryPage::EntriesLeft() const {
  return (buffer_.size() - used_) / (plus_ ? kUsualEntryPlus : kUsualEntry) + 1;
}

bool DirectoryPage::Append(const std::string& name, const fuse_entry_param& entry, off_t cookie) {
  const size_t left = buffer_.size() - used_;
  char* const at = buffer_.data() + used_;
  const size_t needed = plus_ ? fuse_add_direntry_plus(request_, at, left, name.c_str(), &entry, cookie)
                              : fuse_add_direntry(request_, at, left, name.c_str(), &entry.attr, cookie);
  if (needed > left) return false;
  used_ += needed;
  return true;
}

}  // namespace mailboxfs::fuse
