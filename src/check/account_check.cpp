#include "account_check.h"

#include <utility>

#include "account_facts.h"
#include "advice.h"
#include "authority.h"
#include "claims.h"
#include "clock.h"
#include "host.h"
#include "mailboxfs/base/encoding.h"
#include "mailboxfs/base/log.h"
#include "server.h"

namespace mailboxfs::check {
namespace {

constexpr size_t kShownMailboxes = 20;

std::string Names(const std::vector<const config::MailboxConfig*>& mailboxes) {
  std::string text;
  for (size_t i = 0; i < mailboxes.size() && i < kShownMailboxes; ++i) {
    text += (i == 0 ? "" : ", ") + base::Printable(mailboxes[i]->address);
  }
  return mailboxes.size() > kShownMailboxes ? text + ", ..." : text;
}

}  // namespace

AccountCheck::AccountCheck(const Context& context, const config::Account& account,
                           std::vector<const config::MailboxConfig*> mailboxes)
    : context_(context),
      account_(account),
      mailboxes_(std::move(mailboxes)),
      subject_(context.report, account.name),
      facts_(FactsOf(account)),
      person_(SpeaksForPerson(account.auth)) {}

void AccountCheck::Run() {
  if (account_.auth.method != config::AuthMethod::kPassword) {
    if (!CheckEndpoint()) return;
    if (!HasTokenPerMailbox(account_.auth) && !CheckSharedToken()) return;
  }
  if (!CheckMailHost()) return;
  for (const config::MailboxConfig* mailbox : mailboxes_) CheckMailbox(*mailbox);
  Compare();
}

bool AccountCheck::CheckEndpoint() {
  if (!CheckAuthority(context_, subject_, account_, facts_)) return false;
  TenantAnswer tenant = CheckTenant(context_, subject_, account_, facts_);
  tenant_id_ = std::move(tenant.tenant_id);
  const bool clock_is_right = NoteClock(tenant.clock_skew, /*has_token=*/false);
  if (tenant.failed || !clock_is_right) return false;
  return CheckCertificate(context_, subject_, account_, facts_);
}

bool AccountCheck::CheckSharedToken() { return CheckToken(subject_, *mailboxes_.front(), facts_, person_); }

bool AccountCheck::CheckToken(Subject& subject, const config::MailboxConfig& mailbox, Facts& facts, bool& person) {
  const mail::ImapOptions options = context_.means.options(account_, mailbox);
  if (!options.login.tokens) return true;
  const TokenResult token = check::CheckToken(context_, subject, account_, *options.login.tokens, facts);
  NoteClock(token.clock_skew, token.token.has_value());
  if (!token.token) return false;
  const ClaimsResult claims = CheckClaims(context_, subject, account_, token, tenant_id_, facts);
  person = claims.person;
  // With the same one, the next try would fail as well, whatever has been mended.
  if (!claims.usable) options.login.tokens->Invalidate(*token.token);
  return claims.usable;
}

bool AccountCheck::NoteClock(const std::optional<std::chrono::seconds>& skew, bool has_token) {
  if (!skew || std::exchange(clock_checked_, true)) return true;
  const std::string host = facts_.Get("token_host");
  return CheckClock(subject_, *skew, host.empty() ? "the token endpoint" : host, account_, facts_, has_token);
}

bool AccountCheck::CheckMailHost() {
  const config::ImapConfig& imap = account_.imap;
  const net::Endpoint endpoint{imap.host, imap.port, imap.tls ? net::Tls::kImplicit : net::Tls::kNone, imap.ca_file};
  return CheckHost(context_, subject_, "mail", endpoint, account_, facts_);
}

void AccountCheck::CheckMailbox(const config::MailboxConfig& mailbox) {
  Subject subject(context_.report, account_.name + "/" + mailbox.address);
  Facts facts = facts_;
  facts.Set("mailbox", mailbox.address);
  bool person = person_;
  if (HasTokenPerMailbox(account_.auth) && !CheckToken(subject, mailbox, facts, person)) {
    refused_.push_back(&mailbox);
    return;
  }
  const MailboxResult result = check::CheckMailbox(context_, subject, account_, mailbox, person, facts);
  if (result.refused) refused_.push_back(&mailbox);
  if (!result.opened) return;
  opened_.push_back(&mailbox);
  CheckContents(context_, subject, result.probe);
  if (!std::exchange(server_checked_, true)) CheckServer(context_, subject_, account_, mailboxes_, result.probe);
}

void AccountCheck::Compare() {
  // One mailbox says nothing about the others.
  if (mailboxes_.size() < 2) return;
  const std::string evidence = base::Format("{} of {} mailboxes can be read", opened_.size(), mailboxes_.size());
  if (refused_.empty()) {
    if (opened_.size() == mailboxes_.size()) subject_.Ok("mailboxes", evidence);
    return;
  }
  // Each has failed for itself already.
  if (opened_.empty()) {
    subject_.Warn("mailboxes", evidence, AdviceForAll(), "all-refused");
  } else {
    subject_.Warn("mailboxes", evidence + "; not " + Names(refused_), AdviceForSome(), "some-refused");
  }
}

bool AccountCheck::ByApplication() const {
  return account_.vendor == config::Vendor::kMicrosoft && !person_ &&
         account_.auth.method != config::AuthMethod::kPassword && !HasTokenPerMailbox(account_.auth);
}

std::string AccountCheck::AdviceForAll() const {
  if (!ByApplication()) {
    return "As none can be opened, look for what they have in common: the login, not one mailbox.";
  }
  return facts_.Fill(
      "As none can be opened, it is rather the application than one mailbox: Exchange does not know it, or by another "
      "Object ID than that of the Enterprise application:\n"
      "    {connect}\n"
      "    Get-ServicePrincipal | Where-Object AppId -eq {app|ps} | fl AppId,ObjectId\n"
      "    New-ServicePrincipal -AppId {app|ps} -ObjectId {object|ps} -DisplayName \"mailboxfs\"");
}

std::string AccountCheck::AdviceForSome() const {
  if (!ByApplication()) {
    return "As others can be opened by the same way, it is about these mailboxes: their passwords or permissions.";
  }
  std::string advice = facts_.Fill(
      "The same token opens others, so the application is known to Exchange. These lack the permission, or IMAP is "
      "disabled for them:\n"
      "    {connect}");
  for (size_t i = 0; i < refused_.size() && i < kShownMailboxes; ++i) {
    Facts facts = facts_;
    facts.Set("mailbox", refused_[i]->address);
    advice += facts.Fill(
        "\n    Add-MailboxPermission -Identity {mailbox|ps} -User {object|ps} -AccessRights FullAccess -AutoMapping "
        "$false"
        "\n    Set-CASMailbox -Identity {mailbox|ps} -ImapEnabled $true");
  }
  return advice;
}

}  // namespace mailboxfs::check
