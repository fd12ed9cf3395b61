#include "index_proof.h"

namespace mailboxfs::store {

namespace {

// A wrong key in an inner node of a search tree sends searches the wrong way, but then it is what stands next to the
// place where they end: before it or after it. There, too, an empty tree shows.
constexpr const char* kNames =
    "WITH before AS (SELECT ino, parent, name FROM nodes INDEXED BY nodes_name WHERE (parent, name) < (?1, ?2)"
    "  ORDER BY parent DESC, name DESC LIMIT 1),"
    " after AS (SELECT ino, parent, name FROM nodes INDEXED BY nodes_name WHERE (parent, name) > (?1, ?2)"
    "  ORDER BY parent, name LIMIT 1),"
    " near AS (SELECT * FROM before UNION ALL SELECT * FROM after)"
    " SELECT 1 FROM near k LEFT JOIN nodes n ON n.ino = k.ino WHERE n.parent IS NOT k.parent OR n.name IS NOT k.name"
    " UNION ALL SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM near WHERE parent = ?1)"
    "  AND EXISTS (SELECT 1 FROM nodes INDEXED BY nodes_parent WHERE parent = ?1)";

constexpr const char* kUids =
    "WITH before AS (SELECT ino, parent, uid_validity, uid FROM nodes INDEXED BY nodes_uid WHERE uid_validity IS NOT "
    "NULL"
    "  AND (parent, uid_validity, uid) < (?1, ?2, ?3)"
    "  ORDER BY parent DESC, uid_validity DESC, uid DESC LIMIT 1),"
    " after AS (SELECT ino, parent, uid_validity, uid FROM nodes INDEXED BY nodes_uid WHERE uid_validity IS NOT NULL"
    "  AND (parent, uid_validity, uid) > (?1, ?2, ?3)"
    "  ORDER BY parent, uid_validity, uid LIMIT 1),"
    " near AS (SELECT * FROM before UNION ALL SELECT * FROM after)"
    " SELECT 1 FROM near k LEFT JOIN nodes n ON n.ino = k.ino"
    "  WHERE n.parent IS NOT k.parent OR n.uid_validity IS NOT k.uid_validity OR n.uid IS NOT k.uid"
    " UNION ALL SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM near WHERE parent = ?1)"
    "  AND EXISTS (SELECT 1 FROM folders WHERE ino = ?1 AND messages <> 0)";

constexpr const char* kPage =
    "SELECT 1 FROM nodes NOT INDEXED WHERE ino = ?2 AND parent = ?1"
    " AND NOT EXISTS (SELECT 1 FROM nodes INDEXED BY nodes_parent WHERE parent = ?1 AND ino = ?2)";

// The messages and the folders below it; of the root, the mailboxes.
constexpr const char* kEnd =
    "SELECT 1 WHERE (SELECT count(*) FROM nodes INDEXED BY nodes_parent WHERE parent = ?1) <>"
    " ifnull((SELECT messages FROM folders WHERE ino = ?1), 0)"
    " + (SELECT count(*) FROM folders d JOIN nodes n ON n.ino = d.ino"
    "    WHERE d.mailbox = ifnull((SELECT mailbox FROM folders WHERE ino = ?1), ?1) AND n.parent = ?1)"
    " + CASE ?1 WHEN 1 THEN (SELECT count(*) FROM mailboxes) ELSE 0 END";

}  // namespace

bool ContradictsAbsence(Database& database, Ino parent, std::string_view name) {
  return database.Prepare(kNames).Bind(parent).Bind(name).Step();
}

bool ContradictsAbsence(Database& database, Ino folder, model::UidValidity uid_validity, model::Uid uid) {
  return database.Prepare(kUids).Bind(folder).Bind(uid_validity).Bind(uid).Step();
}

bool ContradictsPage(Database& database, Ino parent, Ino entry) {
  return database.Prepare(kPage).Bind(parent).Bind(entry).Step();
}

bool ContradictsEnd(Database& database, Ino parent) { return database.Prepare(kEnd).Bind(parent).Step(); }

}  // namespace mailboxfs::store
