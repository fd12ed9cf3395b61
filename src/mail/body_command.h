#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "mail/connection.h"
#include "mailboxfs/model/mail_source.h"

namespace mailboxfs::mail {

// Fetches one body (model::MailSource::FetchBody) over one connection. Thread-bound; throws
// Error: kStale, kGone, kUnfetchable, kStub, kMessageFailed, kServer, kThrottled, kProtocol, kNetwork,
// kTimeout, kCancelled, and whatever the sink throws.
class BodyCommand final : private imap::ResponseReader::BodyHandler {
 public:
  // Borrows all.
  BodyCommand(Connection& connection, const model::BodyRequest& request, model::BodySink& sink);
  void Run();
  // Once it has been asked for: how many octets of the body have come.
  std::optional<uint64_t> received() const { return asked_ ? std::optional(received_) : std::nullopt; }
  // It was refused by words that also stand for trouble of the session, or of the whole server.
  bool doubtful_refusal() const { return doubtful_refusal_; }

 private:
  // EXAMINEs the folder, if need be or in any case.
  void Open(bool anew);
  imap::StatusResponse Fetch();
  void OnBodyBegin(const imap::FetchPrefix& prefix, uint64_t size) override;
  void OnBodyData(std::string_view bytes) override;
  void OnFetch(const imap::FetchData& fetch);
  void OnExpunge(uint32_t sequence);
  void RefuseOther(const std::optional<model::Uid>& uid) const;
  void TakeInline(const imap::FetchData& fetch, const imap::BodySectionData& section);
  void Finish(const imap::StatusResponse& status);
  [[noreturn]] void OnRefused(const imap::StatusResponse& status);
  void DeliverHeldBack();
  // Is the message still listed?
  bool Exists();
  bool IsFound();
  std::string What() const;

  Connection& connection_;
  const model::BodyRequest& request_;
  model::BodySink& sink_;
  uint32_t named_sequence_ = 0;  // Under which the message was named; 0: not yet.
  uint32_t body_sequence_ = 0;   // 0: no body has come.
  bool asked_ = false;
  bool doubtful_refusal_ = false;
  bool identified_ = false;
  bool empty_ = false;  // The body has no octets, or is NIL.
  bool nil_ = false;
  bool hold_back_ = false;  // Collect the body and look at it before the sink gets it.
  uint64_t size_ = 0;
  uint64_t received_ = 0;
  std::string held_;
};

}  // namespace mailboxfs::mail
