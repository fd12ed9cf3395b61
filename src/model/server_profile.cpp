#include "mailboxfs/model/server_profile.h"

#include <algorithm>
#include <iterator>

#include "mailboxfs/base/encoding.h"

namespace mailboxfs::model {
namespace {

constexpr uint64_t kGigabyte = 1'000'000'000;

// In the order in which they are looked for. Exchange's front ends of 2026 greet otherwise than their elders, but name
// themselves, too, and have capabilities of their own.
constexpr ServerProfile kProfiles[] = {
    {.name = "exchange",
     .title = "Microsoft Exchange",
     .max_connections = 8,
     .sends_stubs = true,
     // Begun to be offered in 2026, with faults.
     .disabled = "ENABLE IMAP4REV2",
     .mark = "Microsoft Exchange",
     .capabilities = "BACKENDAUTHENTICATE CLIENTACCESSRULES"},
    // 2500 MB a day; then the account is locked out, for people and their other programs as well.
    {.name = "gmail",
     .title = "Gmail",
     .max_command_octets = 16000,
     .exact_sizes = true,
     .daily_octets = 2 * kGigabyte,
     .disabled = "",
     .mark = "Gimap",
     .capabilities = "X-GM-EXT-1"},
    // Lines over 1000 octets are refused.
    {.name = "yahoo",
     .title = "Yahoo",
     .max_command_octets = 990,
     .header_batch = 100,
     .max_connections = 4,
     .disabled = "",
     .mark = "Yahoo"},
    {.name = "icloud",
     .title = "iCloud",
     .max_connections = 8,
     .disabled = "QRESYNC",
     .mark = "iscream",
     .capabilities = "XAPPLELITERAL AUTH=ATOKEN"},
    // Its MODSEQ is 0 or -1.
    {.name = "zoho", .title = "Zoho Mail", .max_connections = 8, .disabled = "CONDSTORE QRESYNC", .mark = "Zoho"},
    // mail_max_userip_connections is 10.
    {.name = "dovecot",
     .title = "Dovecot",
     .max_command_octets = 60000,
     .header_batch = 500,
     .exact_sizes = true,
     .disabled = "",
     .mark = "Dovecot"},
    {.name = "cyrus",
     .title = "Cyrus IMAP",
     .max_command_octets = 60000,
     .header_batch = 500,
     .exact_sizes = true,
     .disabled = "",
     .mark = "Cyrus"},
    {.name = "generic", .max_connections = 15, .disabled = ""},
};

}  // namespace

bool HasWord(std::string_view words, std::string_view word) {
  while (!words.empty()) {
    const size_t end = std::min(words.find(' '), words.size());
    if (words.substr(0, end) == word) return true;
    words.remove_prefix(std::min(end + 1, words.size()));
  }
  return false;
}

const ServerProfile* FindProfile(std::string_view name) {
  const auto* found = std::find_if(std::begin(kProfiles), std::end(kProfiles),
                                   [name](const ServerProfile& profile) { return profile.name == name; });
  return found == std::end(kProfiles) ? nullptr : found;
}

const ServerProfile& RecognizeServer(std::string_view greeting, std::string_view id,
                                     std::span<const std::string> capabilities) {
  for (const ServerProfile& profile : kProfiles) {
    const bool named = !profile.mark.empty() &&
                       (base::ContainsIgnoreCase(greeting, profile.mark) || base::ContainsIgnoreCase(id, profile.mark));
    const bool betrayed = std::any_of(capabilities.begin(), capabilities.end(), [&](const std::string& capability) {
      return HasWord(profile.capabilities, capability);
    });
    if (named || betrayed) return profile;
  }
  return *FindProfile("generic");
}

std::string ProfileNames() {
  std::string names;
  for (const ServerProfile& profile : kProfiles) names += (names.empty() ? "" : ", ") + std::string(profile.name);
  return names;
}

}  // namespace mailboxfs::model
