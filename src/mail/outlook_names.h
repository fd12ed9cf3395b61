#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace mailboxfs::mail {

// The folders at the top of an Exchange mailbox that hold no mail. Exchange names them in the language of whoever used
// the mailbox first, and tells their kind to nobody who asks by IMAP. A single name proves nothing ("Agenda", "Notes"
// may be somebody's folder of mails): at least three of the six that every mailbox has must be there in one language.
// They cannot be deleted, so nothing else can have those names then. A value; reentrant.
class OutlookNames {
 public:
  // `top`: all names at the top of the mailbox, UTF-8.
  explicit OutlookNames(std::span<const std::string_view> top);
  // Is this the name of a folder without mail? Case, normalization and the kind of apostrophe do not matter.
  bool Contains(std::string_view name) const;

 private:
  std::vector<std::string> names_;  // Folded.
};

}  // namespace mailboxfs::mail
