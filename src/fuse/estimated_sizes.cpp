#include "estimated_sizes.h"

namespace mailboxfs::fuse {
namespace {

size_t Word(uint64_t ino, uint64_t page_bits) { return static_cast<size_t>(ino % page_bits / 64); }
uint64_t Bit(uint64_t ino) { return uint64_t{1} << (ino % 64); }

}  // namespace

void EstimatedSizes::Add(tree::Ino ino) {
  base::MutexLock lock(mutex_);
  Page& page = pages_[ino / kPageBits];
  uint64_t& word = page.words[Word(ino, kPageBits)];
  if ((word & Bit(ino)) == 0) ++page.used;
  word |= Bit(ino);
}

bool EstimatedSizes::Contains(tree::Ino ino) const {
  base::MutexLock lock(mutex_);
  const auto found = pages_.find(ino / kPageBits);
  return found != pages_.end() && (found->second.words[Word(ino, kPageBits)] & Bit(ino)) != 0;
}

void EstimatedSizes::Remove(tree::Ino ino) {
  base::MutexLock lock(mutex_);
  const auto found = pages_.find(ino / kPageBits);
  if (found == pages_.end()) return;
  uint64_t& word = found->second.words[Word(ino, kPageBits)];
  if ((word & Bit(ino)) == 0) return;
  word &= ~Bit(ino);
  if (--found->second.used == 0) pages_.erase(found);
}

}  // namespace mailboxfs::fuse
