#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "context.h"
#include "facts.h"
#include "mailbox.h"
#include "report.h"
#include "token.h"

namespace mailboxfs::check {

// All checks of one account, from the host that gives its tokens to its mailboxes. Thread-bound; borrows all.
class AccountCheck {
 public:
  // `mailboxes`: those to be checked, of this account; at least one.
  AccountCheck(const Context& context, const config::Account& account,
               std::vector<const config::MailboxConfig*> mailboxes);
  void Run();

 private:
  // Each is false if it is no use to go on.
  bool CheckEndpoint();
  bool CheckSharedToken();
  bool CheckToken(Subject& subject, const config::MailboxConfig& mailbox, Facts& facts, bool& person);
  bool CheckMailHost();
  bool NoteClock(const std::optional<std::chrono::seconds>& skew, bool has_token);

  void CheckMailbox(const config::MailboxConfig& mailbox);
  // What all of them together tell.
  void Compare();
  // Does an application that Exchange must know open the mailboxes, rather than people's own logins?
  bool ByApplication() const;
  std::string AdviceForAll() const;
  std::string AdviceForSome() const;

  const Context& context_;
  const config::Account& account_;
  const std::vector<const config::MailboxConfig*> mailboxes_;
  Subject subject_;
  Facts facts_;
  std::string tenant_id_;
  bool person_ = false;
  bool clock_checked_ = false;
  bool server_checked_ = false;
  std::vector<const config::MailboxConfig*> opened_, refused_;
};

}  // namespace mailboxfs::check
