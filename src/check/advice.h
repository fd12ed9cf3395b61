#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "facts.h"
#include "mailboxfs/config/config.h"

namespace mailboxfs::check {

// What to do about one cause. Lines to be pasted begin with four spaces; names in braces are Facts, but for {log_in}:
// how a person's login is renewed with the account's method.
struct Advice {
  std::string_view cause;
  std::string_view text;
  // Where it is not the same for all; of several rows the first that fits counts.
  std::optional<config::Vendor> vendor = std::nullopt;
  std::optional<config::AuthMethod> method = std::nullopt;
};

// All rows for token requests and claims, and for hosts and mailboxes.
std::span<const Advice> TokenAdvice();
std::span<const Advice> MailboxAdvice();

// Empty if there is none. Reentrant.
std::string AdviceFor(std::string_view cause, const config::Account& account, const Facts& facts);

}  // namespace mailboxfs::check
