#pragma once

#include "mailboxfs/base/clock.h"
#include "mailboxfs/oauth/grants.h"
#include "token_request.h"

namespace mailboxfs::oauth {

// A program's output as a token. A program that fails is not run again at once, but after a while.
class TokenCommandRequest final : public TokenRequest {
 public:
  // `clock` is borrowed.
  TokenCommandRequest(TokenCommand grant, const base::Clock& clock) : grant_(std::move(grant)), clock_(clock) {}
  TokenAnswer Ask(const base::Deadline& deadline, const base::WakeEvent& wake) override;

 private:
  TokenFailure Failure(base::ErrorKind kind, const std::string& why, const std::string& cause) const;

  const TokenCommand grant_;
  const base::Clock& clock_;
};

}  // namespace mailboxfs::oauth
