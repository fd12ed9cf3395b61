#include "mailboxfs/base/secret.h"

#include <cstring>

namespace mailboxfs::base {

void WipeMemory(void* data, size_t size) noexcept {
  if (size > 0) ::explicit_bzero(data, size);
}

std::string Redact(std::string text, const Secret& secret) {
  constexpr std::string_view kMark = "[redacted]";
  if (secret.empty()) return text;
  for (size_t at = 0; (at = text.find(secret.Reveal(), at)) != std::string::npos; at += kMark.size()) {
    text.replace(at, secret.Reveal().size(), kMark);
  }
  return text;
}

}  // namespace mailboxfs::base
