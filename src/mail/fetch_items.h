#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "mailboxfs/imap/response.h"
#include "mailboxfs/model/types.h"

// What FETCH responses said, put together. All thread-bound.
namespace mailboxfs::mail {

// Flags in the model's form: sorted, without doubles and \Recent (which belongs to the
// session, not to the message), the system flags in their usual spelling; of hostile many, the first.
std::string JoinFlags(const std::vector<std::string>& flags);

// The messages of a folder by sequence number while all of them are being listed. It knows
// whether the server has named every message that was there when it started, so that
// a short answer cannot pass for a folder with fewer messages.
class FolderListing {
 public:
  // `exists`: as told when the folder was opened. Throws Error(kProtocol) if that is absurd.
  explicit FolderListing(uint32_t exists);

  // All three throw Error(kProtocol) for what cannot be true.
  void OnFetch(const imap::FetchData& fetch);
  void OnExpunge(uint32_t sequence);
  void OnExists(uint32_t count);

  struct Message {
    model::Uid uid = 0;  // 0: not named yet.
    std::string flags;
    bool has_flags = false;
  };
  // All messages that were named and not expunged since, in ascending order of UID. Throws
  // Error(kProtocol) unless all that were there at the start are among them, each once.
  std::vector<Message> Take();

 private:
  void SetCount(size_t count);
  uint32_t NewSlot();

  std::vector<Message> messages_;  // As they are named; an expunged one is empty.
  std::vector<uint32_t> free_;     // The empty ones, for others.
  std::vector<uint32_t> order_;    // Of them, by sequence number - 1: small, as each EXPUNGE moves what follows.
  size_t expected_ = 0;            // The first so many messages were there at the start.
  size_t count_ = 0;               // There are so many now.
  size_t flag_octets_ = 0;
};

// The items of single messages, merged over several responses.
class FetchedItems {
 public:
  struct Item {
    std::optional<model::Uid> uid;
    std::optional<std::string> flags;
    std::optional<int64_t> internal_date;
    std::optional<uint64_t> size;
    std::optional<std::string> header;
    std::optional<uint64_t> shared_id;
    // More than the FLAGS that a server may send on its own.
    bool Answered() const { return size || internal_date || header; }
    bool Complete() const { return internal_date && size && header; }
  };

  // Throws Error(kProtocol) when it becomes more than anybody has asked for.
  void OnFetch(imap::FetchData& fetch);
  void OnExpunge(uint32_t sequence);
  // Ends one command: responses of the next one are not merged by sequence number.
  void EndCommand();

  // Null if the server said nothing about it.
  const Item* Find(model::Uid uid) const;
  const std::map<model::Uid, Item>& by_uid() const { return by_uid_; }

 private:
  std::map<uint32_t, Item> by_sequence_;
  std::map<model::Uid, Item> by_uid_;
  size_t octets_ = 0;
};

}  // namespace mailboxfs::mail
