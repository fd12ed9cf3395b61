#include "mailboxfs/config/config.h"

#include <cmath>

#include "account.h"
#include "checks.h"
#include "file.h"
#include "file_checks.h"
#include "mailboxfs/base/encoding.h"
#include "mailboxfs/base/error.h"
#include "mailboxfs/base/log.h"
#include "mailboxfs/tree/names.h"
#include "node.h"
#include "paths.h"
#include "schema.h"

namespace mailboxfs::config {

using base::Error;
using base::ErrorKind;
using base::Format;

namespace {

constexpr uint64_t kDefaultCacheSize = uint64_t{10} << 30;
constexpr uint64_t kMinCacheSize = uint64_t{1} << 20;
constexpr int64_t kMaxConnections = 1000;
constexpr double kShortestTimeout = 0.1;
constexpr double kDay = 86400;

uint64_t ParseCacheSize(const Node& cache) {
  const std::optional<Node> node = cache.Get("size");
  if (!node) return kDefaultCacheSize;
  const uint64_t size = GetSize(*node);
  if (size < kMinCacheSize) node->Fail("is too small; write at least \"1M\"");
  return size;
}

std::string ParseDirectory(const std::optional<Node>& section, const BaseDirectory& base, const std::string& id,
                           std::string_view key, const Node& root) {
  const std::optional<Node> given = section ? section->Get("directory") : std::nullopt;
  if (given) {
    try {
      return ResolvePath(given->Text(), root.file().directory);
    } catch (const Error& error) {
      given->Fail(error.what());
    }
  }
  std::string directory = DefaultDirectory(base, id);
  if (directory.empty()) {
    root.Require(key, Format("there is no default because neither HOME nor {} is set; write {{ \"directory\": ... }}",
                             base.xdg_variable));
  }
  return directory;
}

// The cache may be emptied at any time, and everything in it is taken for its own.
void SeparateDirectories(const Node& root, const Config& config) {
  std::string_view how;
  switch (RelateDirectories(config.state_directory, config.cache_directory)) {
    case Relation::kApart: return;
    case Relation::kSame: how = "is the same directory as"; break;
    case Relation::kFirstInside: how = "is inside"; break;
    case Relation::kSecondInside: how = "contains"; break;
  }
  const std::string problem = Format("{} {} cache.directory, {}", config.state_directory, how, config.cache_directory);
  constexpr std::string_view kTodo = "keep index and cache apart, the cache may be emptied at any time";
  const auto given = [&](std::string_view section) {
    const std::optional<Node> node = root.Get(section);
    return node ? node->Get("directory") : std::nullopt;
  };
  if (const std::optional<Node> state = given("state")) state->Fail(Format("{}; {}", problem, kTodo));
  given("cache").value_or(root).Fail(Format("the default state.directory {}; {}", problem, kTodo));
}

void ParseDirectories(const Node& root, Config* config) {
  const std::string id = ConfigurationId(config->path);
  const std::optional<Node> cache = root.Get("cache");
  const std::optional<Node> state = root.Get("state");
  config->cache_directory = ParseDirectory(cache, kCacheBase, id, "cache", root);
  config->state_directory = ParseDirectory(state, kStateBase, id, "state", root);
  SeparateDirectories(root, *config);
  config->cache_size = cache ? ParseCacheSize(*cache) : kDefaultCacheSize;
  if (const std::optional<Node> ahead = cache ? cache->Get("read_ahead") : std::nullopt) {
    config->read_ahead = GetSize(*ahead);
  }
}

std::string QuoteForShell(std::string_view word) {
  std::string quoted = "'";
  for (const char c : word) quoted += c == '\'' ? "'\\''" : std::string(1, c);
  return base::Printable(quoted + "'");
}

// Logins outlive caches, and must be found by every process of this configuration.
void PlaceLoginFiles(Config* config) {
  config->check_command = Format("mailboxfs check -c {}", QuoteForShell(config->path));
  for (Account& account : config->accounts) {
    account.login_command =
        Format("mailboxfs login -c {} {}", QuoteForShell(config->path), QuoteForShell(account.name));
    const AuthMethod method = account.auth.method;
    if (!IsInteractive(method) && method != AuthMethod::kRefreshToken) continue;
    account.auth.login_file = Format("{}/logins/{}.json", config->state_directory, account.name);
  }
}

void ParseSeconds(const Node& node, std::string_view key, double low, double high, base::Duration* duration) {
  const std::optional<Node> member = node.Get(key);
  if (!member) return;
  const int64_t* integer = member->value().AsInt();
  const double seconds = integer != nullptr ? static_cast<double>(*integer) : *member->value().AsDouble();
  if (!(seconds >= low && seconds <= high)) {
    member->Fail(Format("is {}; write seconds from {} to {}", seconds, low, high));
  }
  *duration = std::chrono::duration_cast<base::Duration>(std::chrono::duration<double>(seconds));
}

void ParseTimeouts(const Node& root, Config::Timeouts* timeouts) {
  const std::optional<Node> node = root.Get("timeouts");
  if (!node) return;
  ParseSeconds(*node, "connect", kShortestTimeout, kDay, &timeouts->connect);
  ParseSeconds(*node, "login", kShortestTimeout, kDay, &timeouts->login);
  ParseSeconds(*node, "stall", kShortestTimeout, kDay, &timeouts->stall);
  ParseSeconds(*node, "total", kShortestTimeout, kDay, &timeouts->total);
  ParseSeconds(*node, "idle", kShortestTimeout, kDay, &timeouts->idle);
}

}  // namespace

Config Load(const std::string& path) {
  const File file = ReadFile(path);
  const Node root(file);
  CheckSchema(root);
  Config config;
  config.path = file.path;
  if (const std::optional<Node> names = root.Get("names")) {
    config.names = names->Text();
    try {
      tree::NameTemplate checked(config.names);
    } catch (const base::Error& error) {
      names->Fail(error.what());
    }
  }
  if (const auto connections = GetInteger(root, "connections", 1, kMaxConnections)) {
    config.max_connections = static_cast<unsigned>(*connections);
  }
  ParseSeconds(root, "refresh_interval", 0, 7 * kDay, &config.refresh_interval);
  ParseTimeouts(root, &config.timeouts);
  config.accounts = ParseAccounts(root);
  ParseDirectories(root, &config);
  PlaceLoginFiles(&config);
  return config;
}

}  // namespace mailboxfs::config
