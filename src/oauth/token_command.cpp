#include "token_command.h"

#include <algorithm>
#include <string>
#include <string_view>

#include "json_members.h"
#include "mailboxfs/base/encoding.h"
#include "mailboxfs/base/error.h"
#include "mailboxfs/base/log.h"
#include "token_response.h"

namespace mailboxfs::oauth {
namespace {

using base::Error;
using base::ErrorKind;

std::string_view WithoutSpace(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  const size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string_view::npos) return "";
  return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

}  // namespace

TokenAnswer TokenCommandRequest::Ask(const base::Deadline& deadline, const base::WakeEvent& wake) {
  base::Secret output;
  try {
    output = grant_.run(deadline, wake);
  } catch (const Error& error) {
    const bool failed = error.kind() == ErrorKind::kConfig || error.kind() == ErrorKind::kLoginRefused;
    if (!failed) throw error.WithContext("cannot get an access token from " + grant_.name);
    return {Failure(error.kind(), error.what(), "command-failed")};
  }
  const std::string_view text = WithoutSpace(output.Reveal());
  if (text.empty()) return {Failure(ErrorKind::kConfig, "it printed nothing; try it by hand", "command-failed")};
  TokenGrant grant;
  json::Value value;
  if (text.front() == '{') {
    value = json::ParseLeniently(text);
    // RFC 6749's name, that of Azure's command line, and a short one.
    for (const std::string_view name : {"access_token", "accessToken", "token"}) {
      base::Secret member = TakeSecret(value, name);
      if (grant.value.empty()) grant.value = std::move(member);
    }
    TakeSecret(value, "refresh_token");
    if (grant.value.empty()) {
      return {Failure(ErrorKind::kConfig, "it printed JSON without \"access_token\"", "command-failed")};
    }
  } else {
    grant.value = base::Secret(std::string(text));
  }
  const std::string_view token = grant.value.Reveal();
  if (!IsTokenText(token)) {
    return {Failure(ErrorKind::kConfig, "it printed something else than one token; try it by hand", "command-failed")};
  }
  grant.lifetime = LifetimeOf(value, token, clock_.WallNow());
  return {std::move(grant)};
}

TokenFailure TokenCommandRequest::Failure(ErrorKind kind, const std::string& why, const std::string& cause) const {
  TokenRefusal refusal;
  refusal.cause = cause;
  refusal.description = why;
  return {Error(kind, base::Format("cannot get an access token from {}: {}", grant_.name, why)),
          Pause::kBackoff,
          {},
          refusal};
}

}  // namespace mailboxfs::oauth
