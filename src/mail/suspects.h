#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <tuple>

#include "mailboxfs/base/mutex.h"
#include "mailboxfs/model/mail_source.h"

namespace mailboxfs::mail {

// Messages of one mailbox whose fetching ended in trouble that may be theirs or the server's: a connection that broke,
// or a refusal of the sort that passes. A message is to blame if it meets the same trouble again after another could
// be fetched. Thread-safe; forgets all when there are too many, which blames nobody.
class Suspects {
 public:
  // Where trouble was met: octets of the body that had come, or a refusal.
  static constexpr uint64_t kRefused = UINT64_MAX;

  // `fetched`: bodies that this mailbox has fetched by now. True: the message is to blame, and forgotten.
  bool OnTrouble(const model::BodyRequest& message, uint64_t place, uint64_t fetched);
  void Forget(const model::BodyRequest& message);

 private:
  using Key = std::tuple<std::string, model::UidValidity, model::Uid>;
  struct Trouble {
    uint64_t place = 0;
    uint64_t fetched = 0;
  };

  static Key KeyOf(const model::BodyRequest& message);

  mutable base::Mutex mutex_;
  std::map<Key, Trouble> all_ GUARDED_BY(mutex_);
};

}  // namespace mailboxfs::mail
