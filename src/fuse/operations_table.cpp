#include <cerrno>

#include "operations.h"

namespace mailboxfs::fuse {
namespace {

Operations& Of(fuse_req_t request) { return *static_cast<Operations*>(fuse_req_userdata(request)); }

// The C boundary: whatever goes wrong in `body` becomes the answer. `body` may take the reply away.
template <typename Body>
void CheckedCall(fuse_req_t request, Site site, fuse_ino_t ino, const Body& body) noexcept {
  Operations& operations = Of(request);
  Reply reply(request);
  try {
    body(operations, reply);
  } catch (...) {
    operations.Fail(reply, site, ino, base::CurrentError());
  }
}

void Init(void* data, fuse_conn_info* connection) { static_cast<Operations*>(data)->Init(connection); }

void Lookup(fuse_req_t request, fuse_ino_t parent, const char* name) {
  CheckedCall(request, Site::kLookup, parent,
              [&](Operations& operations, Reply& reply) { operations.Lookup(std::move(reply), parent, name); });
}

void GetAttr(fuse_req_t request, fuse_ino_t ino, fuse_file_info* /*info*/) {
  CheckedCall(request, Site::kGetAttr, ino,
              [&](Operations& operations, Reply& reply) { operations.GetAttr(reply, ino); });
}

void OpenDir(fuse_req_t request, fuse_ino_t ino, fuse_file_info* info) {
  CheckedCall(request, Site::kOpenDir, ino,
              [&](Operations& operations, Reply& reply) { operations.OpenDir(std::move(reply), ino, *info); });
}

void ReadDir(fuse_req_t request, fuse_ino_t ino, size_t size, off_t offset, fuse_file_info* /*info*/) {
  CheckedCall(request, Site::kReadDir, ino,
              [&](Operations& operations, Reply& reply) { operations.ReadDir(reply, ino, size, offset, false); });
}

void ReadDirPlus(fuse_req_t request, fuse_ino_t ino, size_t size, off_t offset, fuse_file_info* /*info*/) {
  CheckedCall(request, Site::kReadDir, ino,
              [&](Operations& operations, Reply& reply) { operations.ReadDir(reply, ino, size, offset, true); });
}

void Open(fuse_req_t request, fuse_ino_t ino, fuse_file_info* info) {
  CheckedCall(request, Site::kOpen, ino,
              [&](Operations& operations, Reply& reply) { operations.Open(std::move(reply), ino, *info); });
}

void Read(fuse_req_t request, fuse_ino_t ino, size_t size, off_t offset, fuse_file_info* info) {
  CheckedCall(request, Site::kRead, ino, [&](Operations& operations, Reply& reply) {
    operations.Read(std::move(reply), ino, size, offset, *info);
  });
}

void Release(fuse_req_t request, fuse_ino_t ino, fuse_file_info* info) {
  CheckedCall(request, Site::kOpen, ino,
              [&](Operations& operations, Reply& reply) { operations.Release(reply, *info); });
}

void GetXattr(fuse_req_t request, fuse_ino_t ino, const char* name, size_t size) {
  CheckedCall(request, Site::kXattr, ino,
              [&](Operations& operations, Reply& reply) { operations.GetXattr(reply, ino, name, size); });
}

void ListXattr(fuse_req_t request, fuse_ino_t ino, size_t size) {
  CheckedCall(request, Site::kXattr, ino,
              [&](Operations& operations, Reply& reply) { operations.ListXattr(reply, size); });
}

void StatFs(fuse_req_t request, fuse_ino_t ino) {
  CheckedCall(request, Site::kStatFs, ino, [&](Operations& operations, Reply& reply) { operations.StatFs(reply); });
}

}  // namespace

const fuse_lowlevel_ops& OperationsTable() {
  static const fuse_lowlevel_ops operations = [] {
    fuse_lowlevel_ops table{};
    table.init = Init;
    table.lookup = Lookup;
    table.getattr = GetAttr;
    table.opendir = OpenDir;
    table.readdir = ReadDir;
    table.readdirplus = ReadDirPlus;
    table.open = Open;
    table.read = Read;
    table.release = Release;
    table.getxattr = GetXattr;
    table.listxattr = ListXattr;
    table.statfs = StatFs;
    return table;
  }();
  return operations;
}

}  // namespace mailboxfs::fuse
