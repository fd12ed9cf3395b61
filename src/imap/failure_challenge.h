#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace mailboxfs::imap {

struct ChallengeField {
  std::string name;
  std::string value;
};

// The strings and numbers of the flat JSON object that a server refuses a token with (RFC 7628
// section 3.2.2), as many as can be read. For showing only: nothing is decided by it. Reentrant.
std::vector<ChallengeField> ParseChallengeFields(std::string_view json);

}  // namespace mailboxfs::imap
