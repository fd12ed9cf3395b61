#pragma once

#include <string>
#include <string_view>

namespace mailboxfs::config {

// With the current directory in front if it is relative; links are not followed.
std::string MakeAbsolute(const std::string& path);

// A path from the file: "~/" is HOME, a relative one is under `directory` (which ends in a
// slash). Throws Error(kConfig), without a place, if it is empty or HOME is not set.
std::string ResolvePath(std::string_view path, const std::string& directory);

// What tells the default directories of this configuration from those of others: its file's
// stem and a hash of its real path.
std::string ConfigurationId(const std::string& absolute_path);

// A base directory of this user (XDG) or of this service (systemd, root).
struct BaseDirectory {
  std::string_view xdg_variable;      // XDG_CACHE_HOME
  std::string_view below_home;        // .cache
  std::string_view systemd_variable;  // CACHE_DIRECTORY
  std::string_view of_root;           // /var/cache/mailboxfs
};
inline constexpr BaseDirectory kCacheBase = {"XDG_CACHE_HOME", ".cache", "CACHE_DIRECTORY", "/var/cache/mailboxfs"};
inline constexpr BaseDirectory kStateBase = {"XDG_STATE_HOME", ".local/state", "STATE_DIRECTORY", "/var/lib/mailboxfs"};

// BASE/mailboxfs/`id`; empty if this user has no such place.
std::string DefaultDirectory(const BaseDirectory& base, const std::string& id);

}  // namespace mailboxfs::config
