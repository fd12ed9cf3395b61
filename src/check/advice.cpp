#include "advice.h"

namespace mailboxfs::check {
namespace {

using config::AuthMethod;

// What "{log_in}" stands for in a text: a login of our own serves only methods that have one.
std::string_view LogIn(AuthMethod method) {
  switch (method) {
    case AuthMethod::kDeviceCode:
    case AuthMethod::kAuthorizationCode: return "Log in:\n    {login_command}";
    case AuthMethod::kRefreshToken:
      return "Get a new refresh token with the program that got the old one, and put it where \"refresh_token\" of the "
             "account {account} says.";
    case AuthMethod::kTokenCommand: return "Log in again with the program that \"command\" of {account} runs.";
    default:
      return "That is about a person's login, and the account {account} is none: whoever registered its client must "
             "look after it.";
  }
}

std::string WithLogIn(std::string_view text, AuthMethod method) {
  constexpr std::string_view kName = "{log_in}";
  std::string whole(text);
  if (const size_t at = whole.find(kName); at != std::string::npos) whole.replace(at, kName.size(), LogIn(method));
  return whole;
}

}  // namespace

std::string AdviceFor(std::string_view cause, const config::Account& account, const Facts& facts) {
  for (const std::span<const Advice> table : {TokenAdvice(), MailboxAdvice()}) {
    for (const Advice& advice : table) {
      const bool fits = advice.cause == cause && advice.vendor.value_or(account.vendor) == account.vendor &&
                        advice.method.value_or(account.auth.method) == account.auth.method;
      if (fits) return facts.Fill(WithLogIn(advice.text, account.auth.method));
    }
  }
  return "";
}

}  // namespace mailboxfs::check
