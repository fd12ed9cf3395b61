#pragma once

#include <string>

#include "context.h"
#include "facts.h"
#include "report.h"
#include "token.h"

namespace mailboxfs::check {

struct ClaimsResult {
  bool usable = true;   // False: no login can succeed with it, and that was said.
  bool person = false;  // It speaks for a person, not for an application.
};

// What the token says of itself; adds who it speaks for to `facts`. `tenant_id`: where it should be from; may be empty.
ClaimsResult CheckClaims(const Context& context, Subject& subject, const config::Account& account,
                         const TokenResult& token, const std::string& tenant_id, Facts& facts);

}  // namespace mailboxfs::check
