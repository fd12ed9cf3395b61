#include "client_authentication.h"

#include <openssl/rand.h>

#include <array>
#include <cctype>

#include "jwt.h"
#include "mailboxfs/base/encoding.h"
#include "mailboxfs/base/error.h"
#include "mailboxfs/base/log.h"
#include "mailboxfs/json/json.h"
#include "mailboxfs/oauth/claims.h"
#include "signing_key.h"

namespace mailboxfs::oauth {
namespace {

using base::Error;
using base::ErrorKind;
using std::chrono::seconds;

constexpr seconds kAssertionLifetime{300};
// Endpoints refuse what is not valid yet, and clocks differ.
constexpr seconds kAssertionSkew{60};

// A random UUID (RFC 4122 section 4.4).
std::string NewUuid() {
  std::array<unsigned char, 16> bytes{};
  if (RAND_bytes(bytes.data(), bytes.size()) != 1) throw Error(ErrorKind::kInternal, "OpenSSL has no random numbers");
  bytes[6] = static_cast<unsigned char>((bytes[6] & 0x0fU) | 0x40U);
  bytes[8] = static_cast<unsigned char>((bytes[8] & 0x3fU) | 0x80U);
  std::string text = base::HexEncode({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  for (const size_t dash : {20U, 16U, 12U, 8U}) text.insert(dash, 1, '-');
  return text;
}

std::string Thumbprint(const std::string& digest) { return base::AsciiUpper(base::HexEncode(digest)); }

struct Signer {
  SigningKey key;
  Certificate certificate;
};

Signer ReadSigner(const ClientCertificate& credential) {
  Signer signer{SigningKey(credential.private_key(), credential.passphrase ? credential.passphrase() : base::Secret()),
                Certificate(credential.certificate().Reveal())};
  if (!signer.certificate.IsOf(signer.key)) {
    throw Error(ErrorKind::kConfig,
                "private_key: it is not that of the certificate; name the key that the certificate was made with");
  }
  return signer;
}

ClientProof ByAssertion(base::Secret assertion) {
  ClientProof proof;
  proof.fields = {{"client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}};
  proof.secret_field = "client_assertion";
  proof.secret = std::move(assertion);
  return proof;
}

ClientProof ByCertificate(const ClientCertificate& credential, std::string_view client_id, std::string_view audience,
                          base::WallTime now) {
  const Signer signer = ReadSigner(credential);
  json::Value header = json::Value::MakeObject();
  header.Set("alg", AlgorithmName(credential.algorithm));
  header.Set("typ", "JWT");
  header.Set("x5t#S256", base::Base64UrlEncode(signer.certificate.sha256()));
  json::Value payload = json::Value::MakeObject();
  payload.Set("aud", audience);
  payload.Set("iss", client_id);
  payload.Set("sub", client_id);
  payload.Set("jti", NewUuid());
  payload.Set("iat", UnixSeconds(now));
  payload.Set("nbf", UnixSeconds(now - kAssertionSkew));
  payload.Set("exp", UnixSeconds(now + kAssertionLifetime));
  ClientProof proof = ByAssertion(signer.key.Sign(credential.algorithm, json::Dump(header), json::Dump(payload)));
  proof.dated = true;
  proof.expires = signer.certificate.not_after();
  proof.thumbprint = Thumbprint(signer.certificate.sha1());
  return proof;
}

// The file's white space is not the token's.
base::Secret Trimmed(const base::Secret& text) {
  constexpr std::string_view kSpace = " \t\r\n";
  const std::string_view all = text.Reveal();
  const size_t begin = std::min(all.find_first_not_of(kSpace), all.size());
  const size_t end = all.find_last_not_of(kSpace);
  return base::Secret(std::string(all.substr(begin, end == std::string_view::npos ? 0 : end + 1 - begin)));
}

// The form of Microsoft's ids of secrets; the secrets themselves never have it.
bool LooksLikeUuid(std::string_view text) {
  if (text.size() != 36) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    if (dash ? text[i] != '-' : std::isxdigit(static_cast<unsigned char>(text[i])) == 0) return false;
  }
  return true;
}

// Who a federated token says it is from and for: what the application's federated credential must say.
std::string DescribeFederation(const base::Secret& assertion) {
  const std::optional<Claims> claims = ReadClaims(assertion);
  if (!claims) return "the federated token is no JSON Web Token: check \"federated_token_file\"";
  std::string audiences;
  for (const std::string& audience : claims->audiences) audiences += (audiences.empty() ? "" : ", ") + audience;
  return base::Format(
      "no federated credential of the application matches what was sent: issuer {}, subject {}, audience {}; they must "
      "be the same, in upper and lower case too (Certificates & secrets, Federated credentials)",
      claims->issuer, claims->subject, audiences);
}

struct Prover {
  std::string_view client_id;
  std::string_view audience;
  base::WallTime now;

  ClientProof operator()(const NoAuthentication& /*none*/) const { return {}; }
  ClientProof operator()(const ClientSecret& credential) const {
    ClientProof proof;
    proof.secret_field = "client_secret";
    proof.secret = credential.secret();
    if (proof.secret.empty()) throw Error(ErrorKind::kConfig, "the client secret is empty; check \"client_secret\"");
    return proof;
  }
  ClientProof operator()(const ClientCertificate& credential) const {
    return ByCertificate(credential, client_id, audience, now);
  }
  ClientProof operator()(const FederatedToken& credential) const {
    base::Secret token = Trimmed(credential.token());
    if (token.empty()) throw Error(ErrorKind::kConfig, "the federated token is empty; check \"federated_token_file\"");
    return ByAssertion(std::move(token));
  }
};

}  // namespace

void CheckClientCertificate(const ClientCertificate& credential) { ReadSigner(credential); }

CertificateFacts DescribeCertificate(const ClientCertificate& credential) {
  const Certificate certificate = ReadSigner(credential).certificate;
  return {Thumbprint(certificate.sha1()), Thumbprint(certificate.sha256()), certificate.not_before(),
          certificate.not_after()};
}

ClientProof ProveClient(const ClientAuthentication& authentication, std::string_view client_id,
                        std::string_view audience, base::WallTime now) {
  return std::visit(Prover{client_id, audience, now}, authentication);
}

std::string AdviseOnProof(const ClientProof& proof, const TokenRefusal& refusal) {
  if (refusal.cause == "secret-wrong" && LooksLikeUuid(proof.secret.Reveal())) {
    return "this looks like the secret's ID: put its Value (shown once when it is made) into \"client_secret\"";
  }
  if (refusal.cause == "certificate-unregistered" && !proof.thumbprint.empty()) {
    return base::Format("upload this certificate (thumbprint {}) under Certificates & secrets", proof.thumbprint);
  }
  if (refusal.cause == "federation-mismatch" && proof.secret_field == "client_assertion" && !proof.dated) {
    return DescribeFederation(proof.secret);
  }
  return "";
}

}  // namespace mailboxfs::oauth
