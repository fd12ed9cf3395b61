#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "mailboxfs/base/secret.h"

// SASL initial responses, already in Base64. Reentrant. All throw
// base::Error(kConfig) if the user or token has octets that would break the framing
// (CR, LF, NUL, %x01; in tokens also space).
namespace mailboxfs::imap {

// Google's and Microsoft's: base64("user=" user ^A "auth=Bearer " token ^A ^A).
base::Secret XOAuth2Response(std::string_view user, const base::Secret& token);
// RFC 7628 section 3.1; host and port are those connected to; "=" and "," in user escaped.
base::Secret OAuthBearerResponse(std::string_view user, std::string_view host, uint16_t port,
                                 const base::Secret& token);
// RFC 4616: base64(NUL user NUL password).
base::Secret PlainResponse(std::string_view user, const base::Secret& password);

// What to answer to the failure challenge, so that the tagged NO can come.
inline constexpr std::string_view kXOAuth2FailureAnswer;               // An empty line.
inline constexpr std::string_view kOAuthBearerFailureAnswer = "AQ==";  // RFC 7628 section 3.2.3.

// The human part of the JSON of a failure challenge ("status 401, scope mail"), printable.
std::string DescribeFailureChallenge(std::string_view base64_challenge);

}  // namespace mailboxfs::imap
