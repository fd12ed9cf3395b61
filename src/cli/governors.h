#pragma once

#include <map>
#include <memory>
#include <string>

#include "mailboxfs/base/mutex.h"
#include "mailboxfs/config/config.h"
#include "mailboxfs/json/json.h"
#include "mailboxfs/mail/governor.h"
#include "mailboxfs/store/index.h"

namespace mailboxfs::cli {

// One governor for each account; what it remembers is kept in an index, if there is one. Thread-safe.
class Governors {
 public:
  // Before the first For; `index` is borrowed.
  void KeepIn(store::Index& index) { index_ = &index; }
  std::shared_ptr<mail::Governor> For(const config::Account& account);
  // What has not been kept yet, is; before the index is closed.
  void Flush();
  // For `status`, by account.
  json::Value Report() const;

 private:
  store::Index* index_ = nullptr;
  mutable base::Mutex mutex_;
  std::map<std::string, std::shared_ptr<mail::Governor>> all_ GUARDED_BY(mutex_);
};

// What is kept, as text; what cannot be read counts as nothing.
std::string FormatMemory(const mail::Governor::Memory& memory);
mail::Governor::Memory ParseMemory(const std::string& text);

}  // namespace mailboxfs::cli
