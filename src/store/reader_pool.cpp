#include "reader_pool.h"

namespace mailboxfs::store {

ReaderPool::Lease ReaderPool::Take() {
  base::MutexLock lock(mutex_);
  while (free_.empty()) given_back_.Wait(mutex_);
  std::unique_ptr<Database> database = std::move(free_.back());
  free_.pop_back();
  return {*this, std::move(database)};
}

void ReaderPool::GiveBack(std::unique_ptr<Database> database) {
  {
    base::MutexLock lock(mutex_);
    free_.push_back(std::move(database));
  }
  given_back_.NotifyOne();
}

bool ReaderPool::damaged() {
  base::MutexLock lock(mutex_);
  for (const auto& database : free_) {
    if (database->damaged()) return true;
  }
  return false;
}

}  // namespace mailboxfs::store
