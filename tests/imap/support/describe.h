#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "mailboxfs/imap/response.h"

namespace mailboxfs::imap::testing {

// A response in one line, everything it says and nothing else.
std::string Describe(const Response& response);

// How ReadAll feeds and reads.
struct ReadOptions {
  size_t chunk = 0;      // Octets per Push; 0: all at once.
  bool stream = false;   // With a BodyHandler; what it got is put back into the response.
  size_t first_cut = 0;  // If not 0, the first Push has this many octets, the second all others.
};

// Reads all responses of `input` and describes them; a protocol error is described as "error"
// and ends it; the last line tells whether the input ended between two responses.
std::vector<std::string> ReadAll(std::string_view input, const ReadOptions& options);

}  // namespace mailboxfs::imap::testing
