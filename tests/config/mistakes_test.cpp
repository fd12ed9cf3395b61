#include <string>
#include <vector>

#include "fixture.h"

namespace mailboxfs::config {
namespace {

// What is replaced in kGoodConfig, and the line that must come of it, after "FILE:".
struct Mistake {
  std::string from, to, error;
};

class MistakesTest : public ConfigTest {
 protected:
  void Expect(const std::vector<Mistake>& mistakes) {
    Write("contoso.secret", "s3cr3t\n");
    for (const Mistake& mistake : mistakes) {
      const std::string path = Write("config.json", Replace(kGoodConfig, mistake.from, mistake.to));
      EXPECT_EQ(ErrorOf([&] { Load(path); }), path + ":" + mistake.error) << mistake.to;
    }
  }
};

const char kMethods[] =
    "client-credentials, managed-identity, device-code, authorization-code, refresh-token, service-account, "
    "token-command, password";
const char kProviders[] =
    "custom, microsoft365, microsoft365-gcc-high, microsoft365-dod, microsoft365-china, outlook.com, gmail, fastmail, "
    "yahoo, icloud";
const char kProvider[] = R"("provider": "microsoft365",)";
const char kMethod[] = R"("method": "client-credentials",)";
const char kImap[] = R"("imap": { "connections": 4 },)";
const char kTenant[] = R"("tenant": "fb561382-2222-2222-2222-06ab992d36b7",)";
const char kClientId[] = R"("client_id": "4f5a9f88-1111-1111-1111-bdca9a88c089",)";
const char kMailboxes[] = R"([ "m1@example.org" ])";
const char kState[] = R"("state": { "directory": "state" })";
const char kCache[] = R"({ "directory": "cache" })";

TEST_F(MistakesTest, OfSyntax) {
  Expect({
      {kProvider, R"("provider": "microsoft365")",
       "5: syntax error while parsing object - unexpected string literal; expected '}'"},
      {kState, R"("cache": {})", "16: the key \"cache\" is given twice (first on line 15); remove one of them"},
      {kCache, "{ \"size\": 99999999999999999999 }",
       "15: an integer is out of range; the largest is 9223372036854775807"},
  });
  const std::string path = Write("config.json", "[]");
  EXPECT_EQ(ErrorOf([&] { Load(path); }), path + ":1: the file must hold an object; write { \"accounts\": { ... } }");
}

TEST_F(MistakesTest, OfKeys) {
  Expect({
      {"\"client_id\"", "\"clientId\"", "9: accounts.contoso.auth.clientId: unknown key; did you mean \"client_id\"?"},
      {kState, "\"nmaes\": \"x\"", "16: nmaes: unknown key; did you mean \"names\"?"},
      {kProvider, "\"provider\": \"microsoft365\",\n\"port\": 993,",
       "5: accounts.contoso.port: unknown key; \"port\" belongs in accounts.*.imap"},
      {kCache, R"({ "refresh_interval": 5 })",
       "15: cache.refresh_interval: unknown key; \"refresh_interval\" belongs at the top of the file"},
      {kState, "\"zzzzzz\": 1",
       "16: zzzzzz: unknown key; the keys known here are \"accounts\", \"cache\", \"state\", \"names\", "
       "\"connections\", \"refresh_interval\", \"timeouts\""},
      {kMailboxes, R"([ { "adress": "a@example.org" } ])",
       "12: accounts.contoso.mailboxes[0].adress: unknown key; did you mean \"address\"?"},
      {R"({ "file": "contoso.secret" })", R"({ "path": "contoso.secret" })",
       "10: accounts.contoso.auth.client_secret.path: unknown key; the keys known here are \"file\", \"env\", "
       "\"command\", \"credential\""},
      {kState, "\"a\\nb\": 1",
       "16: a?b: unknown key; the keys known here are \"accounts\", \"cache\", \"state\", \"names\", "
       "\"connections\", \"refresh_interval\", \"timeouts\""},
  });
}

TEST_F(MistakesTest, OfTypes) {
  Expect({
      {kImap, R"("imap": { "port": "993" },)",
       "5: accounts.contoso.imap.port: is a string, not an integer; write for example 993"},
      {kImap, R"("imap": { "port": 99.5 },)",
       "5: accounts.contoso.imap.port: is a number, not an integer; write for example 993"},
      {kImap, R"("imap": { "host": true },)",
       "5: accounts.contoso.imap.host: is true or false, not a string; write for example \"imap.example.org\""},
      {kImap, R"("imap": [],)",
       "5: accounts.contoso.imap: is an array, not an object; write for example { \"host\": \"imap.example.org\" }"},
      {kMailboxes, R"("a@example.org")",
       "12: accounts.contoso.mailboxes: is a string, not an array; write for example [\"user@example.org\"]"},
      {kMailboxes, "[\n\"a@example.org\",\n7 ]",
       "14: accounts.contoso.mailboxes[1]: is an integer, not a string or an object; write for example "
       "\"user@example.org\""},
      {kMailboxes, "[ null ]",
       "12: accounts.contoso.mailboxes[0]: is null, not a string or an object; write for example "
       "\"user@example.org\""},
      {R"({ "file": "contoso.secret" })", "4711",
       "10: accounts.contoso.auth.client_secret: is an integer, not a string or an object; write for example "
       "{ \"file\": \"contoso.secret\" }"},
      {R"({ "file": "contoso.secret" })", R"({ "command": ["pass", 1] })",
       "10: accounts.contoso.auth.client_secret.command: is an array, not a string or an array of strings; write "
       "for example [\"pass\", \"show\", \"mail\"]"},
      {kState, R"("refresh_interval": "60")", "16: refresh_interval: is a string, not a number; write for example 60"},
      {kImap, R"("imap": { "host": "a\u0000b" },)",
       "5: accounts.contoso.imap.host: contains a NUL character; remove it"},
  });
}

TEST_F(MistakesTest, OfMissingKeys) {
  Expect({
      {kTenant, "",
       "6: accounts.contoso.auth.tenant: is missing; write the tenant's ID (a GUID) or a domain such as "
       "contoso.onmicrosoft.com; the token endpoint needs it"},
      {kTenant, "\"tenant\": null,",
       "6: accounts.contoso.auth.tenant: is missing; write the tenant's ID (a GUID) or a domain such as "
       "contoso.onmicrosoft.com; the token endpoint needs it"},
      {kClientId, "", "6: accounts.contoso.auth.client_id: is missing; write the application's (client) ID"},
      {R"("client_secret": { "file": "contoso.secret" })", "\"scope\": null",
       "6: accounts.contoso.auth.client_secret: is missing; say where it is, for example { \"file\": "
       "\"contoso.secret\" }; or use \"certificate\" or \"federated_token_file\""},
      {",\n      \"mailboxes\": [ \"m1@example.org\" ]", "",
       "3: accounts.contoso.mailboxes: is missing; list the mailboxes' addresses, for example "
       "[\"user@example.org\"]"},
      {kMailboxes, "[]",
       "12: accounts.contoso.mailboxes: is empty; list the mailboxes' addresses, for example "
       "[\"user@example.org\"]"},
      {kMailboxes, "[ { \"name\": \"x\" } ]",
       "12: accounts.contoso.mailboxes[0].address: is missing; write the mailbox's address"},
      {"\"auth\": {", "\"auth\": null, \"imap \": {", "6: accounts.contoso.imap : unknown key; did you mean \"imap\"?"},
      {kProvider, "",
       "5: accounts.contoso.imap.host: is missing; write the IMAP server's name, or name a \"provider\" that presets "
       "it"},
  });
  const auto error_of = [&](const std::string& text) {
    const std::string path = Write("config.json", text);
    return ErrorOf([&] { Load(path); }).substr(path.size());
  };
  EXPECT_EQ(error_of("{\n}"),
            ":1: accounts: is missing; write for example { \"contoso\": { \"provider\": \"microsoft365\", ... } }");
  EXPECT_EQ(error_of("{\n\"accounts\": {} }"),
            ":2: accounts: is empty; write for example { \"contoso\": { \"provider\": \"microsoft365\", ... } }");
  EXPECT_EQ(error_of("{ \"accounts\": {\n \"x\": {} } }"),
            ":2: accounts.x.imap: is missing; write { \"host\": \"imap.example.org\" }, or name a \"provider\"");
  EXPECT_EQ(error_of("{ \"accounts\": {\n \"\": {} } }"),
            ":2: accounts.: the account's name is empty or has a slash or a control character; choose another one");
  const std::string custom = "{ \"accounts\": {\n \"x\": { \"imap\": {\"host\": \"h\"}, \"mailboxes\": [\"a\"]";
  EXPECT_EQ(error_of(custom + "} } }"),
            ":2: accounts.x.auth: is missing; write for example { \"method\": \"client-credentials\", ... }");
  EXPECT_EQ(error_of(custom + ",\n \"auth\": {} } } }"),
            ":3: accounts.x.auth.method: is missing; the known methods are " + std::string(kMethods));
  EXPECT_EQ(error_of(custom + ",\n \"auth\": { \"method\": \"client-credentials\" } } } }"),
            ":3: accounts.x.auth.client_id: is missing; write the application's (client) ID");
  EXPECT_EQ(error_of(custom + ",\n \"auth\": { \"method\": \"client-credentials\", \"client_id\": \"i\" } } } }"),
            ":3: accounts.x.auth.token_endpoint: is missing; write the URL that gives tokens, or \"issuer\", from "
            "which it is found out, or name a \"provider\" that presets it");
  EXPECT_EQ(error_of(custom + ",\n \"auth\": { \"method\": \"password\" } } } }"),
            ":3: accounts.x.auth.password: is missing; say where it is, for example { \"file\": \"mail.secret\" }");
}

TEST_F(MistakesTest, OfProviderAndMethod) {
  Expect({
      {kProvider, "\"provider\": \"office\",",
       "4: accounts.contoso.provider: \"office\" is unknown; the known providers are " + std::string(kProviders)},
      {kMethod, "\"method\": \"basic\",",
       "7: accounts.contoso.auth.method: \"basic\" is unknown; the known methods are " + std::string(kMethods)},
      {kMethod, "\"method\": \"password\",",
       "8: accounts.contoso.auth.tenant: is not used by the method \"password\"; remove it, or change \"method\""},
      {kClientId, "\"client_id\": \"x\", \"user\": \"u\",",
       "9: accounts.contoso.auth.user: is not used by the method \"client-credentials\"; remove it, or change "
       "\"method\""},
  });
}

TEST_F(MistakesTest, OfImap) {
  const std::string host = "5: accounts.contoso.imap.host: ";
  const std::string tls = "5: accounts.contoso.imap.tls: ";
  Expect({
      {kImap, R"("imap": { "host": "" },)", host + "is empty; write the server's name"},
      {kImap, R"("imap": { "host": "imaps://h" },)", host + "is a URL; write only the server's name"},
      {kImap, R"("imap": { "host": "h:993" },)", host + "contains a colon; write the port as \"port\""},
      {kImap, R"("imap": { "host": "a b" },)", host + "is no host name; write for example imap.example.org"},
      {kImap, R"("imap": { "port": 0 },)", "5: accounts.contoso.imap.port: is 0; write a number from 1 to 65535"},
      {kImap, R"("imap": { "port": 65536 },)",
       "5: accounts.contoso.imap.port: is 65536; write a number from 1 to 65535"},
      {kImap, R"("imap": { "connections": 0 },)",
       "5: accounts.contoso.imap.connections: is 0; write a number from 1 to 15 (Exchange Online allows 16 to 20 for "
       "one mailbox, and other clients need some)"},
      {kImap, R"("imap": { "profile": "outlook" },)",
       "5: accounts.contoso.imap.profile: \"outlook\" is unknown; the known profiles are exchange, gmail, yahoo, "
       "icloud, "
       "zoho, dovecot, cyrus, generic; without it, the server is recognised by what it says of itself"},
      {kImap, R"("imap": { "sizes": "right" },)", "5: accounts.contoso.imap.sizes: must be \"exact\" or \"estimate\""},
      {kImap, R"("imap": { "header_batch": 0 },)",
       "5: accounts.contoso.imap.header_batch: is 0; write a number from 1 to 2000"},
      {kImap, R"("imap": { "daily_volume": "much" },)",
       "5: accounts.contoso.imap.daily_volume: is no size; write a number and K, M, G or T, for example \"10G\", or a "
       "number of bytes"},
      {kImap, R"("imap": { "connections": 16 },)",
       "5: accounts.contoso.imap.connections: is 16; write a number from 1 to 15 (Exchange Online allows 16 to 20 for "
       "one mailbox, and other clients need some)"},
      {kImap, R"("imap": { "tls": "starttls" },)", tls + R"(must be "implicit", or "none" for a loopback host)"},
      {kImap, R"("imap": { "tls": "none" },)",
       tls + "\"none\" would send mail and login to outlook.office365.com unencrypted; it is only for loopback hosts "
             "(localhost, 127.0.0.0/8, ::1), so remove it"},
      {kImap, R"("imap": { "ca_file": "none.pem" },)",
       "5: accounts.contoso.imap.ca_file: " + Path("none.pem") +
           " cannot be read: No such file or directory; name a file of certificates in PEM form"},
      {kImap, R"("imap": { "ca_file": "." },)",
       "5: accounts.contoso.imap.ca_file: " + Path(".") +
           " is no regular file; name a file of certificates in PEM form"},
      {kImap, R"("imap": { "ca_file": "contoso.secret" },)",
       "5: accounts.contoso.imap.ca_file: " + Path("contoso.secret") +
           " holds no certificate (-----BEGIN CERTIFICATE-----); name a file of certificates in PEM form"},
      {kTenant, std::string(kTenant) + R"( "ca_file": "contoso.secret",)",
       "8: accounts.contoso.auth.ca_file: " + Path("contoso.secret") +
           " holds no certificate (-----BEGIN CERTIFICATE-----); name a file of certificates in PEM form"},
      {kImap, R"("imap": { "ca_file": "" },)", "5: accounts.contoso.imap.ca_file: is empty; write a path"},
  });
  for (const char* sneaky : {"127.0.0.1.example.org", "128.0.0.1", "127.1", "localhost.example.org", "::2"}) {
    const std::string path =
        Write("config.json",
              Replace(kGoodConfig, kImap, std::string(R"("imap": { "tls": "none", "host": ")") + sneaky + "\"},"));
    EXPECT_NE(ErrorOf([&] { Load(path); }).find("unencrypted"), std::string::npos) << sneaky;
  }
}

TEST_F(MistakesTest, OfTenantAndClient) {
  const std::string shared =
      " stands for any tenant, and an application that logs in as itself belongs to one; write the tenant's ID or "
      "domain";
  const std::string tenant = "8: accounts.contoso.auth.tenant: ";
  Expect({
      {kTenant, R"("tenant": "common",)", tenant + "\"common\"" + shared},
      {kTenant, R"("tenant": "Organizations",)", tenant + "\"organizations\"" + shared},
      {kTenant, R"("tenant": "consumers",)", tenant + "\"consumers\"" + shared},
      {kTenant, R"("tenant": "a/b",)",
       tenant + "is no tenant; write its ID (a GUID) or a domain such as contoso.onmicrosoft.com"},
      {kTenant, R"("tenant": "fb561382-2222-2222-2222-06ab992d36",)",
       tenant + "is no tenant; write its ID (a GUID) or a domain such as contoso.onmicrosoft.com"},
      {kTenant, R"("tenant": "",)",
       tenant + "is no tenant; write its ID (a GUID) or a domain such as contoso.onmicrosoft.com"},
      {kClientId, R"("client_id": "",)",
       "9: accounts.contoso.auth.client_id: is empty; write the application's (client) ID"},
      {kClientId, R"("client_id": "4f5a9f88-1111-1111-1111-bdca9a88c0",)",
       "9: accounts.contoso.auth.client_id: is no application (client) ID; copy it whole from the application's page, "
       "it "
       "is a GUID"},
      {kClientId, R"("client_id": "4f5a ",)",
       "9: accounts.contoso.auth.client_id: contains white space or a control character; write only the application's "
       "(client) ID"},
  });
  for (const std::string scope :
       {"https://outlook.office365.com/IMAP.AccessAsUser.All", "https://graph.microsoft.com/.default", ".default",
        "https://outlook.office365.com/.default offline_access", "https://outlook.office365.com.example/.default"}) {
    Expect({{kTenant, std::string(kTenant) + "\"scope\": \"" + scope + "\",",
             "8: accounts.contoso.auth.scope: \"" + scope +
                 "\" gives no token that opens mailboxes; write "
                 "https://outlook.office365.com/.default (or one of https://outlook.office.com/.default, "
                 "https://outlook.office365.us/.default, https://outlook-dod.office365.us/.default, "
                 "https://partner.outlook.cn/.default)"}});
  }
}

TEST_F(MistakesTest, OfTokenEndpoint) {
  const auto mistake = [](const std::string& url, const std::string& error) {
    return Mistake{kTenant, std::string(kTenant) + " \"token_endpoint\": \"" + url + "\",",
                   "8: accounts.contoso.auth.token_endpoint: " + error};
  };
  const std::string example = "write for example https://login.example.org/token";
  Expect({
      mistake("http://login.example.org/t",
              "would send the secret unencrypted; use https:// (http:// is only for loopback hosts)"),
      mistake("http://localhost@example.org/t", "contains a user name or password; remove what is before the @"),
      mistake("http://localhost.example.org/t",
              "would send the secret unencrypted; use https:// (http:// is only for loopback hosts)"),
      mistake("ftp://h/t", "must begin with https://; " + example),
      mistake("login.example.org", "is no URL; " + example),
      mistake("https:///t", "is no valid URL; " + example),
      mistake("https://h:0/t", "is no valid URL; " + example),
      mistake("https://[::1/t", "is no valid URL; " + example),
      mistake("https://[::1]x80/t", "is no valid URL; " + example),
      mistake("https://h/a b", "is no valid URL; " + example),
      mistake("https://h/t#x", "contains a fragment; remove # and what follows"),
      mistake("https://h/{realm}/t", "contains an unknown placeholder; only {tenant} is known"),
  });
}

TEST_F(MistakesTest, OfMailboxes) {
  const std::string first = "12: accounts.contoso.mailboxes[0]";
  const std::string second = "12: accounts.contoso.mailboxes[1]";
  const auto named = [](const std::string& name) {
    return R"([ { "address": "m1@example.org", "name": ")" + name + "\" } ]";
  };
  Expect({
      {kMailboxes, R"([ "" ])", first + ": is empty; write the mailbox's address"},
      {kMailboxes, R"([ "user" ])", first + ": \"user\" is no address; write it in full, like user@example.org"},
      {kMailboxes, R"([ "a b@example.org" ])",
       first + ": contains white space or a control character; write only the address"},
      {kMailboxes, R"([ "a@example.org", "A@Example.org" ])",
       second + ": \"A@Example.org\" is listed twice in this account; remove one of them"},
      {kMailboxes, R"([ { "address": "a@x.org", "name": "s" }, { "address": "b@x.org", "name": "s" } ])",
       second + ".name: there is already a directory \"s\" (accounts.contoso.mailboxes[0].name on line 12); give one "
                "of them another \"name\""},
      {kMailboxes, R"([ "a/b@example.org" ])",
       first + ": the directory's name contains a slash; choose another name with \"name\" (it is the address if not "
               "given)"},
      {kMailboxes, named(""), first + ".name: is empty; a directory needs a name"},
      {kMailboxes, named("."), first + ".name: begins with a dot; choose another name"},
      {kMailboxes, named(".."), first + ".name: begins with a dot; choose another name"},
      {kMailboxes, named(".x"), first + ".name: begins with a dot; choose another name"},
      {kMailboxes, named("a/b"), first + ".name: contains a slash; choose another name"},
      {kMailboxes, named("a\\tb"), first + ".name: contains a control character; choose another name"},
      {kMailboxes, named(std::string(256, 'x')), first + ".name: has 256 bytes, more than 255; choose a shorter name"},
      {kMailboxes, kMailboxes + std::string(R"(}, "other": { "provider": "microsoft365",
         "auth": { "tenant": "x.org", "client_id": "4f5a9f88-1111-1111-1111-bdca9a88c089", "client_secret": { "file": "contoso.secret" } },
         "mailboxes": [
         "m1@example.org" ])"),
       "15: accounts.other.mailboxes[0]: there is already a directory \"m1@example.org\" "
       "(accounts.contoso.mailboxes[0] on line 12); give one of them another \"name\""},
  });
}

TEST_F(MistakesTest, OfNames) {
  const std::string known = "; the placeholders are {uid}, {date}, {time}, {from} and {subject}";
  const auto mistake = [](const std::string& names, const std::string& error) {
    return Mistake{kState, "\"names\": \"" + names + "\"", "16: names: " + error};
  };
  Expect({
      mistake("{date}.eml", "needs {uid}, or names would not be unique; write for example {date}_{subject}.{uid}.eml"),
      mistake("{uid}", "must end in .eml; write for example {date}_{subject}.{uid}.eml"),
      mistake("{uid}/x.eml", "contains a slash; a template names a file, not a path"),
      mistake("{to}.{uid}.eml", "has the unknown placeholder {to}" + known),
      mistake("{uid.eml", "has a { without a }" + known),
      mistake("uid}.eml", "has a } without a {" + known),
      mistake(std::string(200, 'x') + "{uid}.eml",
              "is too long; at most 100 bytes beside {from} and {subject} leave room for them"),
      mistake("a b.{uid}.eml", "contains a space, a control or an invisible character; remove it"),
  });
}

TEST_F(MistakesTest, OfCacheSize) {
  const std::string no_size =
      "15: cache.size: is no size; write a number and K, M, G or T, for example \"10G\", or a number of bytes";
  const auto mistake = [](const std::string& size, const std::string& error) {
    return Mistake{kCache, "{ \"size\": " + size + " }", error};
  };
  Expect({
      mistake("\"ten\"", no_size),
      mistake("\"10X\"", no_size),
      mistake("\"10GB\"", no_size),
      mistake("\"-1G\"", no_size),
      mistake("\"\"", no_size),
      mistake("\"1.5G\"", no_size),
      mistake("\"99999999T\"", no_size),
      mistake("-5", no_size),
      mistake("\"1023K\"", "15: cache.size: is too small; write at least \"1M\""),
      mistake("0", "15: cache.size: is too small; write at least \"1M\""),
      mistake("1.5", "15: cache.size: is a number, not a string or an integer; write for example \"10G\""),
  });
}

TEST_F(MistakesTest, OfNumbersAndDirectories) {
  Expect({
      {kState, "\"connections\": 0", "16: connections: is 0; write a number from 1 to 1000"},
      {kState, "\"refresh_interval\": -1", "16: refresh_interval: is -1; write seconds from 0 to 604800"},
      {kState, "\"timeouts\": { \"stall\": 0 }", "16: timeouts.stall: is 0; write seconds from 0.1 to 86400"},
      {kState, "\"timeouts\": { \"total\": 1e9 }",
       "16: timeouts.total: is 1000000000; write seconds from 0.1 to 86400"},
      {kCache, R"({ "directory": "" })", "15: cache.directory: is empty; write a path"},
  });
}

TEST_F(MistakesTest, OfDirectoriesThatAreNotApart) {
  std::filesystem::create_directory_symlink(directory(), Path("link"));
  const auto mistake = [this](const std::string& cache, const std::string& how) {
    return Mistake{kCache, R"({ "directory": ")" + cache + "\" }",
                   "16: state.directory: " + Path("state") + " " + how + " cache.directory, " + Path(cache) +
                       "; keep index and cache apart, the cache may be emptied at any time"};
  };
  Expect({
      mistake("state", "is the same directory as"),
      mistake("state/", "is the same directory as"),
      mistake("state//.", "is the same directory as"),
      mistake("x/../state", "is the same directory as"),
      mistake("link/state", "is the same directory as"),
      mistake(".", "is inside"),
      mistake("state/cache", "contains"),
      mistake("link//state/a/b/", "contains"),
      {kCache, R"({ "directory": "/" })",
       "16: state.directory: " + Path("state") +
           " is inside cache.directory, /; keep index and cache apart, the cache may be emptied at any time"},
  });
}

TEST_F(MistakesTest, OfTheFileItself) {
  const std::string path = Path("none.json");
  EXPECT_EQ(ErrorOf([&] { Load(path); }), path +
                                              ": there is no such configuration file; \"mailboxfs setup microsoft365\" "
                                              "writes one, mailboxfs.conf(5) says what "
                                              "is in it, -c names another one");
  EXPECT_EQ(ErrorOf([&] { Load(directory()); }), directory() + ": is a directory; name the configuration file in it");
  const std::string large = Write("large.json", std::string((size_t{16} << 20) + 1, ' '));
  EXPECT_EQ(ErrorOf([&] { Load(large); }), large + ": is larger than 16 MiB; name a configuration file with -c");
}

}  // namespace
}  // namespace mailboxfs::config
