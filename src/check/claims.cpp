#include "claims.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "account_facts.h"
#include "advice.h"
#include "clock.h"
#include "mailboxfs/base/encoding.h"
#include "mailboxfs/base/log.h"
#include "mailboxfs/oauth/claims.h"

namespace mailboxfs::check {
namespace {

using config::Vendor;
using oauth::Claims;

// Exchange's names in tokens, of all clouds.
constexpr std::array<std::string_view, 7> kExchange = {
    "https://outlook.office365.com", "https://outlook.office.com",
    "https://ps.outlook.com",        "00000002-0000-0ff1-ce00-000000000000",
    "https://outlook.office365.us",  "https://outlook-dod.office365.us",
    "https://partner.outlook.cn"};
// Resources that are surely no mail server: Microsoft Graph, Azure management, Entra ID's own.
constexpr std::array<std::string_view, 7> kNotExchange = {
    "https://graph.microsoft.com",         "00000003-0000-0000-c000-000000000000",
    "https://graph.microsoft.us",          "https://microsoftgraph.chinacloudapi.cn",
    "https://management.azure.com",        "https://management.core.windows.net",
    "00000002-0000-0000-c000-000000000000"};

// Above these, logins by POP3 at Exchange and at Dovecot fail.
constexpr size_t kMaxPopToken = 4096;
constexpr size_t kMaxDovecotToken = 6000;

template <typename Names>
bool IsOneOf(const Names& names, std::string_view name) {
  while (name.ends_with('/')) name.remove_suffix(1);
  return std::any_of(names.begin(), names.end(),
                     [&](std::string_view known) { return base::EqualsIgnoreCase(known, name); });
}

std::string Join(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text.empty() ? "nothing" : text;
}

// The resource that is asked for: "https://outlook.office365.com" of ".../.default", or of the first of several scopes.
std::string ResourceOf(const config::AuthConfig& auth) {
  if (!auth.resource.empty()) return auth.resource;
  const std::string first = auth.scope.substr(0, auth.scope.find(' '));
  return first.substr(0, std::min(first.rfind('/'), first.size()));
}

class ClaimsCheck {
 public:
  ClaimsCheck(Subject& subject, const config::Account& account, const Claims& claims, Facts& facts)
      : subject_(subject), account_(account), claims_(claims), facts_(facts) {}

  bool CheckAudience() {
    facts_.Set("audience", claims_.audiences.empty() ? "nobody" : claims_.audiences.front());
    const std::string evidence = "the token is for " + Join(claims_.audiences);
    const std::string resource = ResourceOf(account_.auth);
    const auto expected = [&](const std::string& audience) {
      if (IsOneOf(kNotExchange, audience)) return false;
      return IsOneOf(kExchange, audience) || (!resource.empty() && IsOneOf(std::array{resource}, audience));
    };
    if (std::any_of(claims_.audiences.begin(), claims_.audiences.end(), expected)) {
      subject_.Ok("token-audience", evidence);
      return true;
    }
    const bool surely_wrong = std::any_of(claims_.audiences.begin(), claims_.audiences.end(),
                                          [](const std::string& audience) { return IsOneOf(kNotExchange, audience); });
    if (surely_wrong) return Fail("token-audience", "wrong-audience", evidence);
    Warn("token-audience", "wrong-audience", evidence);
    return true;
  }

  bool CheckPermissions(bool person) {
    const bool app_wanted = account_.auth.method == config::AuthMethod::kClientCredentials ||
                            account_.auth.method == config::AuthMethod::kManagedIdentity;
    if (person && app_wanted) return Fail("token-roles", "delegated-token", "the token is one of a person");
    if (person) {
      const std::string evidence = "the token permits " + (claims_.scopes.empty() ? "nothing" : claims_.scopes);
      if (base::ContainsIgnoreCase(claims_.scopes, "IMAP.AccessAsUser.All")) {
        subject_.Ok("token-roles", evidence);
        return true;
      }
      return Fail("token-roles", "scope-missing", evidence);
    }
    const std::string evidence = "the token permits " + Join(claims_.roles);
    if (IsOneOf(claims_.roles, "IMAP.AccessAsApp")) {
      subject_.Ok("token-roles", evidence);
      return true;
    }
    const bool pop = IsOneOf(claims_.roles, "POP.AccessAsApp");
    return Fail("token-roles", pop ? "pop-only" : "roles-missing", evidence);
  }

  void CheckOrigin(const std::string& tenant_id) {
    const std::string& client_id = account_.auth.client_id;
    if (!claims_.app_id.empty()) {
      const std::string evidence = "the token is of the application " + claims_.app_id;
      if (client_id.empty() || base::EqualsIgnoreCase(client_id, claims_.app_id)) {
        subject_.Ok("token-app", evidence);
      } else {
        Warn("token-app", "other-app", base::Format("{}, not of {}", evidence, base::Printable(client_id)));
      }
    }
    if (!claims_.tenant_id.empty()) {
      const std::string evidence = "the token is of the tenant " + claims_.tenant_id;
      if (tenant_id.empty() || base::EqualsIgnoreCase(tenant_id, claims_.tenant_id)) {
        subject_.Ok("token-tenant", evidence);
      } else {
        Warn("token-tenant", "other-tenant", base::Format("{}, not of {}", evidence, base::Printable(tenant_id)));
      }
    }
  }

  // Not a verdict: Exchange alone knows. Whoever compares finds the most common mistake of all.
  void ShowObject(bool person) {
    if (person || claims_.object_id.empty()) return;
    subject_.Info("token-object",
                  base::Format("the application {} has the Object ID {} in this tenant",
                               claims_.app_id.empty() ? "of the token" : claims_.app_id, claims_.object_id),
                  facts_.Fill("Exchange must know the application by just these two:\n"
                              "    {connect}\n"
                              "    Get-ServicePrincipal | Where-Object AppId -eq {app|ps} | fl AppId,ObjectId\n"
                              "If it is not listed, or with another ObjectId:\n"
                              "    New-ServicePrincipal -AppId {app|ps} -ObjectId {object|ps} -DisplayName "
                              "\"mailboxfs\""));
  }

  bool CheckLifetime(int64_t now) {
    constexpr int64_t kTolerance = 60;
    if (!claims_.expires) return true;
    const std::chrono::seconds left(*claims_.expires - now);
    if (left.count() < -kTolerance) {
      return Fail("token-lifetime", "token-expired", base::Format("the token expired {} ago", ForPeople(-left)));
    }
    if (claims_.not_before && *claims_.not_before > now + kTolerance) {
      const std::chrono::seconds wait(*claims_.not_before - now);
      return Fail("token-lifetime", "token-expired", base::Format("the token begins in {}", ForPeople(wait)));
    }
    subject_.Ok("token-lifetime",
                base::Format("valid for {}", ForPeople(std::max(left, std::chrono::seconds::zero()))));
    return true;
  }

 private:
  bool Fail(std::string_view id, std::string_view cause, const std::string& evidence) {
    subject_.Fail(id, cause, Exit::kLogin, evidence, AdviceFor(cause, account_, facts_));
    return false;
  }
  void Warn(std::string_view id, std::string_view cause, const std::string& evidence) {
    subject_.Warn(id, evidence, AdviceFor(cause, account_, facts_), cause);
  }

  Subject& subject_;
  const config::Account& account_;
  const Claims& claims_;
  Facts& facts_;
};

void CheckSize(Subject& subject, const config::Account& account, size_t size) {
  const std::string evidence = base::Format("the token has {} bytes", size);
  if (size > kMaxDovecotToken && account.vendor != Vendor::kMicrosoft && account.vendor != Vendor::kGoogle) {
    subject.Warn("token-size", evidence,
                 "Dovecot refuses logins with tokens of more than about 6 KB. Ask the issuer for a smaller one, with "
                 "fewer groups or scopes.",
                 "token-large");
  } else if (size > kMaxPopToken) {
    subject.Info("token-size", evidence,
                 "That is much, and no trouble for IMAP. Exchange refuses such tokens for POP3.");
  } else {
    subject.Ok("token-size", evidence);
  }
}

std::string_view WhyOpaque(const config::Account& account) {
  switch (account.vendor) {
    case Vendor::kMicrosoft: return "which is normal for personal accounts of Microsoft";
    case Vendor::kGoogle: return "which is normal for Google";
    default: return "which is normal for many servers";
  }
}

}  // namespace

ClaimsResult CheckClaims(const Context& context, Subject& subject, const config::Account& account,
                         const TokenResult& token, const std::string& tenant_id, Facts& facts) {
  ClaimsResult result;
  result.person = SpeaksForPerson(account.auth);
  const std::optional<Claims> claims = oauth::ReadClaims(token.token->value);
  if (!claims) {
    subject.Info("token-claims", base::Format("what the token says of itself cannot be read, {}", WhyOpaque(account)));
    CheckSize(subject, account, token.token->value.Reveal().size());
    return result;
  }
  facts.Set("app", claims->app_id);
  facts.Set("object", claims->object_id);
  facts.Set("user", claims->user);
  if (!claims->scopes.empty() || claims->identity_type == "user") result.person = true;
  if (claims->identity_type == "app") result.person = false;
  facts.Set("expected_scope", config::PresetScope(account.provider, result.person));
  ClaimsCheck check(subject, account, *claims, facts);
  if (account.vendor == Vendor::kMicrosoft) {
    // All that is wrong with one token is mended in one go.
    const bool audience = check.CheckAudience();
    const bool permissions = check.CheckPermissions(result.person);
    result.usable = audience && permissions;
    check.CheckOrigin(tenant_id);
    check.ShowObject(result.person);
  }
  const base::WallTime now = context.means.environment.clock.WallNow();
  const int64_t seconds = std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count();
  result.usable = check.CheckLifetime(seconds) && result.usable;
  CheckSize(subject, account, token.token->value.Reveal().size());
  return result;
}

}  // namespace mailboxfs::check
