#include "schema.h"

#include <algorithm>
#include <numeric>
#include <span>

#include "mailboxfs/base/encoding.h"
#include "mailboxfs/base/log.h"
#include "mailboxfs/config/config.h"

namespace mailboxfs::config {

namespace {

// What a value may be; bits.
enum Type : unsigned {
  kString = 1,
  kInteger = 2,
  kNumber = 4,  // Integers too.
  kObject = 8,
  kArray = 16,
  kStrings = 32,  // An array of strings only.
  kSecret = 64,   // A string, or an object that names the secret's source.
};

struct Entry {
  std::string_view pattern;  // "*" stands for a name that the user chose, or for an array's elements.
  unsigned types;
  std::string_view example;
};

// The one list of keys. What is not here is an unknown key.
constexpr Entry kSchema[] = {
    {"accounts", kObject, R"({ "contoso": { ... } })"},
    {"accounts.*", kObject, R"("contoso": { ... })"},
    {"accounts.*.provider", kString, R"("microsoft365")"},
    {"accounts.*.imap", kObject, R"({ "host": "imap.example.org" })"},
    {"accounts.*.imap.host", kString, R"("imap.example.org")"},
    {"accounts.*.imap.port", kInteger, "993"},
    {"accounts.*.imap.tls", kString, R"("implicit")"},
    {"accounts.*.imap.ca_file", kString, R"("/etc/ssl/private-ca.pem")"},
    {"accounts.*.imap.connections", kInteger, "4"},
    {"accounts.*.imap.profile", kString, R"("exchange")"},
    {"accounts.*.imap.max_command_octets", kInteger, "8000"},
    {"accounts.*.imap.header_batch", kInteger, "200"},
    {"accounts.*.imap.sizes", kString, R"("estimate")"},
    {"accounts.*.imap.disabled_capabilities", kStrings, R"(["IDLE"])"},
    {"accounts.*.imap.daily_volume", kString | kInteger, R"("2G")"},
    {"accounts.*.folders", kObject, R"({ "exclude": ["Archive"] })"},
    {"accounts.*.folders.exclude", kStrings, R"(["Archive", "Projects/*"])"},
    {"accounts.*.folders.include", kStrings, R"(["Calendar"])"},
    {"accounts.*.auth", kObject, R"({ "method": "client-credentials", ... })"},
    {"accounts.*.auth.method", kString, R"("client-credentials")"},
    {"accounts.*.auth.tenant", kString, R"("contoso.onmicrosoft.com")"},
    {"accounts.*.auth.client_id", kString, R"("4f5a9f88-1111-1111-1111-bdca9a88c089")"},
    {"accounts.*.auth.client_secret", kSecret, R"({ "file": "contoso.secret" })"},
    {"accounts.*.auth.certificate", kString, R"("contoso.pem")"},
    {"accounts.*.auth.private_key", kSecret, R"({ "file": "contoso.key" })"},
    {"accounts.*.auth.private_key_passphrase", kSecret, R"({ "file": "contoso.passphrase" })"},
    {"accounts.*.auth.assertion_algorithm", kString, R"("PS256")"},
    {"accounts.*.auth.federated_token_file", kString, R"("/var/run/secrets/azure/tokens/azure-identity-token")"},
    {"accounts.*.auth.token_endpoint", kString, R"("https://login.example.org/{tenant}/token")"},
    {"accounts.*.auth.authorization_endpoint", kString, R"("https://login.example.org/{tenant}/authorize")"},
    {"accounts.*.auth.device_endpoint", kString, R"("https://login.example.org/{tenant}/devicecode")"},
    {"accounts.*.auth.issuer", kString, R"("https://login.example.org")"},
    {"accounts.*.auth.scope", kString, R"("https://outlook.office365.com/.default")"},
    {"accounts.*.auth.resource", kString, R"("https://outlook.office365.com")"},
    {"accounts.*.auth.object_id", kString, R"("9d2a2d1c-3333-3333-3333-4f1f0c8a7b6e")"},
    {"accounts.*.auth.resource_id", kString, R"("/subscriptions/.../userAssignedIdentities/mail")"},
    {"accounts.*.auth.redirect_port", kInteger, "8400"},
    {"accounts.*.auth.refresh_token", kSecret, R"({ "file": "mail.token" })"},
    {"accounts.*.auth.service_account_key", kSecret, R"({ "file": "service-account.json" })"},
    {"accounts.*.auth.command", kString | kStrings, R"(["oama", "access", "{mailbox}"])"},
    {"accounts.*.auth.ca_file", kString, R"("/etc/ssl/private-ca.pem")"},
    {"accounts.*.auth.user", kString, R"("user@example.org")"},
    {"accounts.*.auth.password", kSecret, R"({ "file": "mail.secret" })"},
    {"accounts.*.mailboxes", kArray, R"(["user@example.org"])"},
    {"accounts.*.mailboxes.*", kString | kObject, R"("user@example.org")"},
    {"accounts.*.mailboxes.*.address", kString, R"("user@example.org")"},
    {"accounts.*.mailboxes.*.name", kString, R"("sales")"},
    {"cache", kObject, R"({ "size": "10G" })"},
    {"cache.directory", kString, R"("/var/cache/mailboxfs")"},
    {"cache.size", kString | kInteger, R"("10G")"},
    {"cache.read_ahead", kString | kInteger, R"("8M")"},
    {"state", kObject, R"({ "directory": "/var/lib/mailboxfs" })"},
    {"state.directory", kString, R"("/var/lib/mailboxfs")"},
    {"names", kString, R"("{date}_{subject}.{uid}.eml")"},
    {"connections", kInteger, "64"},
    {"refresh_interval", kNumber, "60"},
    {"timeouts", kObject, R"({ "connect": 20 })"},
    {"timeouts.connect", kNumber, "20"},
    {"timeouts.login", kNumber, "60"},
    {"timeouts.stall", kNumber, "30"},
    {"timeouts.total", kNumber, "600"},
    {"timeouts.idle", kNumber, "300"},
};

// Below each secret.
constexpr Entry kSecretSources[] = {
    {"file", kString, R"("mail.secret")"},
    {"env", kString, R"("MAIL_SECRET")"},
    {"command", kString | kStrings, R"(["pass", "show", "mail"])"},
    {"credential", kString, R"("mail")"},
};

std::string_view LastPart(std::string_view pattern) { return pattern.substr(pattern.rfind('.') + 1); }

// "" for top-level keys.
std::string_view ParentOf(std::string_view pattern) {
  const size_t dot = pattern.rfind('.');
  return dot == std::string_view::npos ? std::string_view() : pattern.substr(0, dot);
}

const Entry* FindIn(std::span<const Entry> entries, std::string_view pattern) {
  const auto found =
      std::find_if(entries.begin(), entries.end(), [&](const Entry& entry) { return entry.pattern == pattern; });
  return found == entries.end() ? nullptr : &*found;
}

bool IsSecret(std::string_view pattern) {
  const Entry* entry = FindIn(kSchema, pattern);
  return entry != nullptr && (entry->types & kSecret) != 0;
}

const Entry* FindEntry(std::string_view pattern) {
  if (IsSecret(ParentOf(pattern))) return FindIn(kSecretSources, LastPart(pattern));
  return FindIn(kSchema, pattern);
}

// The keys that `parent` may have.
std::vector<const Entry*> EntriesBelow(std::string_view parent) {
  std::vector<const Entry*> entries;
  const bool secret = IsSecret(parent);
  for (const Entry& entry : secret ? std::span<const Entry>(kSecretSources) : std::span<const Entry>(kSchema)) {
    if (secret || ParentOf(entry.pattern) == parent) entries.push_back(&entry);
  }
  return entries;
}

std::string Child(std::string_view pattern, std::string_view key) {
  return pattern.empty() ? std::string(key) : base::Format("{}.{}", pattern, key);
}

unsigned TypesOf(const json::Value& value) {
  if (value.AsString() != nullptr) return kString;
  if (value.AsInt() != nullptr) return kInteger | kNumber;
  if (value.AsDouble() != nullptr) return kNumber;
  if (value.AsObject() != nullptr) return kObject;
  if (const json::Value::Array* array = value.AsArray()) {
    const bool strings =
        std::all_of(array->begin(), array->end(), [](const json::Value& v) { return v.AsString() != nullptr; });
    return strings ? kArray | kStrings : kArray;
  }
  return 0;
}

std::string Describe(unsigned types) {
  constexpr std::pair<Type, std::string_view> kWords[] = {{kString, "a string"}, {kInteger, "an integer"},
                                                          {kNumber, "a number"}, {kObject, "an object"},
                                                          {kArray, "an array"},  {kStrings, "an array of strings"}};
  std::string words;
  for (const auto& [type, word] : kWords) {
    if ((types & type) == 0) continue;
    if (!words.empty()) words += " or ";
    words += word;
  }
  return words;
}

std::string DescribeValue(const json::Value& value) {
  if (value.IsNull() || value.AsBool() != nullptr) return std::string(value.TypeName());
  const unsigned types = TypesOf(value);
  if ((types & kInteger) != 0) return Describe(kInteger);
  return Describe(types & ~unsigned{kStrings});
}

// Levenshtein's distance, ignoring case.
size_t Distance(std::string_view a, std::string_view b) {
  const std::string x = base::AsciiLower(a), y = base::AsciiLower(b);
  std::vector<size_t> row(y.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= x.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= y.size(); ++j) {
      const size_t above = row[j];
      row[j] = std::min({above + 1, row[j - 1] + 1, diagonal + (x[i - 1] == y[j - 1] ? 0U : 1U)});
      diagonal = above;
    }
  }
  return row[y.size()];
}

[[noreturn]] void FailUnknown(const Node& node, std::string_view parent) {
  // Long keys would make the distance expensive, and they resemble nothing.
  const std::string_view key = std::string_view(node.key()).substr(0, 64);
  std::string known;
  std::string_view nearest;
  size_t nearest_distance = 3;
  for (const Entry* entry : EntriesBelow(parent)) {
    const std::string_view name = LastPart(entry->pattern);
    known += base::Format("{}\"{}\"", known.empty() ? "" : ", ", name);
    const size_t distance = Distance(key, name);
    if (distance < nearest_distance && distance < name.size()) {
      nearest_distance = distance;
      nearest = name;
    }
  }
  if (!nearest.empty()) node.Fail(base::Format("unknown key; did you mean \"{}\"?", nearest));
  for (const Entry& entry : kSchema) {
    const std::string_view home = ParentOf(entry.pattern);
    if (LastPart(entry.pattern) == key && home.rfind("accounts.*.auth.", 0) != 0) {
      node.Fail(
          base::Format("unknown key; \"{}\" belongs {}{}", key, home.empty() ? "at the top of the file" : "in ", home));
    }
  }
  node.Fail(base::Format("unknown key; the keys known here are {}", known));
}

void Check(const Node& node, std::string_view pattern, const Entry* entry) {
  unsigned wanted = entry != nullptr ? entry->types : unsigned{kObject};
  if ((wanted & kSecret) != 0) wanted = kString | kObject;
  if ((TypesOf(node.value()) & wanted) == 0) {
    if (entry == nullptr) node.Fail("the file must hold an object; write { \"accounts\": { ... } }");
    node.Fail(base::Format("is {}, not {}; write for example {}", DescribeValue(node.value()), Describe(wanted),
                           entry->example));
  }
  if (const std::string* text = node.value().AsString(); text != nullptr && text->find('\0') != std::string::npos) {
    node.Fail("contains a NUL character; remove it");
  }
  if ((wanted & kStrings) != 0) return;
  const std::string any = Child(pattern, "*");
  const Entry* any_entry = FindEntry(any);
  for (const Node& child : node.Children()) {
    if (any_entry != nullptr) {
      Check(child, any, any_entry);
      continue;
    }
    const std::string child_pattern = Child(pattern, child.key());
    const Entry* child_entry = FindEntry(child_pattern);
    if (child_entry == nullptr) FailUnknown(child, pattern);
    if (!child.value().IsNull()) Check(child, child_pattern, child_entry);
  }
}

}  // namespace

void CheckSchema(const Node& root) { Check(root, "", nullptr); }

std::vector<std::string> SchemaKeys() {
  std::vector<std::string> keys;
  for (const Entry& entry : kSchema) {
    if (LastPart(entry.pattern) != "*") keys.emplace_back(entry.pattern);
    if ((entry.types & kSecret) == 0) continue;
    for (const Entry& source : kSecretSources) keys.push_back(Child(entry.pattern, source.pattern));
  }
  return keys;
}

}  // namespace mailboxfs::config
