#include "paths.h"

#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <system_error>

#include "mailboxfs/base/error.h"
#include "mailboxfs/base/log.h"
#include "mailboxfs/config/config.h"

namespace mailboxfs::config {

using base::Error;
using base::ErrorKind;

namespace {

// Set and an absolute path, as the XDG specification wants it.
std::optional<std::string> AbsoluteFromEnvironment(std::string_view variable) {
  const char* value = std::getenv(std::string(variable).c_str());
  if (value == nullptr || value[0] != '/') return std::nullopt;
  return value;
}

// Services without a home often have "/" instead.
std::optional<std::string> Home() {
  std::optional<std::string> home = AbsoluteFromEnvironment("HOME");
  return home == "/" ? std::nullopt : home;
}

constexpr std::string_view kConfigName = "mailboxfs/config.json";
constexpr std::string_view kPathOfAll = "/etc/mailboxfs/config.json";

// The first counts.
std::vector<std::string> OwnPaths() {
  std::vector<std::string> paths;
  if (const auto xdg = AbsoluteFromEnvironment("XDG_CONFIG_HOME")) {
    paths.push_back(base::Format("{}/{}", *xdg, kConfigName));
  }
  if (const auto home = Home()) paths.push_back(base::Format("{}/.config/{}", *home, kConfigName));
  return paths;
}

std::optional<std::string> FirstThatExists(const std::vector<std::string>& paths) {
  for (const std::string& path : paths) {
    if (::access(path.c_str(), F_OK) == 0) return path;
  }
  return std::nullopt;
}

// FNV-1a, 64 bits.
uint64_t Hash(std::string_view text) {
  uint64_t hash = 0xcbf29ce484222325U;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
  return hash;
}

}  // namespace

std::string MakeAbsolute(const std::string& path) {
  std::error_code error;
  std::filesystem::path absolute = std::filesystem::absolute(path, error);
  if (error || path.empty()) {
    throw Error(ErrorKind::kConfig, base::Format("\"{}\" is no path to a configuration file", path));
  }
  return absolute.string();
}

std::string ResolvePath(std::string_view path, const std::string& directory) {
  if (path.empty()) throw Error(ErrorKind::kConfig, "is empty; write a path");
  if (path.front() == '/') return std::string(path);
  if (path.substr(0, 2) == "~/") {
    const std::optional<std::string> home = AbsoluteFromEnvironment("HOME");
    if (!home) throw Error(ErrorKind::kConfig, "begins with ~ but HOME is not set; write an absolute path");
    return base::Format("{}/{}", *home, path.substr(2));
  }
  return directory + std::string(path);
}

std::string ConfigurationId(const std::string& absolute_path) {
  std::error_code error;
  std::filesystem::path real = std::filesystem::canonical(absolute_path, error);
  if (error) real = absolute_path;  // A pipe, perhaps.
  return base::Format("{}-{}", real.stem().string(), base::Format("{:016x}", Hash(real.string())).substr(0, 8));
}

std::string DefaultDirectory(const BaseDirectory& base, const std::string& id) {
  if (const auto xdg = AbsoluteFromEnvironment(base.xdg_variable)) return base::Format("{}/mailboxfs/{}", *xdg, id);
  if (const auto systemd = AbsoluteFromEnvironment(base.systemd_variable)) {
    return base::Format("{}/{}", systemd->substr(0, systemd->find(':')), id);
  }
  // Not root's home: by sudo, at boot and from cron HOME differs, and the index must be the same.
  if (::geteuid() == 0) return base::Format("{}/{}", base.of_root, id);
  if (const auto home = Home()) return base::Format("{}/{}/mailboxfs/{}", *home, base.below_home, id);
  return {};
}

std::string DefaultPath() {
  std::vector<std::string> candidates = OwnPaths();
  candidates.emplace_back(kPathOfAll);
  return FirstThatExists(candidates).value_or(candidates.front());
}

std::string PathForNew(bool root) {
  const std::vector<std::string> own = OwnPaths();
  return FirstThatExists(own).value_or(root || own.empty() ? std::string(kPathOfAll) : own.front());
}

}  // namespace mailboxfs::config
