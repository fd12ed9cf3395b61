#include "mail/placeholder.h"

#include <algorithm>
#include <string>

#include "mailboxfs/base/encoding.h"
#include "mailboxfs/model/header_fields.h"

namespace mailboxfs::mail {
namespace {

bool BeginsWith(std::string_view text, std::string_view words) {
  return base::EqualsIgnoreCase(text.substr(0, words.size()), words);
}

}  // namespace

bool IsExchangePlaceholder(std::string_view message) {
  if (message.size() > kMaxPlaceholder) return false;
  const size_t end_of_header = std::min(message.find("\r\n\r\n"), message.find("\n\n"));
  const model::HeaderFields fields = model::ParseHeaderFields(message.substr(0, end_of_header));
  if (!BeginsWith(fields.from_name, "Microsoft Exchange Server")) return false;
  // What follows is the localised part.
  return BeginsWith(fields.subject, "Retrieval using the IMAP4 protocol failed") ||
         BeginsWith(fields.subject, "Retrieval using the POP3 protocol failed");
}

}  // namespace mailboxfs::mail
