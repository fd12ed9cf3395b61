#include "advice.h"

namespace mailboxfs::check {
namespace {

using config::AuthMethod;
using config::Vendor;

constexpr std::string_view kDelegation =
    "The service account may not read this domain's mail. An administrator of the domain must let it: Google Admin "
    "console > Security > Access and data control > API controls > Manage domain-wide delegation > Add new, with\n"
    "  Client ID     {service_client}\n"
    "  OAuth scopes  {scope}\n"
    "It can take a day to be in effect.";

constexpr std::string_view kGrantRole =
    "The managed identity lacks the permission IMAP.AccessAsApp. The portal cannot give it; PowerShell can:\n"
    "    {connect_graph} -Scopes AppRoleAssignment.ReadWrite.All,Application.Read.All\n"
    "    $exchange = Get-MgServicePrincipal -Filter \"appId eq '00000002-0000-0ff1-ce00-000000000000'\"\n"
    "    $role = $exchange.AppRoles | Where-Object Value -eq 'IMAP.AccessAsApp'\n"
    "    New-MgServicePrincipalAppRoleAssignment -ServicePrincipalId {object|ps} -PrincipalId {object|ps} -ResourceId "
    "$exchange.Id -AppRoleId $role.Id\n"
    "Then wait until the next token: Azure keeps one for up to a day.";

constexpr Advice kTokenAdvice[] = {
    // The application and its secret.
    {.cause = "secret-wrong",
     .text = "The client secret is wrong. Most often the secret's ID was copied. Use its Value: the portal shows it "
             "only once, when the secret is made. If it is lost, make a new one: Entra admin center > App "
             "registrations > {client_id} > Certificates & secrets.\n"
             "Are there quotes or spaces around it in its file? They would belong to it."},
    {.cause = "secret-expired",
     .text = "The client secret has expired. Make a new one: Entra admin center > App registrations > {client_id} > "
             "Certificates & secrets > New client secret. Put its Value where the configuration reads the secret "
             "from. A running mount finds it there within five minutes."},
    {.cause = "app-not-in-tenant",
     .text = "There is no application {client_id} in the tenant {tenant}. Compare both with the application's "
             "Overview page: \"tenant\" is the Directory (tenant) ID, \"client_id\" the Application (client) ID, not "
             "the Object ID.\n"
             "If the application belongs to another tenant, an administrator of this one must let it in first, at\n"
             "    {consent_url}"},
    {.cause = "app-disabled",
     .text = "The application is disabled. Entra admin center > Enterprise applications > {client_id} > Properties: "
             "set \"Enabled for users to sign-in\" to Yes."},
    {.cause = "tenant-unknown",
     .text = "There is no tenant {tenant} at {token_host}. Check \"tenant\" for a typo: it is the Directory (tenant) "
             "ID on the application's Overview page. If the tenant is in a national cloud, set \"provider\" to "
             "microsoft365-gcc-high, microsoft365-dod or microsoft365-china."},
    {.cause = "tenant-needed",
     .text = "Set \"tenant\" to the tenant's own ID: the Directory (tenant) ID on the application's Overview page. "
             "\"common\", \"organizations\" and \"consumers\" do not work here."},
    {.cause = "wrong-cloud",
     .text = "This tenant is in another Microsoft cloud than {token_host}. Set \"provider\" to {cloud_provider}: it "
             "presets the addresses of that cloud. The application must be registered in that cloud, too."},
    {.cause = "resource-unknown",
     .text = "The tenant does not know the resource {scope}. Set {resource_setting}. If it is so already, the tenant "
             "has no Exchange Online: an administrator must add a subscription that includes it.",
     .vendor = Vendor::kMicrosoft},
    {.cause = "resource-unknown",
     .text = "The server has no tokens for {scope}. Check \"scope\" and \"resource\" of the account {account}: its "
             "documentation says what its mail server is called."},
    {.cause = "no-subscription",
     .text = "The tenant has no subscription for this service. An administrator must add a licence that includes "
             "Exchange Online: Microsoft 365 admin center > Billing."},
    {.cause = "permission-missing",
     .text = "The application asks for a permission that it does not have. Entra admin center > App registrations > "
             "{client_id} > API permissions > Add a permission > APIs my organization uses > Office 365 Exchange "
             "Online > {permission}. Then press Grant admin consent."},
    {.cause = "consent-missing",
     .text = "An administrator of the tenant must consent. Open this as administrator and accept:\n"
             "    {consent_url}\n"
             "Or: Entra admin center > App registrations > {client_id} > API permissions > Grant admin consent. Then "
             "wait some minutes and check again."},
    {.cause = "scope-malformed",
     .text = "The scope {scope} is not one that this server gives. Set {resource_setting}. For an application that "
             "logs in as itself it ends with /.default.",
     .vendor = Vendor::kMicrosoft},
    {.cause = "scope-malformed",
     .text = "The scope {scope} is not one that this server gives, or not to this client. It should be "
             "{expected_scope}."},
    {.cause = "scope-several", .text = "\"scope\" names more than one resource. It must name one: {expected_scope}."},
    {.cause = "parameter-missing",
     .text = "The request lacks something; the server's words say what. Are \"client_id\" and \"scope\" set?"},
    {.cause = "secret-missing",
     .text = "The application must show a secret or a certificate: set \"client_secret\" or \"certificate\". If a "
             "person is to log in without one: Entra admin center > App registrations > {client_id} > "
             "Authentication > Allow public client flows > Yes."},
    {.cause = "secret-unwanted",
     .text = "The application is a public client, which has no secret. Remove \"client_secret\" and \"certificate\"."},
    {.cause = "certificate-unregistered",
     .text = "The application does not know this certificate. Upload it (without the key): Entra admin center > App "
             "registrations > {client_id} > Certificates & secrets > Certificates > Upload certificate. There it "
             "has the thumbprint {thumbprint}."},
    {.cause = "certificate-expired",
     .text = "Make a new certificate and upload it: Entra admin center > App registrations > {client_id} > "
             "Certificates & secrets > Certificates."},
    {.cause = "assertion-rejected",
     .text = "What this machine has signed is refused. Mostly its clock is wrong; set it, and keep it right:\n"
             "    timedatectl set-ntp true\n"
             "    timedatectl timesync-status\n"
             "If it is right: is the certificate with the thumbprint {thumbprint} the one of this application? Is "
             "a federated token renewed in its file?"},
    {.cause = "federation-mismatch",
     .text = "The application has no federated credential for the token that was sent. Entra admin center > App "
             "registrations > {client_id} > Certificates & secrets > Federated credentials: these must stand there, "
             "letter by letter:\n"
             "  Issuer    {federated_issuer}\n"
             "  Subject   {federated_subject}\n"
             "  Audience  {federated_audience}"},
    {.cause = "federation-unsupported",
     .text = "A token that Microsoft Entra has issued cannot stand for a secret. Use one of another issuer "
             "(Kubernetes, GitHub, SPIFFE), a certificate, or a managed identity."},

    // What the tenant's rules say.
    {.cause = "conditional-access",
     .text = "A Conditional Access policy blocks this login. An administrator sees which one: Entra admin center > "
             "Sign-in logs; look for the correlation ID. Let this application in from this machine's address, or "
             "leave it out of the policy."},
    {.cause = "security-defaults",
     .text = "The tenant's security defaults block this login. An administrator can replace them by Conditional "
             "Access policies: Entra admin center > Overview > Properties > Manage security defaults."},
    {.cause = "interaction-needed", .text = "The tenant wants to see a person with a second factor. {log_in}"},
    {.cause = "login-revoked",
     .text = "The login was ended: the password was changed, or an administrator ended it. {log_in}"},
    {.cause = "login-expired",
     .text = "The login has expired. {log_in}\n"
             "Google ends the logins of an application in \"Testing\" after 7 days. Publish it: Google Cloud console "
             "> Google Auth Platform > Audience > Publish app.",
     .vendor = Vendor::kGoogle},
    {.cause = "login-expired", .text = "The login has expired, or was not used for too long. {log_in}"},
    {.cause = "login-needed",
     .text = "There is no refresh token for this client: none was given yet, or \"client_id\" or the endpoint was "
             "changed since. {log_in}",
     .vendor = std::nullopt,
     .method = AuthMethod::kRefreshToken},
    {.cause = "login-needed", .text = "Nobody has logged in to this account on this machine. {log_in}"},
    {.cause = "user-disabled",
     .text = "The user is disabled. An administrator can enable it: Entra admin center > Users."},
    {.cause = "user-unknown", .text = "The tenant {tenant} has no such user. Check the tenant. {log_in}"},
    {.cause = "password-wrong", .text = "The user name or the password is wrong. {log_in}"},
    {.cause = "code-unusable", .text = "The login's code was used before, or belongs to another login. {log_in}"},
    {.cause = "authorization-pending", .text = "Nobody has entered the login's code yet. {log_in}"},
    {.cause = "device-code-wrong", .text = "The server does not know this device code. {log_in}"},
    {.cause = "device-code-expired", .text = "The login's code was not entered in time. {log_in}"},
    {.cause = "request-loop",
     .text = "Microsoft has seen the same request too often, and refuses it for a while. Stop other programs that use "
             "this application, wait five minutes, and check again."},
    {.cause = "transient",
     .text = "This is trouble at Microsoft, which passes. Check again in some minutes. If it stays, show Microsoft's "
             "support the trace ID."},

    // Words of OAuth's own, at servers that say no more.
    {.cause = "client-refused",
     .text = "Google does not know this service account or its key: it was deleted or disabled. Make a new key: Google "
             "Cloud console > IAM & Admin > Service Accounts > Keys > Add key > JSON. Put the file where "
             "\"service_account_key\" says.",
     .vendor = std::nullopt,
     .method = AuthMethod::kServiceAccount},
    {.cause = "client-refused",
     .text = "The server does not know this client, or its secret is wrong. Check \"client_id\" and the secret."},
    {.cause = "client-unauthorized", .text = kDelegation, .method = AuthMethod::kServiceAccount},
    {.cause = "client-unauthorized",
     .text = "The client {client_id} is not allowed to log in like this. Check which grants it may use where it was "
             "registered."},
    {.cause = "grant-invalid",
     .text = "Google refuses the assertion. Is {mailbox} a user of this domain, with its primary address? Is this "
             "machine's clock right?\n    timedatectl set-ntp true",
     .vendor = std::nullopt,
     .method = AuthMethod::kServiceAccount},
    {.cause = "grant-invalid",
     .text = "The login is not valid any more. {log_in}\n"
             "Google ends the logins of an application in \"Testing\" after 7 days, and when the password changes. "
             "Publish the application: Google Cloud console > Google Auth Platform > Audience > Publish app.",
     .vendor = Vendor::kGoogle},
    {.cause = "grant-invalid",
     .text = "The server does not accept what the client logs in with. Check \"client_id\", the secret and \"scope\".",
     .vendor = std::nullopt,
     .method = AuthMethod::kClientCredentials},
    {.cause = "grant-invalid", .text = "The login is not valid any more. {log_in}"},
    {.cause = "access-denied", .text = kDelegation, .method = AuthMethod::kServiceAccount},
    {.cause = "access-denied",
     .text = "The server does not let the client {client_id} in. Whoever registered it there must allow it.",
     .vendor = std::nullopt,
     .method = AuthMethod::kClientCredentials},
    {.cause = "access-denied", .text = "The login was declined. Whoever declined it must accept it. {log_in}"},
    {.cause = "throttled",
     .text = "The server asks for a pause. Wait as long as it says, and check again. mailboxfs waits by itself."},
    {.cause = "server-trouble",
     .text = "The server has trouble of its own, which passes. Check again in some minutes."},
    {.cause = "redirected",
     .text = "{token_endpoint} sends elsewhere, and a secret is not sent after it. Write the address that gives "
             "tokens into \"token_endpoint\". Or is a proxy's login page in between?"},
    {.cause = "not-found",
     .text = "This machine has no managed identity, or not this one. Assign one to it: Azure portal > the virtual "
             "machine > Security > Identity.",
     .vendor = std::nullopt,
     .method = AuthMethod::kManagedIdentity},
    {.cause = "not-found", .text = "There is nothing at {token_endpoint}. Check \"token_endpoint\" and \"tenant\"."},
    {.cause = "unexpected-answer",
     .text = "The metadata service gives no token; its words say why. Mostly this machine has no managed identity, or "
             "not the one that \"client_id\" names, or has several and \"client_id\" names none: Azure portal > the "
             "virtual machine > Security > Identity.",
     .vendor = std::nullopt,
     .method = AuthMethod::kManagedIdentity},
    {.cause = "unexpected-answer",
     .text = "What answers at {token_endpoint} gives no tokens. Check \"token_endpoint\". Or is a proxy's page in "
             "between?"},
    {.cause = "secret-unreadable",
     .text = "The user that runs mailboxfs must be able to read the secret, and nobody else. A file:\n"
             "    chmod 600 FILE\n"
             "A command must print it and end with status 0: run it by hand, as that user."},
    {.cause = "disk",
     .text =
         "mailboxfs must be able to write the file of the login, and others beside it, or the next refresh token is "
         "lost. Look at that directory's owner and mode, and at the free space."},
    {.cause = "no-metadata-service",
     .text = "A managed identity works on machines in Azure only, where the metadata service answers. Is this one? In "
             "a container it may be blocked."},
    {.cause = "command-timeout",
     .text = "The command does not end in time. Run it by hand, as the user that runs mailboxfs: does it ask "
             "something?"},
    {.cause = "command-failed",
     .text = "Run the command by hand, as the user that runs mailboxfs, and see what it says. It must print a token "
             "and end with status 0."},

    // Claims.
    {.cause = "wrong-audience",
     .text = "The token is for {audience}, not for the mail server, which will refuse it. The command must ask for one "
             "with the scope {expected_scope}. Tokens for Microsoft Graph do not open mailboxes over IMAP.",
     .vendor = std::nullopt,
     .method = AuthMethod::kTokenCommand},
    {.cause = "wrong-audience",
     .text = "The token is for {audience}, not for the mail server, which will refuse it. Set "
             "{resource_setting}. Tokens for Microsoft Graph do not open mailboxes over IMAP."},
    {.cause = "roles-missing", .text = kGrantRole, .vendor = std::nullopt, .method = AuthMethod::kManagedIdentity},
    {.cause = "roles-missing",
     .text = "There is a token, but it permits nothing. Entra admin center > App registrations > {app} > API "
             "permissions > Add a permission > APIs my organization uses > Office 365 Exchange Online > Application "
             "permissions (not Delegated) > IMAP.AccessAsApp. Then press Grant admin consent, also if that was done "
             "before. A new token has it after some minutes."},
    {.cause = "pop-only", .text = kGrantRole, .vendor = std::nullopt, .method = AuthMethod::kManagedIdentity},
    {.cause = "pop-only",
     .text = "The token permits POP3, and mailboxfs reads over IMAP. Entra admin center > App registrations > {app} > "
             "API permissions > Add a permission > APIs my organization uses > Office 365 Exchange Online > "
             "Application permissions > IMAP.AccessAsApp. Then press Grant admin consent."},
    {.cause = "delegated-token",
     .text =
         "The token speaks for a person, not for the application, so the application's role IMAP.AccessAsApp is not "
         "in it, and its permissions on mailboxes do not count. Use \"method\": \"client-credentials\", or a command "
         "that asks for an application's token."},
    {.cause = "scope-missing",
     .text = "The token does not permit IMAP. The command must ask for one with the scope {expected_scope}; its "
             "application {app} must have that permission.",
     .vendor = std::nullopt,
     .method = AuthMethod::kTokenCommand},
    {.cause = "scope-missing",
     .text = "The token does not permit IMAP. Entra admin center > App registrations > {app} > API permissions > Add a "
             "permission > APIs my organization uses > Office 365 Exchange Online > Delegated permissions > "
             "IMAP.AccessAsUser.All. Name it in \"scope\", too. {log_in}"},
    {.cause = "other-app",
     .text = "The token was given to another application than \"client_id\". Permissions in Exchange must be those of "
             "the token's application."},
    {.cause = "other-tenant",
     .text = "The token is of another tenant than \"tenant\". It opens no mailboxes of this one."},
    {.cause = "token-expired",
     .text = "The token is not valid now, by this machine's clock. Set the clock, and keep it right:\n"
             "    timedatectl set-ntp true\n    timedatectl timesync-status"},
    {.cause = "clock-skew",
     .text = "Set this machine's clock, and keep it right:\n"
             "    timedatectl set-ntp true\n    timedatectl timesync-status"},
};

}  // namespace

std::span<const Advice> TokenAdvice() { return kTokenAdvice; }

}  // namespace mailboxfs::check
