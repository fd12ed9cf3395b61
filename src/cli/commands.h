#pragma once

#include <optional>
#include <string>
#include <vector>

namespace mailboxfs::cli {

// Each runs one command and returns the exit code; throws base::Error for the rest. They
// print what a person should read. Thread-bound.

struct MountArguments {
  std::optional<std::string> config;
  std::string mountpoint;
  bool foreground = false;
  std::vector<std::string> options;  // -o lists.
  std::optional<std::string> log_level;
  std::optional<std::string> log_file;
};
int RunMount(const MountArguments& arguments);

struct CheckArguments {
  std::optional<std::string> config;
  std::optional<std::string> mountpoint;  // Have this mount's daemon do it.
  std::vector<std::string> mailboxes;     // Addresses or directory names; empty: all.
  bool json = false;
};
int RunCheck(const CheckArguments& arguments);

struct LoginArguments {
  std::optional<std::string> config;
  std::string account;
};
int RunLogin(const LoginArguments& arguments);

struct SetupArguments {
  std::string provider;
  std::optional<std::string> config, tenant, client_id, secret_file, certificate;
  std::vector<std::string> mailboxes;
  bool replace = false;  // An existing configuration.
};
int RunSetup(const SetupArguments& arguments);

struct StatusArguments {
  std::string mountpoint;
  bool json = false;
};
int RunStatus(const StatusArguments& arguments);

struct FsckArguments {
  std::optional<std::string> config;
  bool no_change = false;
};
int RunFsck(const FsckArguments& arguments);

struct UnmountArguments {
  std::string mountpoint;
  bool lazy = false;
};
int RunUnmount(const UnmountArguments& arguments);

}  // namespace mailboxfs::cli
