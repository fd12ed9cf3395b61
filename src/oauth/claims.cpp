#include "mailboxfs/oauth/claims.h"

#include <initializer_list>
#include <string_view>

#include "json_members.h"
#include "jwt.h"
#include "mailboxfs/base/encoding.h"

namespace mailboxfs::oauth {
namespace {

constexpr size_t kMaxText = 500;
constexpr size_t kMaxTexts = 100;

// The first of these that is there.
std::string Text(const json::Value& payload, std::initializer_list<std::string_view> names) {
  for (const std::string_view name : names) {
    const std::string_view text = payload.TextAt(name);
    if (!text.empty()) return base::Printable(text, kMaxText);
  }
  return "";
}

// One string, or an array of them (RFC 7519 section 4.1.3).
std::vector<std::string> Texts(const json::Value& payload, std::string_view name) {
  std::vector<std::string> texts;
  const json::Value* member = payload.Find(name);
  if (member == nullptr) return texts;
  if (const std::string* text = member->AsString()) texts.push_back(base::Printable(*text, kMaxText));
  if (const json::Value::Array* array = member->AsArray()) {
    for (const json::Value& element : *array) {
      const std::string* text = element.AsString();
      if (text != nullptr && texts.size() < kMaxTexts) texts.push_back(base::Printable(*text, kMaxText));
    }
  }
  return texts;
}

std::optional<int64_t> Time(const json::Value& payload, std::string_view name) {
  const auto time = SecondsMember(payload, name);
  return time ? std::optional<int64_t>(time->count()) : std::nullopt;
}

}  // namespace

std::optional<Claims> ReadClaims(const base::Secret& token) {
  const std::optional<json::Value> payload = JwtPayload(token.Reveal());
  if (!payload) return std::nullopt;
  Claims claims;
  claims.audiences = Texts(*payload, "aud");
  claims.issuer = Text(*payload, {"iss"});
  claims.subject = Text(*payload, {"sub"});
  claims.roles = Texts(*payload, "roles");
  for (const std::string& scope : Texts(*payload, "scp")) claims.scopes += (claims.scopes.empty() ? "" : " ") + scope;
  claims.app_id = Text(*payload, {"appid", "azp"});
  claims.object_id = Text(*payload, {"oid"});
  claims.tenant_id = Text(*payload, {"tid"});
  claims.identity_type = Text(*payload, {"idtyp"});
  claims.user = Text(*payload, {"upn", "preferred_username", "unique_name"});
  claims.issued = Time(*payload, "iat");
  claims.not_before = Time(*payload, "nbf");
  claims.expires = Time(*payload, "exp");
  return claims;
}

}  // namespace mailboxfs::oauth
