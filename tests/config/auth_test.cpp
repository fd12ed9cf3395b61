#include <string>
#include <utility>
#include <vector>

#include "fixture.h"
#include "mailboxfs/config/answers.h"

namespace mailboxfs::config {
namespace {

const char kTenantKey[] = R"("tenant": "fb561382-2222-2222-2222-06ab992d36b7")";
const char kClientKey[] = R"("client_id": "4f5a9f88-1111-1111-1111-bdca9a88c089")";

// Accounts with each method.
class AuthTest : public ConfigTest {
 protected:
  AuthTest() {
    Write("secret", "s3cr3t\n");
    Write("key.json", "{\n}\n");
  }

  std::string WriteAccount(const std::string& provider, const std::string& auth) {
    return Write("config.json", "{ \"accounts\": { \"a\": { \"provider\": \"" + provider +
                                    "\", \"imap\": { \"host\": \"imap.example.org\" }, \"auth\": {\n" + auth +
                                    "\n}, \"mailboxes\": [\"m@example.org\"] } }, \"cache\": {\"directory\": "
                                    "\"cache\"}, \"state\": {\"directory\": \"state\"} }");
  }
  Account LoadAccount(const std::string& provider, const std::string& auth) {
    return Load(WriteAccount(provider, auth)).accounts.at(0);
  }
  AuthConfig LoadAuth(const std::string& provider, const std::string& auth) { return LoadAccount(provider, auth).auth; }

  // The line that comes of `auth`, after "FILE:LINE: accounts.a.auth".
  std::string MistakeIn(const std::string& provider, const std::string& auth) {
    const std::string path = WriteAccount(provider, auth);
    const std::string error = ErrorOf([&] { Load(path); });
    const std::string place = ": accounts.a.auth";
    return error.substr(error.find(place) + place.size());
  }
};

TEST_F(AuthTest, ProvidersPresetHostsMethodsAndAddresses) {
  const std::string with_secret =
      std::string(kTenantKey) + ", " + kClientKey + R"(, "client_secret": { "file": "secret" })";
  const struct {
    std::string provider, auth, token_endpoint, scope, environments;
  } rows[] = {
      {"microsoft365", with_secret,
       "https://login.microsoftonline.com/fb561382-2222-2222-2222-06ab992d36b7/oauth2/v2.0/token",
       "https://outlook.office365.com/.default", ""},
      {"microsoft365-gcc-high", with_secret,
       "https://login.microsoftonline.us/fb561382-2222-2222-2222-06ab992d36b7/oauth2/v2.0/token",
       "https://outlook.office365.us/.default", "O365USGovGCCHigh USGov"},
      {"microsoft365-dod", with_secret,
       "https://login.microsoftonline.us/fb561382-2222-2222-2222-06ab992d36b7/oauth2/v2.0/token",
       "https://outlook-dod.office365.us/.default", "O365USGovDoD USGovDoD"},
      {"microsoft365-china", with_secret,
       "https://login.partner.microsoftonline.cn/fb561382-2222-2222-2222-06ab992d36b7/oauth2/v2.0/token",
       "https://partner.outlook.cn/.default", "O365China China"},
      {"outlook.com", kClientKey, "https://login.microsoftonline.com/consumers/oauth2/v2.0/token",
       "https://outlook.office.com/IMAP.AccessAsUser.All offline_access", ""},
      {"gmail", R"("client_id": "id.apps.googleusercontent.com")", "https://oauth2.googleapis.com/token",
       "https://mail.google.com/", ""},
      {"fastmail", R"("password": { "file": "secret" })", "", "", ""},
      {"yahoo", R"("password": { "file": "secret" })", "", "", ""},
      {"icloud", R"("password": { "file": "secret" })", "", "", ""},
  };
  for (const auto& row : rows) {
    const Account account = LoadAccount(row.provider, row.auth);
    EXPECT_EQ(account.provider, row.provider);
    EXPECT_EQ(account.auth.token_endpoint, row.token_endpoint) << row.provider;
    EXPECT_EQ(account.auth.scope, row.scope) << row.provider;
    const std::string between = account.graph_environment.empty() ? "" : " ";
    EXPECT_EQ(account.exchange_environment + between + account.graph_environment, row.environments) << row.provider;
    EXPECT_EQ(account.imap.port, 993);
  }
}

TEST_F(AuthTest, AProvidersHostIsPreset) {
  const std::string path =
      Write("config.json", R"({ "accounts": { "a": { "provider": "icloud", "auth": { "password": {"file": "secret"} },
                           "mailboxes": ["ada"] } }, "cache": {"directory": "c"}, "state": {"directory": "s"} })");
  EXPECT_EQ(Load(path).accounts.at(0).imap.host, "imap.mail.me.com");
  EXPECT_EQ(Load(path).accounts.at(0).vendor, Vendor::kApple);
}

TEST_F(AuthTest, OfManagedIdentity) {
  AuthConfig auth = LoadAuth("microsoft365", R"("method": "managed-identity")");
  EXPECT_EQ(auth.method, AuthMethod::kManagedIdentity);
  EXPECT_EQ(auth.token_endpoint, "http://169.254.169.254/metadata/identity/oauth2/token");
  EXPECT_EQ(auth.resource, "https://outlook.office365.com");
  EXPECT_EQ(auth.identity, std::nullopt);

  auth = LoadAuth("custom", R"("method": "managed-identity", "resource": "https://r", "resource_id": "/subscriptions/x",
                               "token_endpoint": "http://169.254.169.253/token")");
  EXPECT_EQ(auth.resource, "https://r");
  EXPECT_EQ(auth.identity, std::make_pair(std::string("msi_res_id"), std::string("/subscriptions/x")));

  EXPECT_EQ(MistakeIn("custom", R"("method": "managed-identity")"),
            ".resource: is missing; write for example \"https://outlook.office365.com\"");
  EXPECT_EQ(MistakeIn("microsoft365", R"("method": "managed-identity", "client_id": "a", "object_id": "b")"),
            ".object_id: is a second way to name the identity; keep one of them");
  EXPECT_EQ(MistakeIn("microsoft365", R"("method": "managed-identity", "token_endpoint": "http://example.org/x")"),
            ".token_endpoint: would send the secret unencrypted; use https:// (http:// is only for loopback hosts)");
}

TEST_F(AuthTest, OfPeopleWhoLogIn) {
  AuthConfig auth =
      LoadAuth("microsoft365", std::string(R"("method": "device-code", )") + kTenantKey + ", " + kClientKey);
  EXPECT_EQ(auth.method, AuthMethod::kDeviceCode);
  EXPECT_EQ(auth.device_endpoint,
            "https://login.microsoftonline.com/fb561382-2222-2222-2222-06ab992d36b7/oauth2/v2.0/devicecode");
  EXPECT_EQ(auth.scope, "https://outlook.office365.com/IMAP.AccessAsUser.All offline_access");
  EXPECT_EQ(auth.login_file, Path("state/logins/a.json"));
  EXPECT_FALSE(auth.client_secret);
  EXPECT_TRUE(IsInteractive(auth.method));

  auth = LoadAuth("microsoft365", std::string(R"("method": "device-code", "tenant": "organizations", )") + kClientKey);
  EXPECT_EQ(auth.tenant, "organizations") << "any tenant will do where a person logs in";

  auth = LoadAuth("gmail", R"("client_id": "id", "client_secret": { "file": "secret" }, "redirect_port": 8400)");
  EXPECT_EQ(auth.method, AuthMethod::kAuthorizationCode);
  EXPECT_EQ(auth.authorization_endpoint, "https://accounts.google.com/o/oauth2/v2/auth");
  EXPECT_EQ(auth.authorization_fields,
            (std::vector<std::pair<std::string, std::string>>{{"access_type", "offline"}, {"prompt", "consent"}}));
  EXPECT_EQ(auth.redirect_port, 8400);
  EXPECT_EQ(auth.login_file, Path("state/logins/a.json"));

  auth = LoadAuth("custom", R"("method": "refresh-token", "client_id": "id", "refresh_token": { "file": "secret" },
                               "token_endpoint": "https://h/token")");
  EXPECT_EQ(ReadSecret(*auth.refresh_token).Reveal(), "s3cr3t");
  EXPECT_EQ(auth.login_file, Path("state/logins/a.json"));
  EXPECT_FALSE(IsInteractive(auth.method));
  EXPECT_EQ(LoadAccount("custom", R"("method": "token-command", "command": "echo")").login_command,
            "mailboxfs login -c '" + Path("config.json") + "' 'a'");
}

TEST_F(AuthTest, AServerOfOnesOwnIsAskedForConsentWhenALoginIsToLast) {
  const std::string common = R"("method": "authorization-code", "client_id": "id", "issuer": "https://h", )";
  using Fields = std::vector<std::pair<std::string, std::string>>;
  EXPECT_EQ(LoadAuth("custom", common + R"("scope": "openid offline_access")").authorization_fields,
            (Fields{{"prompt", "consent"}}));
  EXPECT_EQ(LoadAuth("custom", common + R"("scope": "openid")").authorization_fields, Fields());
}

TEST_F(AuthTest, AnIssuerStandsForTheAddresses) {
  const AuthConfig auth = LoadAuth(
      "microsoft365", std::string(R"("method": "authorization-code", "issuer": "https://idp.example.org/{tenant}", )") +
                          kTenantKey + ", " + kClientKey);
  EXPECT_EQ(auth.issuer, "https://idp.example.org/fb561382-2222-2222-2222-06ab992d36b7");
  EXPECT_EQ(auth.token_endpoint, "") << "the provider's would be another server's";
  EXPECT_EQ(auth.authorization_endpoint, "");
  EXPECT_EQ(MistakeIn("custom", R"("method": "device-code", "client_id": "id", "issuer": "http://example.org")"),
            ".issuer: would send the secret unencrypted; use https:// (http:// is only for loopback hosts)");
  EXPECT_EQ(MistakeIn("custom", R"("method": "device-code", "client_id": "id", "token_endpoint": "https://h/t")"),
            ".device_endpoint: is missing; write the URL that gives device codes, or \"issuer\"");
}

TEST_F(AuthTest, OfServiceAccountsAndCommands) {
  AuthConfig auth = LoadAuth("gmail", R"("method": "service-account", "service_account_key": { "file": "key.json" })");
  EXPECT_EQ(auth.method, AuthMethod::kServiceAccount);
  EXPECT_EQ(auth.scope, "https://mail.google.com/");
  EXPECT_EQ(auth.token_endpoint, "") << "the key names it";
  EXPECT_EQ(ReadSecret(*auth.service_account_key).Reveal(), "{\n}\n");

  auth = LoadAuth("custom", R"("method": "token-command", "command": ["echo", "{mailbox}"])");
  EXPECT_EQ(auth.command, (std::vector<std::string>{"echo", "{mailbox}"}));
  EXPECT_EQ(MistakeIn("custom", R"("method": "token-command")"),
            ".command: is missing; write the program that prints a token, for example [\"oama\", \"access\", "
            "\"{mailbox}\"]");
  EXPECT_EQ(MistakeIn("custom", R"("method": "token-command", "command": ["no-such-program-at-all"])"),
            ".command: there is no program no-such-program-at-all in PATH; install it, or write its whole path");
}

TEST_F(AuthTest, OneProofAndOneResource) {
  const std::string both = std::string(kTenantKey) + ", " + kClientKey + R"(, "client_secret": { "file": "secret" }, )";
  EXPECT_EQ(MistakeIn("microsoft365", both + R"("federated_token_file": "secret")"),
            ".federated_token_file: cannot be used together with \"client_secret\"; keep one of them");
  EXPECT_EQ(MistakeIn("microsoft365", both + R"("assertion_algorithm": "PS256")"),
            ".assertion_algorithm: is used with \"certificate\" only; add that, or remove this");
  EXPECT_EQ(
      MistakeIn("microsoft365",
                both + R"("resource": "https://partner.outlook.cn", "scope": "https://partner.outlook.cn/.default")"),
      ".resource: cannot be used together with \"scope\"; keep one of them");
  const AuthConfig auth = LoadAuth("microsoft365-china", both + R"("resource": "https://partner.outlook.cn")");
  EXPECT_EQ(auth.resource, "https://partner.outlook.cn");
  EXPECT_EQ(auth.scope, "");
}

TEST(Answers, SayWhatIsWrong) {
  EXPECT_EQ(TenantProblem("contoso.onmicrosoft.com"), "");
  EXPECT_EQ(TenantProblem("fb561382-2222-2222-2222-06ab992d36b7"), "");
  EXPECT_NE(TenantProblem("common"), "");
  EXPECT_NE(TenantProblem("contoso"), "");
  EXPECT_NE(TenantProblem(""), "");
  EXPECT_EQ(ClientIdProblem("4f5a9f88-1111-1111-1111-bdca9a88c089"), "");
  EXPECT_NE(ClientIdProblem("4f5a9f88-1111-1111-1111-bdca9a88c08"), "");
  EXPECT_EQ(ClientSecretProblem("aB~c"), "");
  EXPECT_NE(ClientSecretProblem("4f5a9f88-1111-1111-1111-bdca9a88c089"), "") << "the secret's ID";
  EXPECT_EQ(AddressProblem("m@example.org"), "");
  EXPECT_NE(AddressProblem("m"), "");
  EXPECT_NE(AddressProblem("m @example.org"), "");
}

}  // namespace
}  // namespace mailboxfs::config
