#include "authority.h"

#include <algorithm>
#include <initializer_list>

#include "account_facts.h"
#include "advice.h"
#include "clock.h"
#include "host.h"
#include "mailboxfs/base/encoding.h"
#include "mailboxfs/base/log.h"
#include "mailboxfs/json/json.h"
#include "url.h"

namespace mailboxfs::check {
namespace {

using config::Vendor;

// Microsoft's clouds, by the name that a tenant's description has for them.
struct Cloud {
  std::string_view instance;
  std::string_view provider;
};
constexpr Cloud kClouds[] = {
    {"microsoftonline.com", "microsoft365"},
    {"microsoftonline.us", "microsoft365-gcc-high"},
    {"partner.microsoftonline.cn", "microsoft365-china"},
};

struct AuthorityHost {
  std::string_view host;
  std::string_view instance;
};
constexpr AuthorityHost kHosts[] = {
    {"login.microsoftonline.com", "microsoftonline.com"},
    {"login.microsoft.com", "microsoftonline.com"},
    {"login.windows.net", "microsoftonline.com"},
    {"login.microsoftonline.us", "microsoftonline.us"},
    {"login.partner.microsoftonline.cn", "partner.microsoftonline.cn"},
    {"login.chinacloudapi.cn", "partner.microsoftonline.cn"},
};

// By the endpoint's host, else by the provider; empty: it cannot be told.
std::string_view ConfiguredCloud(const config::Account& account, const std::string& host) {
  const auto* known = std::find_if(std::begin(kHosts), std::end(kHosts), [&](const AuthorityHost& entry) {
    return base::EqualsIgnoreCase(entry.host, host);
  });
  if (known != std::end(kHosts)) return known->instance;
  const std::string_view provider =
      account.provider == "microsoft365-dod" ? std::string_view("microsoft365-gcc-high") : account.provider;
  const auto* cloud = std::find_if(std::begin(kClouds), std::end(kClouds),
                                   [&](const Cloud& entry) { return entry.provider == provider; });
  return cloud == std::end(kClouds) ? "" : cloud->instance;
}

std::string_view ProviderFor(std::string_view instance, std::string_view part) {
  if (instance == "microsoftonline.us" && part == "DOD") return "microsoft365-dod";
  const auto* cloud = std::find_if(std::begin(kClouds), std::end(kClouds),
                                   [&](const Cloud& entry) { return entry.instance == instance; });
  return cloud == std::end(kClouds) ? "" : cloud->provider;
}

// ".../TENANT/oauth2/v2.0/token" or ".../TENANT/oauth2/token" to ".../TENANT/v2.0/.well-known/openid-configuration".
std::string DescriptionUrl(const config::AuthConfig& auth) {
  const std::optional<Url> endpoint = ParseUrl(auth.token_endpoint);
  if (!endpoint) return "";
  for (const std::string_view end : {"/oauth2/v2.0/token", "/oauth2/token"}) {
    if (!endpoint->path.ends_with(end)) continue;
    return endpoint->Origin() + endpoint->path.substr(0, endpoint->path.size() - end.size()) +
           "/v2.0/.well-known/openid-configuration";
  }
  return "";
}

std::string Text(const json::Value& answer, std::string_view name) { return base::Printable(answer.TextAt(name), 300); }

bool HasCode(const json::Value& answer, std::initializer_list<int64_t> wanted) {
  const json::Value::Array& codes = answer.ItemsAt("error_codes");
  return std::any_of(codes.begin(), codes.end(), [&](const json::Value& value) {
    const int64_t* code = value.AsInt();
    return code != nullptr && std::find(wanted.begin(), wanted.end(), *code) != wanted.end();
  });
}

// The GUID within "https://login.microsoftonline.com/GUID/v2.0".
std::string GuidOf(std::string_view issuer) {
  while (!issuer.empty()) {
    const size_t end = std::min(issuer.find('/'), issuer.size());
    if (LooksLikeGuid(issuer.substr(0, end))) return std::string(issuer.substr(0, end));
    issuer.remove_prefix(std::min(end + 1, issuer.size()));
  }
  return "";
}

}  // namespace

bool CheckAuthority(const Context& context, Subject& subject, const config::Account& account, const Facts& facts) {
  const std::optional<Url> url = AuthorityOf(account.auth);
  if (!url) return true;
  const net::Endpoint endpoint{url->host, url->port, url->scheme == "https" ? net::Tls::kImplicit : net::Tls::kNone,
                               account.auth.ca_file};
  return CheckHost(context, subject, "authority", endpoint, account, facts);
}

TenantAnswer CheckTenant(const Context& context, Subject& subject, const config::Account& account, Facts facts) {
  TenantAnswer result;
  if (LooksLikeGuid(account.auth.tenant)) result.tenant_id = account.auth.tenant;
  const std::string url = DescriptionUrl(account.auth);
  if (account.vendor != Vendor::kMicrosoft || url.empty() || StandsForMany(account.auth.tenant)) return result;
  context.ThrowIfCancelled();
  net::HttpRequest request;
  request.method = net::HttpRequest::Method::kGet;
  request.url = url;
  request.ca_file = account.auth.ca_file;
  net::HttpResponse response;
  try {
    response = context.means.http.Send(request, context.In(context.config.timeouts.connect), context.wake);
  } catch (const base::Error& error) {
    if (error.kind() == base::ErrorKind::kCancelled) throw;
    subject.Info("tenant", std::string("not known: ") + error.what());
    return result;
  }
  result.clock_skew = ClockSkew(response.date, context.means.environment.clock.WallNow());
  const json::Value answer = json::ParseLeniently(response.body);
  const std::string words = Text(answer, "error_description");
  const auto fail = [&](std::string_view cause, const std::string& evidence) {
    subject.Fail("tenant", cause, Exit::kLogin, evidence, AdviceFor(cause, account, facts));
    result.failed = true;
    return result;
  };
  if (HasCode(answer, {90002})) return fail("tenant-unknown", words);
  if (HasCode(answer, {90038, 900382, 900432})) return fail("wrong-cloud", words);
  const std::string issuer = Text(answer, "issuer");
  if (response.status != 200 || issuer.empty()) {
    subject.Info("tenant", base::Format("not known: the answer is HTTP {}", response.status));
    return result;
  }
  const std::string instance = Text(answer, "cloud_instance_name");
  const std::string tenant = account.auth.tenant.empty() ? "" : account.auth.tenant + " ";
  const std::string_view configured = ConfiguredCloud(account, facts.Get("token_host"));
  const std::string region = Text(answer, "tenant_region_scope");
  const std::string place = instance.empty() ? "" : base::Format(" in the cloud {}", instance);
  const std::string evidence = base::Format("the tenant {}exists{}{}", base::Printable(tenant), place,
                                            region.empty() ? "" : ", region " + region);
  if (!instance.empty() && !configured.empty() && instance != configured) {
    facts.Set("cloud_provider", std::string(ProviderFor(instance, Text(answer, "tenant_region_sub_scope"))));
    return fail("wrong-cloud", base::Format("{}; the configuration is for {}", evidence, configured));
  }
  if (const std::string guid = GuidOf(issuer); !guid.empty()) result.tenant_id = guid;
  subject.Ok("tenant", evidence);
  return result;
}

}  // namespace mailboxfs::check
