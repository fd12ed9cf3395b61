#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <tuple>

#include "mailboxfs/base/clock.h"
#include "mailboxfs/base/mutex.h"
#include "mailboxfs/model/mail_source.h"

namespace mailboxfs::mail {

// Messages of one mailbox whose fetching ended in trouble that may be theirs or the server's: a connection that broke,
// or a refusal. A message is to blame for trouble of the sort that passes if it meets the same three times within an
// hour, and others could be fetched each time in between; for a plain refusal at once, unless it is one of several that
// are refused while none is served. Thread-safe; forgets all when there are too many, which blames nobody.
class Suspects {
 public:
  // Where trouble was met: octets of the body that had come, or a refusal of the sort that passes.
  static constexpr uint64_t kRefused = UINT64_MAX;

  // `fetched`: bodies that this mailbox has fetched by now. True: the message is to blame, and forgotten.
  bool OnTrouble(const model::BodyRequest& message, uint64_t place, uint64_t fetched, base::MonoTime now);
  // A plain refusal. False: others were refused as well since the last one was fetched, so it is the server's trouble.
  bool OnRefused(const model::BodyRequest& message);
  void OnFetched(const model::BodyRequest& message);

 private:
  using Key = std::tuple<std::string, model::UidValidity, model::Uid>;
  struct Trouble {
    uint64_t place = 0;
    uint64_t fetched = 0;
    base::MonoTime since;
    unsigned times = 1;
  };

  static Key KeyOf(const model::BodyRequest& message);

  mutable base::Mutex mutex_;
  std::map<Key, Trouble> all_ GUARDED_BY(mutex_);
  std::set<Key> refused_ GUARDED_BY(mutex_);  // In a row.
};

}  // namespace mailboxfs::mail
