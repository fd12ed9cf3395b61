#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "mail/connection.h"
#include "mailboxfs/model/mail_source.h"

namespace mailboxfs::mail {

// Fetches several bodies over one connection, by one command (model::MailSource::FetchAhead): a round trip for all.
// Only what is certain is given to a sink: a body that is complete, not empty, not a placeholder, and whose UID stands
// in the same response. Everything else remains for BodyCommand, which judges with more patience. Holds one body at a
// time in memory. Thread-bound; throws Error, kThrottled and whatever breaks a connection.
class AheadCommand final : private imap::ResponseReader::BodyHandler {
 public:
  // Larger ones are left to who waits for them.
  static constexpr uint64_t kMaxOctets = uint64_t{4} << 20U;

  // Borrows all. Who has got his body is taken out of `wanted`, before his `done` is called.
  AheadCommand(Connection& connection, std::map<model::Uid, model::AheadRequest>& wanted);
  void Run();

 private:
  imap::StatusResponse Fetch(const std::string& uid_set);
  void OnBodyBegin(const imap::FetchPrefix& prefix, uint64_t size) override;
  void OnBodyData(std::string_view bytes) override;
  void OnFetch(const imap::FetchData& fetch);
  void Deliver(model::Uid uid);

  Connection& connection_;
  std::map<model::Uid, model::AheadRequest>& wanted_;
  uint32_t sequence_ = 0;  // Whose body is held; 0: nobody's.
  uint64_t size_ = 0;
  uint64_t received_ = 0;
  std::string held_;
};

}  // namespace mailboxfs::mail
