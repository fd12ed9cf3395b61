#include "crypto.h"

#include <openssl/evp.h>
#include <openssl/rand.h>

#include "mailboxfs/base/encoding.h"
#include "mailboxfs/base/error.h"

namespace mailboxfs::oauth {

std::string Sha256(std::string_view bytes) {
  std::string digest(32, '\0');
  unsigned size = 0;
  if (EVP_Digest(bytes.data(), bytes.size(), reinterpret_cast<unsigned char*>(digest.data()), &size, EVP_sha256(),
                 nullptr) != 1) {
    throw base::Error(base::ErrorKind::kInternal, "OpenSSL has no SHA-256");
  }
  return digest;
}

base::Secret RandomText(size_t bytes) {
  std::string random(bytes, '\0');
  if (RAND_bytes(reinterpret_cast<unsigned char*>(random.data()), static_cast<int>(bytes)) != 1) {
    throw base::Error(base::ErrorKind::kInternal, "OpenSSL has no random numbers");
  }
  base::Secret text(base::Base64UrlEncode(random));
  base::WipeMemory(random.data(), random.size());
  return text;
}

}  // namespace mailboxfs::oauth
