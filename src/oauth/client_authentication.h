#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "mailboxfs/base/clock.h"
#include "mailboxfs/base/secret.h"
#include "mailboxfs/oauth/grants.h"
#include "mailboxfs/oauth/token_source.h"

namespace mailboxfs::oauth {

// What goes into the form to show who the client is.
struct ClientProof {
  std::vector<std::pair<std::string, std::string>> fields{};  // Nothing secret.
  std::string secret_field{};                                 // Empty: there is nothing to show.
  base::Secret secret{};
  bool dated = false;                       // It holds times of our clock.
  std::optional<base::WallTime> expires{};  // The certificate's end.
  std::string thumbprint{};                 // The certificate's, as CertificateFacts::sha1.
};

// `audience` is the token endpoint's URL. Throws Error(kConfig): what the secret is made of cannot be read, or
// does not fit together. Reentrant.
ClientProof ProveClient(const ClientAuthentication& authentication, std::string_view client_id,
                        std::string_view audience, base::WallTime now);

// What to do about a refusal, if it is this proof's fault in a way that can be named. Reentrant.
std::string AdviseOnProof(const ClientProof& proof, const TokenRefusal& refusal);

}  // namespace mailboxfs::oauth
