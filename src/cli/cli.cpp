#include "mailboxfs/cli/cli.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <csignal>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "commands.h"
#include "mailboxfs/base/encoding.h"
#include "mailboxfs/base/error.h"
#include "mailboxfs/base/log.h"
#include "mailboxfs/cli/exit_code.h"
#include "mailboxfs/config/config.h"
#include "protect_memory.h"

namespace mailboxfs::cli {
namespace {

struct Arguments {
  MountArguments mount;
  CheckArguments check;
  LoginArguments login;
  SetupArguments setup;
  StatusArguments status;
  FsckArguments fsck;
  UnmountArguments unmount;
};

constexpr std::array<std::string_view, 7> kCommands = {"mount", "check", "login", "setup", "status", "fsck", "unmount"};

constexpr std::string_view kConfigHelp =
    "Configuration file (default: $XDG_CONFIG_HOME/mailboxfs/config.json or ~/.config/mailboxfs/config.json, "
    "else /etc/mailboxfs/config.json)";

CLI::App* AddMount(CLI::App* app, MountArguments* arguments) {
  CLI::App* command = app->add_subcommand("mount", "Mount the configured mailboxes");
  command->add_option("MOUNTPOINT", arguments->mountpoint, "An existing directory")->required();
  command->add_option("-c,--config", arguments->config, std::string(kConfigHelp));
  command->add_flag("-f,--foreground", arguments->foreground, "Stay in the foreground, log to standard error");
  command
      ->add_option("-o", arguments->options,
                   "Mount options: allow_other, allow_root, uid=N, gid=N, umask=OCTAL, config=FILE, log_level=LEVEL, "
                   "log_file=FILE, "
                   "and what mount(8) and systemd know (ro, noauto, _netdev, x-*)")
      ->type_name("OPT[,OPT...]")
      ->allow_extra_args(false);
  command->add_option("--log-level", arguments->log_level, "trace, debug, info (default), warning, error or off")
      ->type_name("LEVEL");
  command->add_option("--log-file", arguments->log_file, "Append the log to this file (made with mode 0600)")
      ->type_name("FILE");
  return command;
}

CLI::App* AddCheck(CLI::App* app, CheckArguments* arguments) {
  CLI::App* command =
      app->add_subcommand("check", "Check every layer from the configuration to the first message; say what to fix");
  command->add_option("MAILBOX", arguments->mailboxes, "Only these mailboxes (address or directory name)");
  command->add_option("-c,--config", arguments->config, std::string(kConfigHelp));
  command
      ->add_option("--mount", arguments->mountpoint,
                   "Have the daemon that is mounted there check, with its own configuration, secrets and tokens")
      ->type_name("MOUNTPOINT")
      ->excludes("--config");
  command->add_flag("--json", arguments->json, "Print JSON with a stable identifier for each check");
  return command;
}

CLI::App* AddLogin(CLI::App* app, LoginArguments* arguments) {
  CLI::App* command =
      app->add_subcommand("login", "Log a person in, once, for an account that needs it (device code, browser)");
  command->add_option("ACCOUNT", arguments->account, "The account's name in the configuration")->required();
  command->add_option("-c,--config", arguments->config, std::string(kConfigHelp));
  return command;
}

CLI::App* AddSetup(CLI::App* app, SetupArguments* arguments) {
  CLI::App* command = app->add_subcommand(
      "setup", "Write a configuration, say what an administrator has to do, and check it; asks for what is not given");
  command
      ->add_option("PROVIDER", arguments->provider,
                   "microsoft365, microsoft365-gcc-high, microsoft365-dod or microsoft365-china")
      ->required();
  command->add_option("--tenant", arguments->tenant, "Directory (tenant) ID, or a domain of the tenant")
      ->type_name("TENANT");
  command->add_option("--client-id", arguments->client_id, "Application (client) ID")->type_name("ID");
  command->add_option("--secret-file", arguments->secret_file, "A file of mode 0600 with the client secret's Value")
      ->type_name("FILE");
  command
      ->add_option("--certificate", arguments->certificate, "A PEM file of mode 0600 with certificate and private key")
      ->type_name("FILE");
  command->add_option("--mailbox", arguments->mailboxes, "A mailbox's primary address; may be given several times")
      ->type_name("ADDRESS")
      ->allow_extra_args(false);
  command
      ->add_option("-c,--config", arguments->config,
                   "The file to write (default: ~/.config/mailboxfs/config.json; for root /etc/mailboxfs/config.json)")
      ->type_name("FILE");
  command->add_flag("--replace", arguments->replace, "Replace an existing file; it is kept as FILE.old");
  return command;
}

CLI::App* AddStatus(CLI::App* app, StatusArguments* arguments) {
  CLI::App* command = app->add_subcommand("status", "Show connections, tokens, cache, progress and errors of a mount");
  command->add_option("MOUNTPOINT", arguments->mountpoint, "Where it is mounted")->required();
  command->add_flag("--json", arguments->json, "Print JSON");
  return command;
}

CLI::App* AddFsck(CLI::App* app, FsckArguments* arguments) {
  CLI::App* command = app->add_subcommand("fsck", "Check and repair the index and the cache of what is not mounted");
  command->add_option("-c,--config", arguments->config, std::string(kConfigHelp));
  command->add_flag("-n,--no-change", arguments->no_change, "Change nothing, only say what is wrong");
  command->footer(
      "Exit status, as fsck(8): 0 no errors, 1 errors corrected, 4 errors left, 8 could not be done, 16 usage, 32 "
      "cancelled.");
  return command;
}

CLI::App* AddUnmount(CLI::App* app, UnmountArguments* arguments) {
  CLI::App* command = app->add_subcommand("unmount", "Unmount, and wait until the daemon has ended");
  command->add_option("MOUNTPOINT", arguments->mountpoint, "Where it is mounted")->required();
  command->add_flag("-l,--lazy", arguments->lazy, "Detach now even if something is open; don't wait");
  return command;
}

bool IsCommand(const std::string& word) {
  return std::find(kCommands.begin(), kCommands.end(), word) != kCommands.end();
}

bool IsMountHelper(const std::string& program) { return program.substr(program.rfind('/') + 1).starts_with("mount."); }

// mount(8) and fstab call us as `mount.mailboxfs CONFIG MOUNTPOINT [-sfnv] [-o OPTS] [-t TYPE]`,
// a person may write `mailboxfs CONFIG MOUNTPOINT -o OPTS`, where CONFIG must not be taken for a
// mistyped command.
bool IsMountHelperForm(const std::vector<std::string>& arguments) {
  if (IsMountHelper(arguments[0])) return true;
  if (arguments.size() < 3 || arguments[1].starts_with("-") || arguments[2].starts_with("-")) return false;
  const std::string& first = arguments[1];
  if (IsCommand(first)) return false;
  return first.find('/') != std::string::npos || ::access(first.c_str(), F_OK) == 0;
}

void RefuseUnknownCommand(const std::vector<std::string>& arguments) {
  if (arguments.size() < 2 || arguments[1].starts_with("-") || IsCommand(arguments[1])) return;
  std::string known;
  for (const std::string_view command : kCommands) known += base::Format("{}{}", known.empty() ? "" : ", ", command);
  throw base::Error(base::ErrorKind::kConfig, base::Format("there is no command \"{}\"; the commands are {} (see "
                                                           "mailboxfs --help)",
                                                           base::Printable(arguments[1]), known));
}

int RunMountHelper(const std::vector<std::string>& arguments) {
  CLI::App app("Mount mailboxes as files (the form that mount(8) and /etc/fstab use)", "mount.mailboxfs");
  MountArguments mount;
  std::string config;
  // For mount(8) -f means --fake, for people the foreground.
  const bool helper = IsMountHelper(arguments[0]);
  bool dash_f = false;
  bool ignored = false;
  std::string type;
  app.add_option("CONFIG", config, "Configuration file")->required();
  app.add_option("MOUNTPOINT", mount.mountpoint, "An existing directory")->required();
  app.add_option("-o", mount.options, "Mount options")->allow_extra_args(false);
  app.add_flag("-f", dash_f, helper ? "Check only, don't mount (mount --fake)" : "Stay in the foreground");
  app.add_flag("-s", ignored, "Ignored");
  app.add_flag("-n", ignored, "Ignored");
  app.add_flag("-v", ignored, "Ignored");
  app.add_option("-t", type, "Ignored");
  std::vector<std::string> reversed(arguments.rbegin(), arguments.rend() - 1);
  try {
    app.parse(std::move(reversed));
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kExitOk : kExitConfig;
  }
  mount.config = config;
  mount.foreground = dash_f && !helper;
  if (dash_f && helper) {
    config::Load(config);
    return kExitOk;
  }
  return RunMount(mount);
}

int RunCommand(int argc, char** argv) {
  CLI::App app("Shows mailboxes as files: MOUNTPOINT/mailbox/folder/message.eml", "mailboxfs");
  app.set_version_flag("--version", "mailboxfs " MAILBOXFS_VERSION);
  app.require_subcommand(1);
  app.footer(
      "Exit status: 0 ok, 1 other failure or warnings, 2 configuration, 3 login, 4 network.\n"
      "Manual pages: mailboxfs(1), mailboxfs.conf(5).");
  Arguments arguments;
  const CLI::App* mount = AddMount(&app, &arguments.mount);
  const CLI::App* check = AddCheck(&app, &arguments.check);
  const CLI::App* login = AddLogin(&app, &arguments.login);
  const CLI::App* setup = AddSetup(&app, &arguments.setup);
  const CLI::App* status = AddStatus(&app, &arguments.status);
  const CLI::App* fsck = AddFsck(&app, &arguments.fsck);
  AddUnmount(&app, &arguments.unmount);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (app.exit(error) == 0) return kExitOk;
    return fsck->parsed() ? int{kFsckUsage} : int{kExitConfig};
  }
  if (mount->parsed()) return RunMount(arguments.mount);
  if (check->parsed()) return RunCheck(arguments.check);
  if (login->parsed()) return RunLogin(arguments.login);
  if (setup->parsed()) return RunSetup(arguments.setup);
  if (status->parsed()) return RunStatus(arguments.status);
  if (fsck->parsed()) return RunFsck(arguments.fsck);
  return RunUnmount(arguments.unmount);
}

}  // namespace

int Main(int argc, char** argv) {
  ProtectMemory();
  // Who has started us may have it ignored; then the ends of our own children could not be seen.
  std::signal(SIGCHLD, SIG_DFL);
  const std::vector<std::string> arguments(argv, argv + argc);
  try {
    if (IsMountHelperForm(arguments)) return RunMountHelper(arguments);
    RefuseUnknownCommand(arguments);
    return RunCommand(argc, argv);
  } catch (const std::exception&) {
    const base::Error error = base::CurrentError();
    std::fprintf(stderr, "mailboxfs: %s\n", error.what());
    return ExitCodeFor(error.kind());
  }
}

}  // namespace mailboxfs::cli
