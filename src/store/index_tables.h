#pragma once

#include <string>
#include <string_view>

#include "mailboxfs/store/index.h"
#include "sqlite.h"

// Steps that changes of the index are made of; each runs inside the caller's transaction.
// Thread-bound, as the Database.
namespace mailboxfs::store {

// `name`, or the first numbered form of it that is free in `parent`.
std::string FreeName(Database& database, Ino parent, std::string_view name, NodeKind kind);

// The contents of `directory` have changed.
void Touch(Database& database, Ino directory, int64_t now);

}  // namespace mailboxfs::store
