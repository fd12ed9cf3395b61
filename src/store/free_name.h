#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "mailboxfs/store/index.h"

namespace mailboxfs::store {

// `name` with "~<number>" before the ".<uid>.eml" or the last extension of a message's name, or
// at the end of a folder's; the part before it is cut at a character so that the whole has at
// most 255 bytes. Reentrant.
std::string NumberedName(std::string_view name, NodeKind kind, uint64_t number);

// The first numbered name, from 2, that is not taken, found in O(log n) questions: a thousand
// messages of one name must not ask a million. If there are gaps in the numbers it is one that
// is free, not always the lowest. `taken`: bool(const std::string&).
template <typename Taken>
std::string FreeNumberedName(std::string_view name, NodeKind kind, Taken taken) {
  uint64_t highest_taken = 1;
  uint64_t lowest_free = 2;
  while (taken(NumberedName(name, kind, lowest_free))) {
    highest_taken = lowest_free;
    lowest_free *= 2;
  }
  while (lowest_free - highest_taken > 1) {
    const uint64_t middle = highest_taken + (lowest_free - highest_taken) / 2;
    (taken(NumberedName(name, kind, middle)) ? highest_taken : lowest_free) = middle;
  }
  return NumberedName(name, kind, lowest_free);
}

}  // namespace mailboxfs::store
