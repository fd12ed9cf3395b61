#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "context.h"
#include "facts.h"
#include "report.h"

namespace mailboxfs::check {

// The host that gives tokens: "authority-dns" and so on. True also if there is none to look at.
bool CheckAuthority(const Context& context, Subject& subject, const config::Account& account, const Facts& facts);

struct TenantAnswer {
  bool failed = false;
  std::string tenant_id;                           // A GUID, also if the configuration has a domain.
  std::optional<std::chrono::seconds> clock_skew;  // If an answer told.
};

// Microsoft's public description of a tenant, which needs no login: whether it exists, and in which cloud.
TenantAnswer CheckTenant(const Context& context, Subject& subject, const config::Account& account, Facts facts);

}  // namespace mailboxfs::check
