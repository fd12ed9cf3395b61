#include "account.h"

#include <map>
#include <set>

#include "auth.h"
#include "checks.h"
#include "mailboxfs/base/encoding.h"
#include "mailboxfs/base/error.h"
#include "mailboxfs/base/log.h"
#include "mailboxfs/config/answers.h"
#include "paths.h"
#include "providers.h"

namespace mailboxfs::config {

using base::Format;

namespace {

constexpr uint16_t kPlainPort = 143;
constexpr int64_t kMaxMailboxConnections = 15;

void ParseTls(const Node& imap, ImapConfig* config) {
  const std::optional<Node> tls = imap.Get("tls");
  if (!tls || tls->Text() == "implicit") return;
  if (tls->Text() != "none") tls->Fail(R"(must be "implicit", or "none" for a loopback host)");
  if (!IsLoopbackHost(config->host)) {
    tls->Fail(
        Format("\"none\" would send mail and login to {} unencrypted; it is only for loopback hosts (localhost, "
               "127.0.0.0/8, ::1), so remove it",
               Quote(config->host)));
  }
  config->tls = false;
  config->port = kPlainPort;
}

void ParseProfile(const Node& imap, model::ProfileOverrides* profile) {
  if (const std::optional<Node> name = imap.Get("profile")) {
    profile->name = name->Text();
    if (model::FindProfile(profile->name) == nullptr) {
      name->Fail(
          Format("\"{}\" is unknown; the known profiles are {}; without it, the server is recognised by what it "
                 "says of itself",
                 Quote(profile->name), model::ProfileNames()));
    }
  }
  if (const auto octets = GetInteger(imap, "max_command_octets", 500, 65536)) profile->max_command_octets = *octets;
  if (const auto batch = GetInteger(imap, "header_batch", 1, 2000)) profile->header_batch = *batch;
  if (const std::optional<Node> sizes = imap.Get("sizes")) {
    if (sizes->Text() != "exact" && sizes->Text() != "estimate") sizes->Fail(R"(must be "exact" or "estimate")");
    profile->exact_sizes = sizes->Text() == "exact";
  }
  if (const std::optional<Node> disabled = imap.Get("disabled_capabilities")) {
    for (const Node& capability : disabled->Children())
      profile->disabled.push_back(base::AsciiUpper(capability.Text()));
  }
  if (const std::optional<Node> volume = imap.Get("daily_volume")) profile->daily_octets = GetSize(*volume);
}

FoldersConfig ParseFolders(const Node& account) {
  FoldersConfig config;
  const std::optional<Node> folders = account.Get("folders");
  if (!folders) return config;
  for (const auto& [key, patterns] : {std::pair("exclude", &config.exclude), std::pair("include", &config.include)}) {
    const std::optional<Node> list = folders->Get(key);
    if (!list) continue;
    for (const Node& pattern : list->Children()) {
      if (pattern.Text().empty()) pattern.Fail("is empty; write a folder's path, for example \"Archive/2019\"");
      patterns->push_back(pattern.Text());
    }
  }
  return config;
}

ImapConfig ParseImap(const Node& account, const Provider& provider) {
  ImapConfig config;
  config.host = provider.host;
  config.port = provider.port;
  constexpr std::string_view kHostTodo = "write the IMAP server's name, or name a \"provider\" that presets it";
  const std::optional<Node> given = account.Get("imap");
  if (!given) {
    if (config.host.empty()) account.Require("imap", R"(write { "host": "imap.example.org" }, or name a "provider")");
    return config;
  }
  const Node& imap = *given;
  if (config.host.empty()) imap.Require("host", kHostTodo);
  if (const std::optional<Node> host = imap.Get("host")) {
    config.host = host->Text();
    if (config.host.size() > 2 && config.host.front() == '[' && config.host.back() == ']') {
      config.host = config.host.substr(1, config.host.size() - 2);
    }
    const std::string problem = HostProblem(config.host);
    if (!problem.empty()) host->Fail(problem);
  }
  ParseTls(imap, &config);
  if (const auto port = GetInteger(imap, "port", 1, 65535)) config.port = static_cast<uint16_t>(*port);
  config.ca_file = GetCaFile(imap);
  const auto connections = GetInteger(imap, "connections", 1, kMaxMailboxConnections,
                                      "Exchange Online allows 16 to 20 for one mailbox, and other clients need some");
  if (connections) config.connections = static_cast<unsigned>(*connections);
  ParseProfile(imap, &config.profile);
  return config;
}

void CheckAddress(const Node& node, const std::string& address, const Provider& provider) {
  const bool plain = !address.empty() && !HasControlCharacter(address) && !HasSpace(address);
  // Elsewhere a user name is enough.
  if (plain && provider.vendor != Vendor::kMicrosoft) return;
  if (const std::string problem = AddressProblem(address); !problem.empty()) node.Fail(problem);
}

// Directory names of all accounts, with where each was given.
using NamesSeen = std::map<std::string, std::string>;

std::vector<MailboxConfig> ParseMailboxes(const Node& account, const Provider& provider, NamesSeen* names) {
  constexpr std::string_view kTodo = "list the mailboxes' addresses, for example [\"user@example.org\"]";
  const Node list = account.Require("mailboxes", kTodo);
  std::vector<MailboxConfig> mailboxes;
  std::set<std::string> addresses;
  for (const Node& node : list.Children()) {
    MailboxConfig mailbox;
    Node address = node;
    Node name = node;
    if (node.value().AsObject() != nullptr) {
      address = node.Require("address", "write the mailbox's address");
      name = node.Get("name").value_or(address);
    }
    mailbox.address = address.Text();
    mailbox.name = name.Text();
    CheckAddress(address, mailbox.address, provider);
    if (!addresses.insert(base::AsciiLower(mailbox.address)).second) {
      address.Fail(Format("\"{}\" is listed twice in this account; remove one of them", Quote(mailbox.address)));
    }
    if (const std::string problem = DirectoryNameProblem(mailbox.name); !problem.empty()) {
      if (mailbox.name == mailbox.address) {
        name.Fail(Format("the directory's name {} with \"name\" (it is the address if not given)", problem));
      }
      name.Fail(problem);
    }
    const auto [seen, is_new] = names->emplace(mailbox.name, Format("{} on line {}", name.path(), name.line()));
    if (!is_new) {
      name.Fail(Format("there is already a directory \"{}\" ({}); give one of them another \"name\"",
                       Quote(mailbox.name), seen->second));
    }
    mailboxes.push_back(std::move(mailbox));
  }
  if (mailboxes.empty()) list.Fail(Format("is empty; {}", kTodo));
  return mailboxes;
}

Account ParseAccount(const Node& node, NamesSeen* names) {
  Account account;
  account.name = node.key();
  if (account.name.empty() || HasControlCharacter(account.name) || account.name.find('/') != std::string::npos) {
    node.Fail("the account's name is empty or has a slash or a control character; choose another one");
  }
  account.provider = node.GetText("provider").value_or(std::string(kDefaultProvider));
  const Provider* provider = FindProvider(account.provider);
  if (provider == nullptr) {
    node.Get("provider")
        ->Fail(Format("\"{}\" is unknown; the known providers are {}", Quote(account.provider), ProviderNames()));
  }
  account.vendor = provider->vendor;
  account.exchange_environment = provider->exchange_environment;
  account.graph_environment = provider->graph_environment;
  account.imap = ParseImap(node, *provider);
  account.folders = ParseFolders(node);
  account.mailboxes = ParseMailboxes(node, *provider, names);
  account.auth = ParseAuth(node, *provider, account.mailboxes.size());
  return account;
}

}  // namespace

std::optional<int64_t> GetInteger(const Node& node, std::string_view key, int64_t low, int64_t high,
                                  std::string_view why) {
  const std::optional<Node> member = node.Get(key);
  if (!member) return std::nullopt;
  const int64_t value = *member->value().AsInt();
  if (value < low || value > high) {
    member->Fail(Format("is {}; write a number from {} to {}{}{}{}", value, low, high, why.empty() ? "" : " (", why,
                        why.empty() ? "" : ")"));
  }
  return value;
}

uint64_t GetSize(const Node& node) {
  std::optional<uint64_t> size;
  if (const int64_t* bytes = node.value().AsInt()) {
    if (*bytes >= 0) size = static_cast<uint64_t>(*bytes);
  } else {
    size = ParseSize(node.Text());
  }
  if (!size) node.Fail("is no size; write a number and K, M, G or T, for example \"10G\", or a number of bytes");
  return *size;
}

std::vector<Account> ParseAccounts(const Node& root) {
  constexpr std::string_view kTodo = R"(write for example { "contoso": { "provider": "microsoft365", ... } })";
  const Node accounts = root.Require("accounts", kTodo);
  std::vector<Account> parsed;
  NamesSeen names;
  for (const Node& node : accounts.Children()) parsed.push_back(ParseAccount(node, &names));
  if (parsed.empty()) accounts.Fail(Format("is empty; {}", kTodo));
  return parsed;
}

}  // namespace mailboxfs::config
