#include "mailboxfs/check/check.h"

#include <algorithm>
#include <utility>

#include "account_check.h"
#include "context.h"
#include "machine.h"
#include "mailboxfs/base/encoding.h"
#include "mailboxfs/base/error.h"
#include "mailboxfs/base/log.h"
#include "report.h"

namespace mailboxfs::check {
namespace {

bool IsCalled(const config::MailboxConfig& mailbox, const std::string& name) {
  return mailbox.name == name || base::EqualsIgnoreCase(mailbox.address, name);
}

void RefuseUnknown(const config::Config& config, const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    const bool known = std::any_of(config.accounts.begin(), config.accounts.end(), [&](const config::Account& account) {
      return std::any_of(account.mailboxes.begin(), account.mailboxes.end(),
                         [&](const config::MailboxConfig& mailbox) { return IsCalled(mailbox, name); });
    });
    if (!known) {
      throw base::Error(base::ErrorKind::kConfig,
                        base::Format("{}: no mailbox \"{}\"; name one by its address or directory", config.path,
                                     base::Printable(name)));
    }
  }
}

std::vector<const config::MailboxConfig*> Wanted(const config::Account& account,
                                                 const std::vector<std::string>& names) {
  std::vector<const config::MailboxConfig*> wanted;
  for (const config::MailboxConfig& mailbox : account.mailboxes) {
    const bool named =
        std::any_of(names.begin(), names.end(), [&](const std::string& name) { return IsCalled(mailbox, name); });
    if (names.empty() || named) wanted.push_back(&mailbox);
  }
  return wanted;
}

}  // namespace

int Run(const config::Config& config, const Request& request, const Means& means, const base::WakeEvent& wake,
        const std::function<void(const Finding&)>& report) {
  RefuseUnknown(config, request.mailboxes);
  Report findings(report);
  const Context context{config, means, wake, findings, request.mounted};
  if (!request.mounted) CheckMachine(config, Machine::Ours(), findings);
  for (const config::Account& account : config.accounts) {
    std::vector<const config::MailboxConfig*> wanted = Wanted(account, request.mailboxes);
    if (!wanted.empty()) AccountCheck(context, account, std::move(wanted)).Run();
  }
  return findings.exit_code();
}

}  // namespace mailboxfs::check
