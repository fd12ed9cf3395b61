#include "signing_key.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <algorithm>
#include <cstring>
#include <ctime>
#include <limits>

#include "mailboxfs/base/encoding.h"
#include "mailboxfs/base/error.h"
#include "mailboxfs/base/log.h"
#include "wall_time.h"

namespace mailboxfs::oauth {
namespace {

using base::Error;
using base::ErrorKind;

constexpr int kMinBits = 2048;

struct Free {
  void operator()(BIO* bio) const { BIO_free(bio); }
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};
template <typename T>
using Owned = std::unique_ptr<T, Free>;

[[noreturn]] void Fail(const std::string& what) {
  ERR_clear_error();
  throw Error(ErrorKind::kConfig, what);
}

// OpenSSL's own words; they name functions and reasons, never content.
std::string Reason() {
  const unsigned long code = ERR_peek_last_error();
  const char* reason = code == 0 ? nullptr : ERR_reason_error_string(code);
  return reason == nullptr ? "unknown reason" : reason;
}

Owned<BIO> Reader(std::string_view text) {
  if (text.size() > static_cast<size_t>(std::numeric_limits<int>::max())) Fail("the PEM file is too large");
  Owned<BIO> bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
  if (!bio) throw Error(ErrorKind::kInternal, "OpenSSL has no memory");
  return bio;
}

struct Passphrase {
  std::string_view text;
  bool asked = false;
};

// OpenSSL's pem_password_cb. -1: none.
int GivePassphrase(char* buffer, int size, int /*writing*/, void* data) {
  auto& passphrase = *static_cast<Passphrase*>(data);
  passphrase.asked = true;
  if (passphrase.text.empty() || passphrase.text.size() > static_cast<size_t>(size)) return -1;
  std::memcpy(buffer, passphrase.text.data(), passphrase.text.size());
  return static_cast<int>(passphrase.text.size());
}

base::WallTime ReadTime(const ASN1_TIME* time) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(time, &parts) != 1) Fail("certificate: its dates cannot be read");
  return ToWallTime(std::chrono::sys_seconds(std::chrono::seconds(::timegm(&parts))));
}

std::string Digest(const X509* certificate, const EVP_MD* algorithm) {
  std::string digest(EVP_MAX_MD_SIZE, '\0');
  unsigned size = 0;
  if (X509_digest(certificate, algorithm, reinterpret_cast<unsigned char*>(digest.data()), &size) != 1) {
    Fail("certificate: its thumbprint cannot be computed");
  }
  digest.resize(size);
  return digest;
}

void Require(bool done) {
  if (!done) Fail(base::Format("OpenSSL cannot sign with the private key: {}", Reason()));
}

}  // namespace

std::string_view AlgorithmName(SigningAlgorithm algorithm) {
  return algorithm == SigningAlgorithm::kPs256 ? "PS256" : "RS256";
}

SigningKey::SigningKey(const base::Secret& pem, const base::Secret& passphrase) {
  const Owned<BIO> bio = Reader(pem.Reveal());
  Passphrase given{passphrase.Reveal()};
  key_.reset(PEM_read_bio_PrivateKey(bio.get(), nullptr, &GivePassphrase, &given), &EVP_PKEY_free);
  if (!key_) {
    if (given.asked && given.text.empty()) Fail("private_key: it is encrypted; set \"private_key_passphrase\"");
    if (given.asked) Fail("private_key_passphrase: it does not open the private key");
    Fail("private_key: no private key in PEM form is there (it begins with -----BEGIN PRIVATE KEY-----)");
  }
  if (EVP_PKEY_get_base_id(key_.get()) != EVP_PKEY_RSA) Fail("private_key: it is no RSA key; only these can sign here");
  if (EVP_PKEY_get_bits(key_.get()) < kMinBits) {
    Fail(base::Format("private_key: it has {} bits; it needs {}", EVP_PKEY_get_bits(key_.get()), kMinBits));
  }
}

base::Secret SigningKey::Sign(SigningAlgorithm algorithm, std::string_view header, std::string_view payload) const {
  std::string text = base::Base64UrlEncode(header) + "." + base::Base64UrlEncode(payload);
  const Owned<EVP_MD_CTX> context(EVP_MD_CTX_new());
  EVP_PKEY_CTX* options = nullptr;  // The context's.
  Require(context && EVP_DigestSignInit(context.get(), &options, EVP_sha256(), nullptr, key_.get()) == 1);
  if (algorithm == SigningAlgorithm::kPs256) {
    // RFC 7518 section 3.5: the salt is as long as the hash.
    Require(EVP_PKEY_CTX_set_rsa_padding(options, RSA_PKCS1_PSS_PADDING) == 1 &&
            EVP_PKEY_CTX_set_rsa_pss_saltlen(options, RSA_PSS_SALTLEN_DIGEST) == 1);
  }
  const auto* bytes = reinterpret_cast<const unsigned char*>(text.data());
  size_t size = 0;
  Require(EVP_DigestSign(context.get(), nullptr, &size, bytes, text.size()) == 1);
  std::string signature(size, '\0');
  Require(EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &size, bytes,
                         text.size()) == 1);
  signature.resize(size);
  text += "." + base::Base64UrlEncode(signature);
  return base::Secret(std::move(text));
}

Certificate::Certificate(std::string_view pem) {
  const Owned<BIO> bio = Reader(pem);
  // Whoever would be asked for a passphrase: there is none in a certificate.
  Passphrase none;
  certificate_.reset(PEM_read_bio_X509(bio.get(), nullptr, &GivePassphrase, &none), &X509_free);
  if (!certificate_)
    Fail("certificate: no certificate in PEM form is there (it begins with -----BEGIN CERTIFICATE-----)");
  sha1_ = Digest(certificate_.get(), EVP_sha1());
  sha256_ = Digest(certificate_.get(), EVP_sha256());
  not_before_ = ReadTime(X509_get0_notBefore(certificate_.get()));
  not_after_ = ReadTime(X509_get0_notAfter(certificate_.get()));
}

bool Certificate::IsOf(const SigningKey& key) const {
  const bool is_of = X509_check_private_key(certificate_.get(), key.key_.get()) == 1;
  ERR_clear_error();
  return is_of;
}

}  // namespace mailboxfs::oauth
