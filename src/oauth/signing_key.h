#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "mailboxfs/base/clock.h"
#include "mailboxfs/base/secret.h"
#include "mailboxfs/oauth/grants.h"

// OpenSSL's types; the headers stay in the sources.
struct evp_pkey_st;
struct x509_st;

namespace mailboxfs::oauth {

// The private half of an RSA key pair. Immutable, thread-safe. All errors are Error(kConfig), without a word
// of the key or its passphrase.
class SigningKey {
 public:
  // The first private key in `pem`: PKCS#8 or PKCS#1, encrypted or not (then `passphrase` is not needed).
  // Throws if there is none, the passphrase is wrong or missing, or it is no RSA key of 2048 bits at least.
  SigningKey(const base::Secret& pem, const base::Secret& passphrase);

  // A JSON Web Signature in its compact form (RFC 7515 section 3.1) over two JSON texts.
  base::Secret Sign(SigningAlgorithm algorithm, std::string_view header, std::string_view payload) const;

 private:
  friend class Certificate;
  std::shared_ptr<evp_pkey_st> key_;
};

// "PS256", "RS256" (RFC 7518 section 3.1).
std::string_view AlgorithmName(SigningAlgorithm algorithm);

// An X.509 certificate. Immutable, thread-safe.
class Certificate {
 public:
  // The first certificate in `pem`. Throws Error(kConfig) if there is none.
  explicit Certificate(std::string_view pem);

  // Digests of its DER form, 20 and 32 bytes: thumbprints.
  const std::string& sha1() const { return sha1_; }
  const std::string& sha256() const { return sha256_; }
  base::WallTime not_before() const { return not_before_; }
  base::WallTime not_after() const { return not_after_; }
  // Is its public key that of `key`?
  bool IsOf(const SigningKey& key) const;

 private:
  std::shared_ptr<x509_st> certificate_;
  std::string sha1_;
  std::string sha256_;
  base::WallTime not_before_;
  base::WallTime not_after_;
};

}  // namespace mailboxfs::oauth
