#include "mailboxfs/cli/mount_options.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <iterator>

#include "mailboxfs/base/error.h"
#include "mailboxfs/base/log.h"

namespace mailboxfs::cli {
namespace {

using base::Error;
using base::ErrorKind;

// Meant for mount(8), systemd or the kernel's defaults that we set ourselves anyway.
constexpr std::string_view kDropped[] = {
    // clang-format off
    "_netdev", "async", "atime", "auto", "default_permissions", "defaults", "dev", "diratime", "dirsync", "exec",
    "group", "iversion", "lazytime", "loud", "mand", "noatime", "noauto", "nodev", "nodiratime", "noexec", "nofail",
    "nogroup", "noiversion", "nolazytime", "nomand", "noowner", "norelatime", "nostrictatime", "nosuid", "nosymfollow",
    "nouser", "nousers", "owner", "relatime", "ro", "rw", "silent", "strictatime", "suid", "symfollow", "sync", "user",
    "users",
    // clang-format on
};
constexpr std::string_view kDroppedPrefixes[] = {"x-", "X-", "comment=", "user=", "uhelper=", "helper="};

constexpr std::array<std::string_view, 2> kForFuse = {"allow_other", "allow_root"};

std::vector<std::string> SplitList(std::string_view list) {
  std::vector<std::string> items(1);
  for (size_t i = 0; i < list.size(); ++i) {
    if (list[i] == '\\' && i + 1 < list.size() && (list[i + 1] == ',' || list[i + 1] == '\\')) {
      items.back().push_back(list[++i]);
    } else if (list[i] == ',') {
      items.emplace_back();
    } else {
      items.back().push_back(list[i]);
    }
  }
  return items;
}

template <typename T>
T ParseNumber(std::string_view option, std::string_view value, int number_base) {
  unsigned long number = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number, number_base);
  if (error != std::errc() || end != value.data() + value.size() || number != static_cast<T>(number)) {
    throw Error(ErrorKind::kConfig, base::Format("mount option {}: \"{}\" is not {} number", option, value,
                                                 number_base == 8 ? "an octal" : "a"));
  }
  return static_cast<T>(number);
}

bool Contains(const auto& list, std::string_view item) {
  return std::find(std::begin(list), std::end(list), item) != std::end(list);
}

bool IsDropped(std::string_view item) {
  return Contains(kDropped, item) || std::any_of(std::begin(kDroppedPrefixes), std::end(kDroppedPrefixes),
                                                 [&](std::string_view prefix) { return item.starts_with(prefix); });
}

void ApplyOption(const std::string& item, MountOptions* options) {
  if (item.empty() || IsDropped(item)) return;
  if (Contains(kForFuse, item)) {
    if (!Contains(options->for_fuse, item)) options->for_fuse.push_back(item);
    return;
  }
  const size_t equals = item.find('=');
  const std::string name = item.substr(0, equals);
  const std::string value = equals == std::string::npos ? "" : item.substr(equals + 1);
  if (name == "auto_unmount") {
    throw Error(ErrorKind::kConfig,
                "mount option auto_unmount is refused: if the daemon died, the directory would look empty, and a "
                "running backup would take all mail for deleted");
  }
  const bool has_value = equals != std::string::npos && !value.empty();
  if (name == "uid" && has_value) {
    options->uid = ParseNumber<uid_t>(name, value, 10);
  } else if (name == "gid" && has_value) {
    options->gid = ParseNumber<gid_t>(name, value, 10);
  } else if (name == "umask" && has_value) {
    options->umask = ParseNumber<mode_t>(name, value, 8) & 0777U;
  } else if (name == "config" && has_value) {
    options->config = value;
  } else if (name == "log_level" && has_value) {
    options->log_level = value;
  } else if (name == "log_file" && has_value) {
    options->log_file = value;
  } else {
    throw Error(ErrorKind::kConfig,
                base::Format("unknown mount option \"{}\"; known are allow_other, allow_root, uid=, gid=, umask=, "
                             "config=, log_level=, log_file=",
                             item));
  }
}

}  // namespace

MountOptions ParseMountOptions(const std::vector<std::string>& lists) {
  MountOptions options;
  for (const std::string& list : lists) {
    for (const std::string& item : SplitList(list)) ApplyOption(item, &options);
  }
  return options;
}

}  // namespace mailboxfs::cli
