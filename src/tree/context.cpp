#include "context.h"

namespace mailboxfs::tree {

std::string PathOf(store::Index& index, Ino ino) {
  constexpr int kDeepest = 64;
  std::string path;
  for (int depth = 0; depth < kDeepest && ino != store::kRootIno; ++depth) {
    const std::optional<store::Node> node = index.Get(ino);
    if (!node) break;
    path = path.empty() ? node->name : node->name + "/" + path;
    ino = node->parent;
  }
  return path;
}

base::Error NotAbsence(const base::Error& error) {
  using base::ErrorKind;
  if (error.kind() != ErrorKind::kNotFound && error.kind() != ErrorKind::kGone) return error;
  return {ErrorKind::kServer, error.what()};
}

base::Error ShutDownError() { return {base::ErrorKind::kCancelled, "the file system is being unmounted"}; }

Attributes ToAttributes(const store::Node& node) {
  Attributes attributes;
  attributes.ino = node.ino;
  attributes.directory = node.kind != store::NodeKind::kMessage;
  attributes.size = attributes.directory ? 0 : node.size;
  attributes.size_exact = attributes.directory || node.size_exact;
  attributes.mtime = node.mtime;
  attributes.links = node.links;
  return attributes;
}

}  // namespace mailboxfs::tree
