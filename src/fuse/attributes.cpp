#include "attributes.h"

namespace mailboxfs::fuse {
namespace {

// Their times change with their contents, and tools compare them before and after reading. But
// default_permissions asks for those of each directory above a file for each file.
constexpr double kDirectoryTimeout = 1.0;

double Seconds(base::Duration duration) { return std::chrono::duration<double>(duration).count(); }

}  // namespace

struct stat ToStat(const tree::Attributes& attributes, const Presentation& presentation) {
  struct stat out {};
  out.st_ino = attributes.ino;
  const mode_t mode = attributes.directory ? S_IFDIR | 0555 : S_IFREG | 0444;
  out.st_mode = mode & ~(presentation.umask & 0777);
  // For directories 1 means "not counted", where 2 would tell find(1) that there are no
  // subdirectories to look into.
  out.st_nlink = attributes.links;
  out.st_uid = presentation.uid;
  out.st_gid = presentation.gid;
  out.st_size = static_cast<off_t>(attributes.size);
  // Never 0 for a file with contents: tar --sparse would store a hole.
  out.st_blocks = static_cast<blkcnt_t>((attributes.size + 511) / 512);
  out.st_blksize = 4096;
  // ctime too: incremental backups compare it, and flags may not touch it.
  out.st_mtim.tv_sec = out.st_ctim.tv_sec = out.st_atim.tv_sec = attributes.mtime;
  return out;
}

double AttributeTimeout(const tree::Attributes& attributes, const Presentation& presentation) {
  return attributes.directory ? kDirectoryTimeout : Seconds(presentation.entry_timeout);
}

fuse_entry_param ToEntry(const tree::Attributes& attributes, const Presentation& presentation) {
  fuse_entry_param entry{};
  entry.ino = attributes.ino;
  // Inode numbers are never used twice, so that one generation is enough.
  entry.generation = 0;
  entry.attr = ToStat(attributes, presentation);
  entry.attr_timeout = AttributeTimeout(attributes, presentation);
  // Of what becomes of an alias the kernel is not told.
  entry.entry_timeout = attributes.alias ? 0 : Seconds(presentation.entry_timeout);
  return entry;
}

}  // namespace mailboxfs::fuse
