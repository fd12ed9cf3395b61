#include "facts.h"

#include <algorithm>
#include <utility>

#include "mailboxfs/base/encoding.h"

namespace mailboxfs::check {
namespace {

struct Name {
  std::string_view name;
  std::string_view open;  // What stands there if it is unknown.
};

// All names that advice may use.
constexpr Name kNames[] = {
    {"account", "<ACCOUNT>"},
    {"login_command", "mailboxfs login <ACCOUNT>"},
    {"mailbox", "<PRIMARY ADDRESS OF THE MAILBOX>"},
    {"tenant", "<TENANT ID>"},
    {"client_id", "<APPLICATION (CLIENT) ID>"},
    {"app", "<APPLICATION (CLIENT) ID>"},
    {"object", "<OBJECT ID OF THE ENTERPRISE APPLICATION>"},
    {"user", "<USER>"},
    {"permission", "<PERMISSION>"},
    {"scope", "<SCOPE>"},
    {"resource", "<RESOURCE>"},
    {"expected_scope", "<SCOPE OF THE MAIL SERVER>"},
    {"resource_setting", "\"scope\" to <SCOPE OF THE MAIL SERVER>"},
    {"audience", "<AUDIENCE>"},
    {"token_endpoint", "<TOKEN ENDPOINT>"},
    {"token_host", "<TOKEN ENDPOINT>"},
    {"cloud_provider", "microsoft365, microsoft365-gcc-high, microsoft365-dod or microsoft365-china"},
    {"consent_url", "<ADMIN CONSENT URL>"},
    {"thumbprint", "<THUMBPRINT>"},
    {"federated_issuer", "<ISSUER OF THE TOKEN>"},
    {"federated_subject", "<SUBJECT OF THE TOKEN>"},
    {"federated_audience", "<AUDIENCE OF THE TOKEN>"},
    {"service_client", "<CLIENT ID OF THE SERVICE ACCOUNT>"},
    {"host", "<HOST>"},
    {"port", "<PORT>"},
    {"connections", "<NUMBER>"},
    {"connect", "Connect-ExchangeOnline"},
    {"connect_graph", "Connect-MgGraph"},
};

bool IsPrintableAscii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c <= '~'; });
}

std::string Doubled(std::string_view value, std::string_view quote) {
  std::string quoted = "'";
  for (const char c : value) {
    if (c == '\'') {
      quoted += quote;
    } else {
      quoted += c;
    }
  }
  return quoted + "'";
}

}  // namespace

std::optional<std::string> QuoteForPowerShell(std::string_view value) {
  if (value.empty() || !IsPrintableAscii(value)) return std::nullopt;
  if (LooksLikeGuid(value)) return std::string(value);
  return Doubled(value, "''");
}

std::optional<std::string> QuoteForShell(std::string_view value) {
  if (value.empty() || !IsPrintableAscii(value)) return std::nullopt;
  const bool plain = value.front() != '-' && std::all_of(value.begin(), value.end(), [](char c) {
                       return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                              std::string_view("@%_+=:,./-").find(c) != std::string_view::npos;
                     });
  return plain ? std::string(value) : Doubled(value, "'\\''");
}

void Facts::Set(std::string_view name, std::string value) {
  if (value.empty()) return;
  values_.insert_or_assign(std::string(name), std::move(value));
}

std::string Facts::Get(std::string_view name) const {
  const auto found = values_.find(name);
  return found == values_.end() ? "" : found->second;
}

std::string Facts::Replacement(std::string_view name, std::string_view use, std::string_view open) const {
  const std::string value = Get(name);
  if (value.empty()) return std::string(open);
  if (use == "ps") return QuoteForPowerShell(value).value_or("'" + std::string(open) + "'");
  if (use == "sh") return QuoteForShell(value).value_or("'" + std::string(open) + "'");
  return base::Printable(value, 1000);
}

std::string Facts::Fill(std::string_view text) const {
  std::string filled;
  for (;;) {
    const size_t begin = text.find('{');
    const size_t end = text.find('}', begin);
    if (begin == std::string_view::npos || end == std::string_view::npos) return filled.append(text);
    filled.append(text.substr(0, begin));
    const std::string_view inside = text.substr(begin + 1, end - begin - 1);
    const size_t bar = inside.find('|');
    const std::string_view name = inside.substr(0, bar);
    const std::string_view use = bar == std::string_view::npos ? "" : inside.substr(bar + 1);
    const auto* known =
        std::find_if(std::begin(kNames), std::end(kNames), [&](const Name& entry) { return entry.name == name; });
    if (known == std::end(kNames)) {
      filled.append("{");
      text.remove_prefix(begin + 1);
    } else {
      filled.append(Replacement(name, use, known->open));
      text.remove_prefix(end + 1);
    }
  }
}

}  // namespace mailboxfs::check
