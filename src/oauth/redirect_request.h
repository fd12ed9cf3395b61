#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "mailboxfs/base/secret.h"

namespace mailboxfs::oauth {

// What a browser asked of the RedirectListener.
struct RedirectAnswer {
  // The server's answer to the login: a code, or an error in words that can be shown.
  base::Secret code;
  std::string error;
  std::string description;
};

// Why it is none, as HTTP says it: 400, 404, 405.
struct NoRedirect {
  int status = 400;
};

// `head` is an HTTP request up to its empty line. Reentrant.
std::variant<RedirectAnswer, NoRedirect> ParseRedirect(std::string_view head, const base::Secret& state);

// The page that the browser shows for it, with its HTTP head. Reentrant.
std::string RedirectPage(const std::variant<RedirectAnswer, NoRedirect>& answer);

}  // namespace mailboxfs::oauth
