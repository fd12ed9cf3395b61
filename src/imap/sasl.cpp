#include "mailboxfs/imap/sasl.h"

#include "failure_challenge.h"
#include "mailboxfs/base/encoding.h"
#include "mailboxfs/base/error.h"

namespace mailboxfs::imap {
namespace {

constexpr std::string_view kControl = "\x01";

void CheckOctets(std::string_view what, std::string_view value, std::string_view forbidden) {
  if (value.find_first_of(forbidden) == std::string_view::npos) return;
  throw base::Error(base::ErrorKind::kConfig, "the " + std::string(what) +
                                                  " for the login has a line break or another octet that is not " +
                                                  "allowed there; check its source for a stray end of line");
}

void CheckUser(std::string_view user) { CheckOctets("user name", user, {"\r\n\0\x01", 4}); }
void CheckToken(const base::Secret& token) { CheckOctets("access token", token.Reveal(), {"\r\n\0\x01 ", 5}); }

// Concatenates without leaving copies behind in memory that is freed.
base::Secret EncodeJoined(std::initializer_list<std::string_view> parts) {
  size_t size = 0;
  for (const std::string_view part : parts) size += part.size();
  std::string plain;
  plain.reserve(size);
  for (const std::string_view part : parts) plain.append(part);
  const base::Secret secret(std::move(plain));
  return base::Secret(base::Base64Encode(secret.Reveal()));
}

// RFC 5801 "saslname".
std::string EscapeSaslName(std::string_view name) {
  std::string escaped;
  for (const char c : name) {
    if (c == '=') {
      escaped.append("=3D");
    } else if (c == ',') {
      escaped.append("=2C");
    } else {
      escaped.push_back(c);
    }
  }
  return escaped;
}

}  // namespace

base::Secret XOAuth2Response(std::string_view user, const base::Secret& token) {
  CheckUser(user);
  CheckToken(token);
  return EncodeJoined({"user=", user, kControl, "auth=Bearer ", token.Reveal(), kControl, kControl});
}

base::Secret OAuthBearerResponse(std::string_view user, std::string_view host, uint16_t port,
                                 const base::Secret& token) {
  CheckUser(user);
  CheckOctets("host name", host, {"\r\n\0\x01", 4});
  CheckToken(token);
  return EncodeJoined({"n,a=", EscapeSaslName(user), ",", kControl, "host=", host, kControl,
                       "port=", std::to_string(port), kControl, "auth=Bearer ", token.Reveal(), kControl, kControl});
}

base::Secret PlainResponse(std::string_view user, const base::Secret& password) {
  CheckUser(user);
  CheckOctets("password", password.Reveal(), {"\r\n\0\x01", 4});
  constexpr std::string_view kNul("\0", 1);
  return EncodeJoined({kNul, user, kNul, password.Reveal()});
}

std::string DescribeFailureChallenge(std::string_view base64_challenge) {
  const std::optional<std::string> json = base::Base64Decode(base64_challenge);
  if (!json) return base::Printable(base64_challenge);
  std::string description;
  for (const ChallengeField& field : ParseChallengeFields(*json)) {
    constexpr size_t kShown = 100;
    if (field.name == "schemes" || field.value.empty()) continue;
    if (!description.empty()) description.append(", ");
    description.append(base::Printable(field.name, kShown)).append(" ").append(base::Printable(field.value, kShown));
  }
  return description.empty() ? base::Printable(*json) : description;
}

}  // namespace mailboxfs::imap
