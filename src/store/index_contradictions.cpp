#include "index_contradictions.h"

#include <algorithm>
#include <iterator>

namespace mailboxfs::store {

namespace {

// All but one read indexes, or tables that have a row for each folder, or the links.
constexpr const char* kContradictions[] = {
    // Mailboxes and folders that are not where they should be.
    "SELECT 1 FROM mailboxes m LEFT JOIN nodes n ON n.ino = m.ino WHERE n.kind IS NOT 0 OR n.parent <> 1",
    "SELECT 1 FROM folders f LEFT JOIN nodes n ON n.ino = f.ino LEFT JOIN folders p ON p.ino = n.parent"
    " LEFT JOIN mailboxes m ON m.ino = f.mailbox"
    " WHERE n.kind IS NOT 1 OR m.ino IS NULL OR (n.parent <> f.mailbox AND p.mailbox IS NOT f.mailbox)",
    // A directory's entries are the folders below it and its messages, as many as its row says.
    "SELECT 1 FROM (SELECT parent, count(*) AS entries FROM nodes INDEXED BY nodes_parent GROUP BY parent) c"
    " LEFT JOIN folders f ON f.ino = c.parent"
    " LEFT JOIN (SELECT n.parent, count(*) AS folders FROM folders d JOIN nodes n ON n.ino = d.ino GROUP BY n.parent) s"
    "  ON s.parent = c.parent"
    " WHERE c.parent <> 1 AND c.entries <> ifnull(f.messages, 0) + ifnull(s.folders, 0)",
    "SELECT 1 FROM folders WHERE messages <> 0 AND (selectable = 0 OR ino NOT IN (SELECT parent FROM nodes))",
    // What should be a message is something else.
    "SELECT 1 FROM (SELECT total(kind = 0) AS mailboxes, total(kind = 1) AS folders, total(kind = 2) AS messages"
    " FROM nodes NOT INDEXED) WHERE mailboxes <> (SELECT count(*) FROM mailboxes)"
    " OR folders <> (SELECT count(*) FROM folders) OR messages <> (SELECT total(messages) FROM folders)",
    // A message has the folder's UIDVALIDITY, or is set aside.
    "SELECT 1 FROM folders f LEFT JOIN (SELECT folder, count(*) AS messages FROM aside GROUP BY folder) a"
    " ON a.folder = f.ino WHERE f.messages <> ifnull(a.messages, 0) + (SELECT count(*) FROM nodes n"
    " INDEXED BY nodes_uid WHERE n.parent = f.ino AND n.uid_validity = f.uid_validity)",
    "SELECT 1 FROM aside a LEFT JOIN nodes n ON n.ino = a.ino WHERE n.kind IS NOT 2 OR n.parent <> a.folder",
    "SELECT 1 WHERE (SELECT count(*) FROM sqlite_sequence WHERE name = 'nodes') <> 1",
    ("SELECT 1 FROM sqlite_sequence WHERE name = 'nodes'"
     " AND (typeof(seq) <> 'integer' OR seq < max(1000, (SELECT ifnull(max(ino), 0) FROM nodes)) OR seq > 1 << 53)"),
    "SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM meta WHERE key = 'id')",
};

}  // namespace

bool ContradictsItself(Database& database) {
  const auto has_rows = [&](const char* query) { return database.Prepare(query).Step(); };
  return std::any_of(std::begin(kContradictions), std::end(kContradictions), has_rows) || has_rows(kWrongLinks);
}

}  // namespace mailboxfs::store
