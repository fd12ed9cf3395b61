#include "mail/fetch_items.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "mailboxfs/base/encoding.h"
#include "mailboxfs/base/error.h"
#include "mailboxfs/base/log.h"

namespace mailboxfs::mail {
namespace {

using base::Error;
using base::ErrorKind;

// More messages in one folder are a lie that would fill the memory.
constexpr size_t kMaxMessages = 20'000'000;
// Servers name messages in order; a number far ahead would allocate memory for nothing.
constexpr size_t kMaxGap = 100'000;
// What a name is made of fits into much less.
constexpr size_t kMaxHeaderOctets = 64 * 1024;
constexpr size_t kMaxItemOctets = 64 * 1024 * 1024;
constexpr size_t kItemOctets = 200;  // Of memory, without its header.
// Of one message; of all in one listing.
constexpr size_t kMaxFlagOctets = 4 * 1024;
constexpr size_t kMaxAllFlagOctets = 256 * 1024 * 1024;

}  // namespace

std::string JoinFlags(const std::vector<std::string>& flags) {
  constexpr std::array<std::string_view, 5> kSystem = {"\\Answered", "\\Deleted", "\\Draft", "\\Flagged", "\\Seen"};
  std::vector<std::string> words;
  for (const std::string& flag : flags) {
    if (flag.empty() || base::EqualsIgnoreCase(flag, "\\Recent")) continue;
    const auto* const system = std::find_if(kSystem.begin(), kSystem.end(),
                                            [&](std::string_view name) { return base::EqualsIgnoreCase(flag, name); });
    words.emplace_back(system == kSystem.end() ? std::string_view(flag) : *system);
  }
  std::sort(words.begin(), words.end());
  words.erase(std::unique(words.begin(), words.end()), words.end());
  std::string joined;
  for (const std::string& word : words) {
    if (joined.size() + word.size() >= kMaxFlagOctets) break;
    if (!joined.empty()) joined += ' ';
    joined += word;
  }
  return joined;
}

FolderListing::FolderListing(uint32_t exists) : expected_(exists) { SetCount(exists); }

void FolderListing::SetCount(size_t count) {
  if (count > kMaxMessages) {
    throw Error(ErrorKind::kProtocol, base::Format("the server claims {} messages in one folder", count));
  }
  count_ = count;
}

uint32_t FolderListing::NewSlot() {
  if (free_.empty()) {
    messages_.emplace_back();
    return static_cast<uint32_t>(messages_.size() - 1);
  }
  const uint32_t slot = free_.back();
  free_.pop_back();
  return slot;
}

void FolderListing::OnFetch(const imap::FetchData& fetch) {
  if (fetch.sequence == 0 || fetch.sequence > count_ || fetch.sequence > order_.size() + kMaxGap) {
    throw Error(ErrorKind::kProtocol,
                base::Format("the server sent a message with the number {} of {}", fetch.sequence, count_));
  }
  while (fetch.sequence > order_.size()) order_.push_back(NewSlot());
  Message& message = messages_[order_[fetch.sequence - 1]];
  if (fetch.uid) {
    if (message.uid != 0 && message.uid != *fetch.uid) {
      throw Error(ErrorKind::kProtocol, base::Format("the server gave message number {} the UIDs {} and {}",
                                                     fetch.sequence, message.uid, *fetch.uid));
    }
    message.uid = *fetch.uid;
  }
  if (fetch.flags) {
    message.flags = JoinFlags(*fetch.flags);
    message.has_flags = true;
    flag_octets_ += message.flags.size();
    if (flag_octets_ > kMaxAllFlagOctets) {
      throw Error(ErrorKind::kProtocol, "the server sends more flags than a folder can have");
    }
  }
}

void FolderListing::OnExpunge(uint32_t sequence) {
  if (sequence == 0 || sequence > count_) {
    throw Error(ErrorKind::kProtocol, base::Format("the server removed message number {} of {}", sequence, count_));
  }
  if (sequence <= order_.size()) {
    const uint32_t slot = order_[sequence - 1];
    messages_[slot] = {};
    free_.push_back(slot);
    order_.erase(order_.begin() + (sequence - 1));
  }
  if (sequence <= expected_) --expected_;
  --count_;
}

void FolderListing::OnExists(uint32_t count) {
  // EXISTS never goes down without EXPUNGE (RFC 3501 section 7.3.1).
  if (count < count_) {
    throw Error(ErrorKind::kProtocol,
                base::Format("the server's message count fell from {} to {} without a word", count_, count));
  }
  SetCount(count);
}

std::vector<FolderListing::Message> FolderListing::Take() {
  const size_t reached = std::min(order_.size(), expected_);
  const auto unnamed = std::count_if(order_.begin(), order_.begin() + static_cast<ptrdiff_t>(reached),
                                     [this](uint32_t slot) { return messages_[slot].uid == 0; });
  const size_t missing = expected_ - reached + static_cast<size_t>(unnamed);
  if (missing > 0) {
    throw Error(ErrorKind::kProtocol,
                base::Format("the server listed only {} of {} messages", expected_ - missing, expected_));
  }
  std::vector<Message> messages = std::move(messages_);
  messages.erase(std::remove_if(messages.begin(), messages.end(), [](const Message& m) { return m.uid == 0; }),
                 messages.end());
  std::sort(messages.begin(), messages.end(), [](const Message& a, const Message& b) { return a.uid < b.uid; });
  const auto twin = std::adjacent_find(messages.begin(), messages.end(),
                                       [](const Message& a, const Message& b) { return a.uid == b.uid; });
  if (twin != messages.end()) {
    throw Error(ErrorKind::kProtocol, base::Format("the server gave two messages the UID {}", twin->uid));
  }
  return messages;
}

void FetchedItems::OnFetch(imap::FetchData& fetch) {
  Item& item = by_sequence_[fetch.sequence];
  if (fetch.uid) item.uid = fetch.uid;
  if (fetch.flags) item.flags = JoinFlags(*fetch.flags);
  if (fetch.internal_date) item.internal_date = fetch.internal_date;
  if (fetch.rfc822_size) item.size = fetch.rfc822_size;
  if (fetch.gmail_message_id) item.shared_id = fetch.gmail_message_id;
  for (imap::BodySectionData& section : fetch.sections) {
    if (base::AsciiUpper(std::string_view(section.section).substr(0, 6)) != "HEADER") continue;
    std::string header = std::move(section.content).value_or(std::string());
    // Not cut in place, which would keep all its memory.
    item.header = header.size() > kMaxHeaderOctets ? header.substr(0, kMaxHeaderOctets) : std::move(header);
    octets_ += item.header->size();
  }
  octets_ += kItemOctets + (item.flags ? item.flags->size() : 0);
  if (octets_ > kMaxItemOctets) {
    throw Error(ErrorKind::kProtocol, "the server sends more about messages than was asked for");
  }
  if (item.uid) by_uid_[*item.uid] = item;
}

void FetchedItems::OnExpunge(uint32_t sequence) {
  std::map<uint32_t, Item> shifted;
  for (auto& [number, item] : by_sequence_) {
    if (number != sequence) shifted.emplace(number > sequence ? number - 1 : number, std::move(item));
  }
  by_sequence_ = std::move(shifted);
}

void FetchedItems::EndCommand() {
  by_sequence_.clear();
  octets_ = 0;
}

const FetchedItems::Item* FetchedItems::Find(model::Uid uid) const {
  const auto found = by_uid_.find(uid);
  return found == by_uid_.end() ? nullptr : &found->second;
}

}  // namespace mailboxfs::mail
