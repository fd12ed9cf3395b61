#include "setup_steps.h"

#include <cstdio>
#include <string>

#include "mailboxfs/base/log.h"
#include "mailboxfs/check/quoting.h"

namespace mailboxfs::cli {
namespace {

using base::Format;

// The host of https://HOST/...
std::string HostOf(const std::string& url) {
  const size_t begin = url.find("://") + 3;
  return url.substr(begin, url.find('/', begin) - begin);
}

std::string MailboxSteps(const config::Account& account) {
  std::string text;
  for (const config::MailboxConfig& mailbox : account.mailboxes) {
    text += Format(
        "       Add-MailboxPermission -Identity {0} -User $sp.ObjectId -AccessRights FullAccess -AutoMapping $false\n"
        "       Set-CASMailbox -Identity {0} -ImapEnabled $true\n",
        check::QuoteForPowerShell(mailbox.address).value_or("'<PRIMARY ADDRESS OF THE MAILBOX>'"));
  }
  return text;
}

}  // namespace

void PrintAdminSteps(const config::Account& account) {
  const config::AuthConfig& auth = account.auth;
  const std::string cloud = account.exchange_environment.empty()
                                ? std::string()
                                : " -ExchangeEnvironmentName " + account.exchange_environment;
  const std::string graph =
      account.graph_environment.empty() ? std::string() : " -Environment " + account.graph_environment;
  std::printf("%s",
              Format(R"(What an administrator of the tenant does once:

  1. Microsoft Entra admin center > App registrations > the application {0} > API permissions >
     Add a permission > APIs my organization uses > Office 365 Exchange Online > Application permissions:
     IMAP.AccessAsApp. Then "Grant admin consent", or open:
       https://{1}/{2}/adminconsent?client_id={0}
  2. PowerShell (Install-Module ExchangeOnlineManagement, Microsoft.Graph.Applications), which makes the application known
     to Exchange. The Object ID is that of the ENTERPRISE APPLICATION, not that of the app registration:
       Connect-MgGraph{5} -Scopes Application.Read.All -TenantId {2}
       $app = Get-MgServicePrincipal -Filter "appId eq '{0}'"
       Connect-ExchangeOnline{3} -Organization {2}
       New-ServicePrincipal -AppId {0} -ObjectId $app.Id -DisplayName mailboxfs
       $sp = Get-ServicePrincipal | Where-Object AppId -eq {0}
  3. In the same window, for each mailbox:
{4}
New permissions can take an hour until they work.
)",
                     auth.client_id, HostOf(auth.token_endpoint), auth.tenant, cloud, MailboxSteps(account), graph)
                  .c_str());
}

}  // namespace mailboxfs::cli
