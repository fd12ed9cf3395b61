#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "context.h"
#include "facts.h"
#include "mailboxfs/oauth/token_source.h"
#include "report.h"

namespace mailboxfs::check {

// The certificate that the client shows, if it has one: thumbprint and dates. False: it cannot be used.
bool CheckCertificate(const Context& context, Subject& subject, const config::Account& account, Facts& facts);

struct TokenResult {
  std::optional<oauth::AccessToken> token;  // nullopt: there is none, and that was said.
  std::optional<std::chrono::seconds> clock_skew;
  std::chrono::seconds expires_in{};
};

TokenResult CheckToken(const Context& context, Subject& subject, const config::Account& account,
                       oauth::TokenSource& tokens, Facts& facts);

// Why there is no token: "secret-wrong"; `status` is that of the source after it failed.
std::string TokenCause(const base::Error& error, const oauth::TokenStatus& status, const config::AuthConfig& auth);

}  // namespace mailboxfs::check
