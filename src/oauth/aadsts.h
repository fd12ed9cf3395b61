#pragma once

#include <cstdint>
#include <string_view>

namespace mailboxfs::oauth {

// Microsoft Entra's error numbers ("AADSTS7000215"). They are for diagnosis and may change:
// only texts and the decision to try again depend on them. Both reentrant.

// What to do about it, one sentence; empty for an unknown code.
std::string_view AadstsHint(int64_t code);
// Throttling or an outage, whatever OAuth error comes with it.
bool AadstsIsTransient(int64_t code);

}  // namespace mailboxfs::oauth
