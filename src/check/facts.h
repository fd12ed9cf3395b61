#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "mailboxfs/check/quoting.h"
#include "mailboxfs/config/answers.h"

namespace mailboxfs::check {

// Values for advice, by name. Reentrant.
//
// In a text, `{mailbox}` stands for the value as it is, `{mailbox|ps}` for it as an argument in PowerShell,
// `{mailbox|sh}` in a shell. What is unknown, or could do harm when it is pasted, is left open: "<PRIMARY ADDRESS OF
// THE MAILBOX>". Braces around anything else are left alone.
class Facts {
 public:
  // An empty value is none.
  void Set(std::string_view name, std::string value);
  std::string Get(std::string_view name) const;
  std::string Fill(std::string_view text) const;

 private:
  std::string Replacement(std::string_view name, std::string_view use, std::string_view open) const;

  std::map<std::string, std::string, std::less<>> values_;
};

using config::LooksLikeGuid;

}  // namespace mailboxfs::check
