#include <csignal>
#include <cstdio>
#include <string_view>
#include <utility>

#include "commands.h"
#include "control_client.h"
#include "control_server.h"
#include "mailboxfs/base/error.h"
#include "mailboxfs/base/log.h"
#include "mailboxfs/check/check.h"
#include "mailboxfs/cli/exit_code.h"
#include "mailboxfs/config/config.h"
#include "mailboxfs/net/transport.h"
#include "mount_table.h"
#include "services.h"

namespace mailboxfs::cli {
namespace {

using base::Error;
using check::Finding;

// One line for each finding, with what to do below it; or all of them as one JSON document.
class Printer {
 public:
  explicit Printer(bool json) : json_(json) {}

  void Print(const Finding& finding) {
    if (json_) {
      findings_.Append(FindingReport(finding));
      return;
    }
    std::printf("%-8s %s: %s: %s\n", std::string(check::VerdictName(finding.verdict)).c_str(), finding.subject.c_str(),
                finding.id.c_str(), finding.evidence.c_str());
    std::string_view mark = "->";
    for (std::string_view rest = finding.advice; !rest.empty(); mark = "  ") {
      const std::string_view line = rest.substr(0, rest.find('\n'));
      std::printf("         %s %s\n", std::string(mark).c_str(), std::string(line).c_str());
      rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    }
    std::fflush(stdout);
  }

  int Finish(int exit_code) {
    if (json_) {
      json::Value document = json::Value::MakeObject();
      document.Set("checks", std::move(findings_));
      document.Set("exit_code", exit_code);
      std::printf("%s\n", json::Dump(document, 2).c_str());
    }
    return exit_code;
  }

  // A finding of our own, before any other could be made.
  int Fail(std::string_view id, const Error& error, std::string_view advice) {
    Print({std::string(id), std::string(id), check::Verdict::kFailed, error.what(), std::string(advice), ""});
    return Finish(check::ExitCodeFor(error.kind()));
  }

 private:
  bool json_;
  json::Value findings_{json::Value::Array{}};
};

int CheckMount(const CheckArguments& arguments, Printer* printer) {
  const std::string mountpoint = CanonicalMountpoint(*arguments.mountpoint);
  try {
    return printer->Finish(
        QueryCheck(mountpoint, arguments.mailboxes, [&](const Finding& finding) { printer->Print(finding); }));
  } catch (const Error& error) {
    return printer->Fail("mount", error, "mailboxfs check without --mount looks at the same without the mount");
  }
}

}  // namespace

int RunCheck(const CheckArguments& arguments) {
  base::InitLog({base::LogLevel::kError, true, false});
  Printer printer(arguments.json);
  if (arguments.mountpoint) return CheckMount(arguments, &printer);
  config::Config config;
  try {
    config = config::Load(arguments.config.value_or(config::DefaultPath()));
    CheckCredentials(config);
  } catch (const Error& error) {
    return printer.Fail("configuration", error, "mailboxfs.conf(5) describes every key");
  }
  net::InitNetwork();
  Services services(config.max_connections);
  const base::WakeEvent never;
  try {
    return printer.Finish(check::Run(config, {arguments.mailboxes, /*mounted=*/false}, services.MakeMeans(config),
                                     never, [&](const Finding& finding) { printer.Print(finding); }));
  } catch (const Error& error) {
    return printer.Fail("configuration", error, "mailboxfs check --help says how to name mailboxes");
  }
}

}  // namespace mailboxfs::cli
