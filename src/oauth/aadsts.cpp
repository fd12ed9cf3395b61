#include "aadsts.h"

#include <algorithm>
#include <array>

namespace mailboxfs::oauth {
namespace {

constexpr std::string_view kNotInTenant = "the application is not in this tenant: check \"client_id\" and \"tenant\"";
constexpr std::string_view kCloud = "this tenant is in another national cloud: check the host in \"token_endpoint\"";
constexpr std::string_view kConsent =
    "an administrator must grant consent: Entra admin center, App registrations, API permissions, Grant admin consent";
constexpr std::string_view kPermission =
    "the application lacks the permission: add IMAP.AccessAsApp (Office 365 Exchange Online, application)";
constexpr std::string_view kScope =
    "\"scope\" must name one resource; for an application that logs in as itself it ends with /.default, e.g. "
    "https://outlook.office365.com/.default";
constexpr std::string_view kOneResource =
    "\"scope\" names several resources: keep one, e.g. https://outlook.office365.com/.default";
constexpr std::string_view kUpload = "the certificate is not registered: upload it under Certificates & secrets";
constexpr std::string_view kClock =
    "the client assertion is invalid or outside its time: check this machine's clock (NTP)";
constexpr std::string_view kFederation =
    "no federated credential of the application matches the token: compare issuer, subject and audience under "
    "Certificates & secrets, in upper and lower case too";
constexpr std::string_view kPolicy =
    "a Conditional Access policy blocks this login: an administrator must allow this application from this address";
constexpr std::string_view kInteractive = "an interactive login is needed: use another \"method\" or log in again";
constexpr std::string_view kExpired = "the login has expired: log in again";
constexpr std::string_view kCode = "the code cannot be used, or not again: log in again";
constexpr std::string_view kTenantId = "put the tenant's own id into \"tenant\"";

constexpr std::array kEntries = {
    AadstsEntry{7000215, "secret-wrong",
                "the secret is wrong: use the secret's Value (shown once when it is made), not its ID, and check for "
                "quotes and line ends around it"},
    AadstsEntry{
        7000222, "secret-expired",
        "the secret has expired: make a new one under Certificates & secrets and put it into the configuration"},
    AadstsEntry{
        7000218, "secret-missing",
        "the application needs a secret: set \"client_secret\", or allow public client flows under Authentication"},
    AadstsEntry{700025, "secret-unwanted",
                "the application is a public client, which has no secret: remove \"client_secret\""},
    AadstsEntry{700016, "app-not-in-tenant", kNotInTenant},
    AadstsEntry{700011, "app-not-in-tenant", kNotInTenant},
    AadstsEntry{7000112, "app-disabled", "the application is disabled: enable it under Enterprise applications"},
    AadstsEntry{70001, "app-disabled",
                "the application is disabled or unknown in this tenant: check it under Enterprise applications"},
    AadstsEntry{90002, "tenant-unknown",
                "the tenant was not found: check \"tenant\" for a typo and \"token_endpoint\" for the right cloud"},
    AadstsEntry{90038, "wrong-cloud", kCloud},
    AadstsEntry{900382, "wrong-cloud", kCloud},
    AadstsEntry{900432, "wrong-cloud", kCloud},
    AadstsEntry{
        500011, "resource-unknown",
        "the resource in \"scope\" is not in this tenant: check \"scope\", and that the tenant has Exchange Online"},
    AadstsEntry{650052, "no-subscription", "the organization has no subscription for this service: check its licences"},
    AadstsEntry{650056, "permission-missing", kPermission},
    AadstsEntry{650057, "permission-missing", kPermission},
    AadstsEntry{65005, "permission-missing", kPermission},
    AadstsEntry{65001, "consent-missing", kConsent},
    AadstsEntry{90094, "consent-missing", kConsent},
    AadstsEntry{70011, "scope-malformed", kScope},
    AadstsEntry{1002012, "scope-malformed", kScope},
    AadstsEntry{28002, "scope-several", kOneResource},
    AadstsEntry{700022, "scope-several", kOneResource},
    AadstsEntry{900144, "parameter-missing",
                "the request lacks a parameter: check that \"client_id\" and \"scope\" are not empty"},
    AadstsEntry{700027, "certificate-unregistered", kUpload},
    AadstsEntry{700030, "certificate-unregistered", kUpload},
    AadstsEntry{50012, "assertion-rejected", kClock},
    AadstsEntry{50013, "assertion-rejected", kClock},
    AadstsEntry{500133, "assertion-rejected", kClock},
    AadstsEntry{700024, "assertion-rejected", kClock},
    AadstsEntry{700211, "federation-mismatch", kFederation},
    AadstsEntry{700212, "federation-mismatch", kFederation},
    AadstsEntry{700213, "federation-mismatch", kFederation},
    AadstsEntry{700229, "federation-unsupported",
                "a token of Entra itself cannot be a federated credential here: use another identity provider's"},
    AadstsEntry{53003, "conditional-access", kPolicy},
    AadstsEntry{530032, "conditional-access", kPolicy},
    AadstsEntry{50131, "conditional-access", kPolicy},
    AadstsEntry{530035, "security-defaults", "security defaults block this login: an administrator must allow it"},
    AadstsEntry{50074, "interaction-needed", kInteractive},
    AadstsEntry{50076, "interaction-needed", kInteractive},
    AadstsEntry{50079, "interaction-needed", kInteractive},
    AadstsEntry{50173, "login-revoked", "the login was revoked (a new password, or an administrator): log in again"},
    AadstsEntry{700082, "login-expired", kExpired},
    AadstsEntry{70008, "login-expired", kExpired},
    AadstsEntry{70043, "login-expired", kExpired},
    AadstsEntry{50057, "user-disabled", "the user's account is disabled: an administrator must enable it"},
    AadstsEntry{50034, "user-unknown", "the user is not in this tenant: check the address and \"tenant\""},
    AadstsEntry{50126, "password-wrong", "the user name or the password is wrong"},
    AadstsEntry{50194, "tenant-needed", kTenantId},
    AadstsEntry{9001023, "tenant-needed", kTenantId},
    AadstsEntry{54005, "code-unusable", kCode},
    AadstsEntry{501481, "code-unusable", kCode},
    AadstsEntry{70016, "authorization-pending", ""},
    AadstsEntry{70018, "device-code-wrong", "the code is wrong: log in again"},
    AadstsEntry{70019, "device-code-expired", "the code was not used in time: log in again"},
    AadstsEntry{50196, "request-loop",
                "the endpoint saw the same request in a loop: wait some minutes before the next try"},
    AadstsEntry{90055, "transient", "", true},
    AadstsEntry{90006, "transient", "", true},
    AadstsEntry{90012, "transient", "", true},
    AadstsEntry{90024, "transient", "", true},
    AadstsEntry{90033, "transient", "", true},
    AadstsEntry{90090, "transient", "", true},
    AadstsEntry{50033, "transient", "", true},
};

}  // namespace

const AadstsEntry* FindAadsts(int64_t code) {
  const auto* entry = std::find_if(kEntries.begin(), kEntries.end(),
                                   [&](const AadstsEntry& candidate) { return candidate.code == code; });
  return entry == kEntries.end() ? nullptr : entry;
}

}  // namespace mailboxfs::oauth
