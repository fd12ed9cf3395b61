#pragma once

#include <functional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "mail/connection.h"
#include "mail/fetch_items.h"
#include "mailboxfs/model/mail_source.h"

namespace mailboxfs::mail {

// What a refresh remembers over broken connections, so that one message whose header makes
// the server hang up cannot keep a folder from being listed. Thread-bound.
struct RefreshMemory {
  std::vector<model::Uid> in_flight;  // Asked for when the connection broke.
  std::set<model::Uid> suspects;      // To be asked for one by one.
  std::set<model::Uid> poison;        // Not to be asked for any more.
  unsigned poison_in_row = 0;         // Without any other message's answer in between.
  bool avoid_tail = false;            // The quick look at new mail broke the connection.
  bool avoid_dates = false;           // So did the question for dates without headers.
  bool progress = false;              // Something was learned in this attempt.

  // Is a further attempt likely to get further? A server that hangs up at every header shall not be
  // logged in to once for each message.
  bool MadeProgress() const {
    constexpr unsigned kMaxInRow = 3;
    constexpr size_t kMaxPoison = 20;
    const bool found_poison = in_flight.size() == 1 && suspects.contains(in_flight.front());
    return progress || (found_poison && poison_in_row < kMaxInRow && poison.size() < kMaxPoison);
  }
};

// Brings one folder up to date (model::MailSource::Refresh) over one connection. Nothing is
// ever reported vanished unless the server has named every message that it counts.
// Thread-bound; throws Error.
class RefreshCommand {
 public:
  // Borrows all. `between_batches` may use the connection for something more urgent.
  RefreshCommand(Connection& connection, const model::RefreshRequest& request, model::RefreshSink& sink,
                 RefreshMemory& memory, std::function<void()> between_batches);
  void Run();

 private:
  using Uids = std::span<const model::Uid>;

  void BlameInFlight();
  bool Unchanged() const;
  // Only new mail? Delivers it and returns true if nothing else can have happened.
  bool ListTail();
  bool IsWholeTail(model::Uid last, const std::vector<model::MessageInfo>& fresh);
  void ListAll();
  std::vector<FolderListing::Message> FetchListing();
  void Compare(const std::vector<FolderListing::Message>& listing);
  void AddMessages(const std::vector<FolderListing::Message>& fresh);
  void AddBatch(std::span<const FolderListing::Message> batch);
  void BetweenBatches();
  std::string_view HeaderItems() const;
  // Collects the items of `uids`, halving the set when the server refuses it.
  void Gather(Uids uids, FetchedItems& items);
  imap::StatusResponse FetchHeaders(const std::string& uid_set, FetchedItems& items);
  // What becomes of the messages about which nothing was said: the gone are told by a second listing,
  // the others are listed without date or header. Throws if it is rather the server's trouble.
  void SettleSilent();
  void AddIncomplete(const std::vector<FolderListing::Message>& silent);
  FetchedItems FetchDates(Uids uids);

  Connection& connection_;
  const model::RefreshRequest& request_;
  model::RefreshSink& sink_;
  RefreshMemory& memory_;
  std::function<void()> between_batches_;
  model::FolderState state_;
  std::vector<model::Uid> known_;    // Ascending.
  std::set<model::Uid> incomplete_;  // Of the known.
  std::vector<FolderListing::Message> silent_;
  bool answered_ = false;  // The server has told a header in this refresh.
  bool refused_for_now_ = false;
  uint64_t to_add_ = 0;
  uint64_t added_ = 0;
};

}  // namespace mailboxfs::mail
