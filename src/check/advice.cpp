#include "advice.h"

namespace mailboxfs::check {

std::string AdviceFor(std::string_view cause, const config::Account& account, const Facts& facts) {
  for (const std::span<const Advice> table : {TokenAdvice(), MailboxAdvice()}) {
    for (const Advice& advice : table) {
      const bool fits = advice.cause == cause && advice.vendor.value_or(account.vendor) == account.vendor &&
                        advice.method.value_or(account.auth.method) == account.auth.method;
      if (fits) return facts.Fill(advice.text);
    }
  }
  return "";
}

}  // namespace mailboxfs::check
