#pragma once

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <memory>
#include <string>
#include <string_view>

#include "mailboxfs/base/encoding.h"

namespace mailboxfs::oauth::testing {

// What was written into a memory BIO, which is freed.
inline std::string TakeText(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  std::string text(data, static_cast<size_t>(size));
  BIO_free(bio);
  return text;
}

// An RSA key with a certificate of its own; both are made anew.
class KeyPair {
 public:
  explicit KeyPair(unsigned bits = 2048) : key_(EVP_RSA_gen(bits), &EVP_PKEY_free), x509_(X509_new(), &X509_free) {
    X509_set_version(x509_.get(), 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x509_.get()), 1);
    X509_gmtime_adj(X509_getm_notBefore(x509_.get()), -3600);
    X509_gmtime_adj(X509_getm_notAfter(x509_.get()), 86400);
    X509_set_pubkey(x509_.get(), key_.get());
    X509_sign(x509_.get(), key_.get(), EVP_sha256());
  }

  // As ASN.1 has it: "99991231235959Z".
  void ExpireAt(const char* time) {
    ASN1_TIME_set_string(X509_getm_notAfter(x509_.get()), time);
    X509_sign(x509_.get(), key_.get(), EVP_sha256());
  }

  // PKCS#8, encrypted if there is a passphrase.
  std::string KeyPem(const char* passphrase = nullptr) const {
    BIO* bio = BIO_new(BIO_s_mem());
    PEM_write_bio_PKCS8PrivateKey(bio, key_.get(), passphrase != nullptr ? EVP_aes_128_cbc() : nullptr, nullptr, 0,
                                  nullptr, const_cast<char*>(passphrase));
    return TakeText(bio);
  }
  // PKCS#1.
  std::string TraditionalKeyPem() const {
    BIO* bio = BIO_new(BIO_s_mem());
    PEM_write_bio_PrivateKey_traditional(bio, key_.get(), nullptr, nullptr, 0, nullptr, nullptr);
    return TakeText(bio);
  }
  std::string CertificatePem() const {
    BIO* bio = BIO_new(BIO_s_mem());
    PEM_write_bio_X509(bio, x509_.get());
    return TakeText(bio);
  }
  std::string Thumbprint() const {
    std::string digest(32, '\0');
    X509_digest(x509_.get(), EVP_sha256(), reinterpret_cast<unsigned char*>(digest.data()), nullptr);
    return digest;
  }

  // Is `jwt` signed with this key?
  bool Verifies(std::string_view jwt, bool pss) const {
    const size_t dot = jwt.rfind('.');
    const std::string signature = base::Base64UrlDecode(jwt.substr(dot + 1)).value();
    const std::string_view text = jwt.substr(0, dot);
    const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), &EVP_MD_CTX_free);
    EVP_PKEY_CTX* options = nullptr;
    EVP_DigestVerifyInit(context.get(), &options, EVP_sha256(), nullptr, key_.get());
    if (pss) {
      EVP_PKEY_CTX_set_rsa_padding(options, RSA_PKCS1_PSS_PADDING);
      EVP_PKEY_CTX_set_rsa_pss_saltlen(options, 32);
    }
    return EVP_DigestVerify(context.get(), reinterpret_cast<const unsigned char*>(signature.data()), signature.size(),
                            reinterpret_cast<const unsigned char*>(text.data()), text.size()) == 1;
  }

 private:
  std::shared_ptr<EVP_PKEY> key_;
  std::shared_ptr<X509> x509_;
};

// One for all: making a key takes long.
inline const KeyPair& SharedPair() {
  static const KeyPair pair;
  return pair;
}

}  // namespace mailboxfs::oauth::testing
