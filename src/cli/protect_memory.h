#pragma once

namespace mailboxfs::cli {

// Secrets live in memory: from now on neither core dumps nor other processes of this user get
// at it. Call before anything is read; for the whole process, lasting. Programs that it starts
// inherit the former only.
void ProtectMemory() noexcept;

}  // namespace mailboxfs::cli
