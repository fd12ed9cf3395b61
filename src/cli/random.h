#pragma once

namespace mailboxfs::cli {

// In [0, 1). Jitter for back-off and renewal; needs no cryptographic quality. Thread-safe.
double RandomUnit();

}  // namespace mailboxfs::cli
