#include "advice.h"

namespace mailboxfs::check {
namespace {

using config::Vendor;

constexpr std::string_view kApplePassword =
    "iCloud wants an app-specific password here, not the one of the Apple Account. Make one: "
    "https://account.apple.com > Sign-In and Security > App-Specific Passwords. The user name is at times only the "
    "part before the @; set it with \"user\".";
constexpr std::string_view kYahooPassword =
    "Yahoo wants an app password here, not the account's own. Make one: Yahoo Account > Security > Generate app "
    "password.";
constexpr std::string_view kGooglePassword =
    "Google wants an app password here, not the account's own. Make one (2-Step Verification must be on): "
    "https://myaccount.google.com/apppasswords. An organization's administrator can forbid them.";
constexpr std::string_view kFastmailPassword =
    "Fastmail wants an app password here, not the account's own. Make one: Settings > Privacy & Security > App "
    "passwords, with access to mail (IMAP).";
constexpr std::string_view kMicrosoftPassword =
    "Exchange Online takes no passwords any more, whatever the password is. Use tokens: \"method\": "
    "\"client-credentials\" for an application, \"device-code\" for a person.";

// The application or the person has a good token, and Exchange does not let it in.
constexpr std::string_view kExchangeRefuses =
    "The token is good, but Exchange lets nobody into this mailbox with it. Causes, the likeliest first:\n"
    "1. Exchange does not know the application, or by another Object ID. The right one is that of the Enterprise "
    "application, not of the App registration. Compare; if it is missing or differs, register it:\n"
    "    {connect}\n"
    "    Get-ServicePrincipal | Where-Object AppId -eq {app|ps} | fl AppId,ObjectId\n"
    "    New-ServicePrincipal -AppId {app|ps} -ObjectId {object|ps} -DisplayName \"mailboxfs\"\n"
    "2. The application has no permission on this mailbox:\n"
    "    Add-MailboxPermission -Identity {mailbox|ps} -User {object|ps} -AccessRights FullAccess -AutoMapping $false\n"
    "3. IMAP is disabled for this mailbox:\n"
    "    Get-CASMailbox -Identity {mailbox|ps} | fl ImapEnabled,PopEnabled\n"
    "    Set-CASMailbox -Identity {mailbox|ps} -ImapEnabled $true\n"
    "4. There is no such mailbox, it has no licence or is not in the cloud, or this is an alias. Use the primary "
    "address:\n"
    "    Get-Mailbox -Identity {mailbox|ps} | fl PrimarySmtpAddress,RecipientTypeDetails\n"
    "What was changed just now takes minutes to an hour.";

constexpr std::string_view kExchangeDoesNotConnect =
    "Exchange accepts the token, but does not open this mailbox. Causes, the likeliest first:\n"
    "1. The application has no permission on this mailbox:\n"
    "    {connect}\n"
    "    Add-MailboxPermission -Identity {mailbox|ps} -User {object|ps} -AccessRights FullAccess -AutoMapping $false\n"
    "   Is the application registered with this very Object ID?\n"
    "    Get-ServicePrincipal | Where-Object AppId -eq {app|ps} | fl AppId,ObjectId\n"
    "    New-ServicePrincipal -AppId {app|ps} -ObjectId {object|ps} -DisplayName \"mailboxfs\"\n"
    "2. IMAP is disabled for this mailbox:\n"
    "    Get-CASMailbox -Identity {mailbox|ps} | fl ImapEnabled,PopEnabled\n"
    "    Set-CASMailbox -Identity {mailbox|ps} -ImapEnabled $true\n"
    "3. The address is an alias. Use the primary one:\n"
    "    Get-Mailbox -Identity {mailbox|ps} | fl PrimarySmtpAddress,RecipientTypeDetails\n"
    "4. The permission was given just now. It takes minutes to an hour; check again then.\n"
    "5. Too many connections to this mailbox, from here or from other programs.";

// The same for a person's token.
constexpr std::string_view kExchangeRefusesPerson =
    "The token is good, but Exchange does not let this person in. Causes, the likeliest first:\n"
    "1. IMAP is disabled, for the person who logged in or for the mailbox:\n"
    "    {connect}\n"
    "    Get-CASMailbox -Identity {mailbox|ps} | fl ImapEnabled,PopEnabled\n"
    "    Set-CASMailbox -Identity {mailbox|ps} -ImapEnabled $true\n"
    "2. Another person than the mailbox's owner has logged in ({user}), and has no permission on it:\n"
    "    Add-MailboxPermission -Identity {mailbox|ps} -User {user|ps} -AccessRights FullAccess -AutoMapping $false\n"
    "3. The address is an alias. Use the primary one:\n"
    "    Get-Mailbox -Identity {mailbox|ps} | fl PrimarySmtpAddress,RecipientTypeDetails\n"
    "What was changed just now takes minutes to an hour.";

constexpr std::string_view kOutlookRefuses =
    "The token is good, but Outlook.com lets nobody in. Is IMAP on? https://outlook.live.com > Settings > Mail > "
    "Forwarding and IMAP > Let devices and apps use IMAP. Is {mailbox} the address that logged in ({user})?";

constexpr Advice kMailboxAdvice[] = {
    // Hosts.
    {.cause = "dns",
     .text = "This machine cannot find {host}. Check the name in the configuration, and this machine's DNS:\n"
             "    getent ahosts {host|sh}"},
    {.cause = "connection",
     .text = "Nothing can be reached at {host}, port {port}. Check both in the configuration. Does a firewall let this "
             "machine out to that port? If a proxy is needed, set https_proxy in the environment."},
    {.cause = "timeout",
     .text = "{host}, port {port}, does not answer in time. Does a firewall swallow the connection? If a proxy is "
             "needed, set https_proxy in the environment. Else it may be trouble that passes."},
    {.cause = "tls",
     .text = "{host} cannot prove who it is, so nothing is sent to it. Check the host's name, this machine's clock, "
             "and \"ca_file\" for a private CA."},
    {.cause = "not-imap",
     .text = "What answers at {host}, port {port}, is no IMAP server. Check \"imap\": \"host\" and \"port\"; IMAP over "
             "TLS has port 993."},

    // Logins.
    {.cause = "login-refused", .text = kExchangeRefuses, .vendor = Vendor::kMicrosoft},
    {.cause = "login-refused",
     .text = "Gmail refuses the token for this mailbox. Is IMAP on for it? Gmail > Settings > Forwarding and "
             "POP/IMAP; in an organization, Google Admin console > Apps > Google Workspace > Gmail > End user access. "
             "Is the address the one that logged in, and the scope https://mail.google.com/?",
     .vendor = Vendor::kGoogle},
    {.cause = "login-refused",
     .text = "The server refuses the token for {mailbox}. Is this the mailbox's login name there? Does the server know "
             "the issuer of the token, and take its scope or audience?"},
    {.cause = "login-refused-person", .text = kExchangeRefusesPerson, .vendor = Vendor::kMicrosoft},
    {.cause = "login-refused-consumer", .text = kOutlookRefuses},
    {.cause = "not-connected-consumer", .text = kOutlookRefuses},
    {.cause = "not-connected", .text = kExchangeDoesNotConnect},
    {.cause = "not-connected-person", .text = kExchangeRefusesPerson},
    {.cause = "not-connected-sometimes",
     .text =
         "Exchange does this now and then. mailboxfs logs in again by itself, so mail is only slower. If it happens "
         "often, there may be too many connections to this mailbox: lower \"imap\": {\"connections\"} from "
         "{connections}, and look for other programs that read it."},
    {.cause = "server-unavailable",
     .text = "This is mostly trouble at the server, which passes. Check again in some minutes. If it stays: are too "
             "many programs reading this mailbox? Is {mailbox} its primary address?"},
    {.cause = "too-many-connections",
     .text = "The server lets no more connections in. Look for other programs that read this mailbox, or lower "
             "\"imap\": {\"connections\"} from {connections}. On Dovecot, mail_max_userip_connections raises the limit "
             "(10 by default)."},
    {.cause = "password-login-disabled", .text = kMicrosoftPassword, .vendor = Vendor::kMicrosoft},
    {.cause = "password-login-disabled",
     .text = "The server takes no passwords (LOGINDISABLED). Use a \"method\" with tokens."},
    {.cause = "password-refused", .text = kMicrosoftPassword, .vendor = Vendor::kMicrosoft},
    {.cause = "password-refused", .text = kApplePassword, .vendor = Vendor::kApple},
    {.cause = "password-refused", .text = kYahooPassword, .vendor = Vendor::kYahoo},
    {.cause = "password-refused", .text = kGooglePassword, .vendor = Vendor::kGoogle},
    {.cause = "password-refused", .text = kFastmailPassword, .vendor = Vendor::kFastmail},
    {.cause = "password-refused",
     .text = "Check the user name, and the password at its source. Some servers want an app password."},
    {.cause = "no-token-login",
     .text = "The server offers no login with tokens. Check \"imap\": \"host\"; or use \"method\": \"password\"."},
    {.cause = "connection-closed",
     .text = "The server ends the connection. Mostly that passes; check again in some minutes. If it stays: are there "
             "too many connections to this mailbox, or does the server block this "
             "machine's address?"},
    {.cause = "login-unexpected",
     .text = "The server does not go on with the login as an IMAP server does; its words are above. Check \"imap\": "
             "\"host\" and \"port\". If they are right, the log has the whole conversation: mount with "
             "--log-level trace."},
    {.cause = "folders-unlisted",
     .text = "The login works, the list of folders does not. The server's words say why, or its administrator."},
    {.cause = "inbox-unreadable",
     .text = "The list of folders works, reading INBOX does not. The server's words say why, or its administrator."},
    {.cause = "all-in-use",
     .text = "The mount uses all its connections. Check again when it has less to do, or raise \"connections\"."},
};

}  // namespace

std::span<const Advice> MailboxAdvice() { return kMailboxAdvice; }

}  // namespace mailboxfs::check
