#include "index_tables.h"

#include "free_name.h"

namespace mailboxfs::store {

std::string FreeName(Database& database, Ino parent, std::string_view name, NodeKind kind) {
  const auto taken = [&](std::string_view candidate) {
    return database.Prepare("SELECT 1 FROM nodes WHERE parent = ? AND name = ?").Bind(parent).Bind(candidate).Step();
  };
  return taken(name) ? FreeNumberedName(name, kind, taken) : std::string(name);
}

void Touch(Database& database, Ino directory, int64_t now) {
  database.Prepare("UPDATE nodes SET mtime = ?2 WHERE ino = ?1 AND kind <> 2").Bind(directory).Bind(now).Run();
}

}  // namespace mailboxfs::store
