#pragma once

#include "cursor.h"
#include "mailboxfs/imap/response.h"

// Untagged data but FETCH. Each begins behind the keyword. All reentrant; all throw
// Error(kProtocol) for what is broken.
namespace mailboxfs::imap {

ListData ParseList(Cursor& cursor);
StatusData ParseStatusData(Cursor& cursor);
SearchData ParseSearch(Cursor& cursor);
// RFC 4731: nothing is known about the numbers unless ALL was returned: UnknownData then.
UntaggedData ParseESearch(Cursor& cursor);
// Nothing depends on it: what is broken is left out.
IdData ParseId(Cursor& cursor);

}  // namespace mailboxfs::imap
