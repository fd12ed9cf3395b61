#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "mailboxfs/base/mutex.h"
#include "sqlite.h"

namespace mailboxfs::store {

// A few connections for reading. Thread-safe.
//
//   auto reader = pool.Take();
//   reader->Prepare(...)
class ReaderPool {
 public:
  class Lease {
   public:
    Lease(ReaderPool& pool, std::unique_ptr<Database> database) : pool_(pool), database_(std::move(database)) {}
    ~Lease() { pool_.GiveBack(std::move(database_)); }
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    Database* operator->() const { return database_.get(); }
    Database& operator*() const { return *database_; }

   private:
    ReaderPool& pool_;
    std::unique_ptr<Database> database_;
  };

  explicit ReaderPool(std::vector<std::unique_ptr<Database>> databases) : free_(std::move(databases)) {}

  // Waits until a connection is free.
  Lease Take() EXCLUDES(mutex_);
  // Whether a connection has met damage. All connections must have been given back.
  bool damaged() EXCLUDES(mutex_);

 private:
  void GiveBack(std::unique_ptr<Database> database) EXCLUDES(mutex_);

  base::Mutex mutex_;
  base::CondVar given_back_;
  std::vector<std::unique_ptr<Database>> free_ GUARDED_BY(mutex_);
};

}  // namespace mailboxfs::store
