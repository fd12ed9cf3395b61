#pragma once

#include <cstdint>
#include <string_view>

namespace mailboxfs::oauth {

// Microsoft Entra's error numbers ("AADSTS7000215"). They are for diagnosis and may change: only texts, causes,
// and the decision to try again depend on them.
struct AadstsEntry {
  int64_t code;
  std::string_view cause;  // TokenRefusal::cause.
  std::string_view hint;   // What to do about it, one sentence; may be empty.
  bool transient = false;  // Throttling or an outage, whatever OAuth error comes with it.
};

// Null for an unknown code. Reentrant.
const AadstsEntry* FindAadsts(int64_t code);

}  // namespace mailboxfs::oauth
