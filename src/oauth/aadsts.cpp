#include "aadsts.h"

#include <algorithm>
#include <array>

namespace mailboxfs::oauth {
namespace {

struct Hint {
  int64_t code;
  std::string_view text;
};

constexpr std::string_view kNotInTenant = "the application is not in this tenant: check \"client_id\" and \"tenant\"";
constexpr std::string_view kCloud = "this tenant is in another national cloud: check the host in \"token_endpoint\"";
constexpr std::string_view kConsent =
    "an administrator must grant consent: Entra admin center, App registrations, API permissions, Grant admin consent";
constexpr std::string_view kScope =
    "\"scope\" must name one resource and end with /.default, e.g. https://outlook.office365.com/.default";
constexpr std::string_view kClock =
    "the client assertion is invalid or outside its time: check this machine's clock (NTP)";
constexpr std::string_view kPolicy =
    "a Conditional Access policy blocks this login: an administrator must allow this application from this address";
constexpr std::string_view kInteractive = "an interactive login is needed: use another \"method\" or log in again";
constexpr std::string_view kTenantId = "put the tenant's own id into \"tenant\"";

constexpr std::array kHints = {
    Hint{7000215,
         "the secret is wrong: use the secret's Value (shown once when it is made), not its ID, and check for quotes "
         "and "
         "line ends around it"},
    Hint{7000222,
         "the secret has expired: make a new one under Certificates & secrets and put it into the configuration"},
    Hint{7000218, "the application needs a secret: set \"client_secret\""},
    Hint{700025, "the application is a public client, which has no secret: remove \"client_secret\""},
    Hint{700016, kNotInTenant},
    Hint{700011, kNotInTenant},
    Hint{7000112, "the application is disabled: enable it under Enterprise applications"},
    Hint{70001, "the application is disabled or unknown in this tenant: check it under Enterprise applications"},
    Hint{90002, "the tenant was not found: check \"tenant\" for a typo and \"token_endpoint\" for the right cloud"},
    Hint{90038, kCloud},
    Hint{900382, kCloud},
    Hint{900432, kCloud},
    Hint{500011,
         "the resource in \"scope\" is not in this tenant: check \"scope\", and that the tenant has Exchange Online"},
    Hint{650052, "the organization has no subscription for this service: check its licences"},
    Hint{650056,
         "the application lacks the permission: add IMAP.AccessAsApp (Office 365 Exchange Online, application)"},
    Hint{650057,
         "the application lacks the permission: add IMAP.AccessAsApp (Office 365 Exchange Online, application)"},
    Hint{65005, "the application lacks the permission: add IMAP.AccessAsApp (Office 365 Exchange Online, application)"},
    Hint{65001, kConsent},
    Hint{90094, kConsent},
    Hint{70011, kScope},
    Hint{1002012, kScope},
    Hint{28002, kScope},
    Hint{700022, kScope},
    Hint{900144, "the request lacks a parameter: check that \"client_id\" and \"scope\" are not empty"},
    Hint{700027, "the certificate is not registered: upload it under Certificates & secrets"},
    Hint{700030, "the certificate is not registered: upload it under Certificates & secrets"},
    Hint{50012, kClock},
    Hint{50013, kClock},
    Hint{500133, kClock},
    Hint{700024, kClock},
    Hint{53003, kPolicy},
    Hint{530032, kPolicy},
    Hint{50131, kPolicy},
    Hint{530035, "security defaults block this login: an administrator must allow it"},
    Hint{50074, kInteractive},
    Hint{50076, kInteractive},
    Hint{50079, kInteractive},
    Hint{50194, kTenantId},
    Hint{9001023, kTenantId},
    Hint{50196, "the endpoint saw the same request in a loop: wait some minutes before the next try"},
};

constexpr std::array<int64_t, 7> kTransient = {90055, 90006, 90012, 90024, 90033, 90090, 50033};

}  // namespace

std::string_view AadstsHint(int64_t code) {
  const auto* hint = std::find_if(kHints.begin(), kHints.end(), [&](const Hint& entry) { return entry.code == code; });
  return hint == kHints.end() ? std::string_view() : hint->text;
}

bool AadstsIsTransient(int64_t code) {
  return std::find(kTransient.begin(), kTransient.end(), code) != kTransient.end();
}

}  // namespace mailboxfs::oauth
