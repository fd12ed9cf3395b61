#include "mailboxfs/config/config.h"

#include <unistd.h>

#include "fixture.h"

namespace mailboxfs::config {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

class LoadTest : public ConfigTest {
 protected:
  LoadTest() { Write("contoso.secret", "s3cr3t\n"); }
  Config LoadText(const std::string& text) { return Load(Write("config.json", text)); }
};

TEST_F(LoadTest, FillsInWhatTheProviderPresets) {
  const Config config = LoadText(kGoodConfig);
  EXPECT_EQ(config.path, Path("config.json"));
  ASSERT_EQ(config.accounts.size(), 1U);
  const Account& account = config.accounts[0];
  EXPECT_EQ(account.name, "contoso");
  EXPECT_EQ(account.provider, "microsoft365");
  EXPECT_EQ(account.imap.host, "outlook.office365.com");
  EXPECT_EQ(account.imap.port, 993);
  EXPECT_TRUE(account.imap.tls);
  EXPECT_FALSE(account.imap.ca_file);
  EXPECT_EQ(account.imap.connections, 4U);
  EXPECT_EQ(account.auth.method, AuthMethod::kClientCredentials);
  EXPECT_EQ(account.auth.token_endpoint,
            "https://login.microsoftonline.com/fb561382-2222-2222-2222-06ab992d36b7/oauth2/v2.0/token");
  EXPECT_EQ(account.auth.scope, "https://outlook.office365.com/.default");
  EXPECT_EQ(account.auth.client_id, "4f5a9f88-1111-1111-1111-bdca9a88c089");
  EXPECT_EQ(account.auth.client_secret->kind, SecretSpec::Kind::kFile);
  EXPECT_EQ(account.auth.client_secret->value, Path("contoso.secret"));
  EXPECT_EQ(account.auth.client_secret->where,
            "accounts.contoso.auth.client_secret (" + Path("config.json") + " line 10)");
  EXPECT_EQ(ReadSecret(*account.auth.client_secret).Reveal(), "s3cr3t");
  ASSERT_EQ(account.mailboxes.size(), 1U);
  EXPECT_EQ(account.mailboxes[0].address, "m1@example.org");
  EXPECT_EQ(account.mailboxes[0].name, "m1@example.org");
}

TEST_F(LoadTest, HasDefaultsForTheRest) {
  const Config config = LoadText(kGoodConfig);
  EXPECT_EQ(config.cache_directory, Path("cache"));
  EXPECT_EQ(config.state_directory, Path("state"));
  EXPECT_EQ(config.cache_size, uint64_t{10} << 30);
  EXPECT_EQ(config.read_ahead, uint64_t{8} << 20);
  EXPECT_EQ(config.names, "{date}_{subject}.{uid}.eml");
  EXPECT_EQ(config.max_connections, 64U);
  EXPECT_EQ(config.refresh_interval, seconds(60));
  EXPECT_EQ(config.timeouts.connect, seconds(20));
  EXPECT_EQ(config.timeouts.login, seconds(60));
  EXPECT_EQ(config.timeouts.stall, seconds(30));
  EXPECT_EQ(config.timeouts.total, minutes(10));
  EXPECT_EQ(config.timeouts.idle, minutes(5));
}

TEST_F(LoadTest, LetsEveryPresetBeOverridden) {
  Write("ca.pem", "Ours:\n-----BEGIN CERTIFICATE-----\n");
  const Config config = LoadText(R"({
    "accounts": { "contoso": {
      "provider": "microsoft365",
      "imap": { "host": "[::1]", "port": 10993, "tls": "none", "ca_file": "ca.pem", "connections": 15 },
      "auth": {
        "tenant": "contoso.onmicrosoft.com",
        "client_id": "4f5a9f88-1111-1111-1111-bdca9a88c089",
        "client_secret": { "file": "contoso.secret", "env": null },
        "token_endpoint": "http://127.0.0.1:8080/{tenant}/token",
        "scope": "https://partner.outlook.cn/.default",
        "ca_file": "ca.pem"
      },
      "mailboxes": [ { "address": "m2@example.org", "name": "Verkäufe 2" }, "m1@example.org" ]
    } },
    "cache": { "directory": "/srv/cache", "size": "500m", "read_ahead": "2M" },
    "state": { "directory": "~/state" },
    "names": "{uid}-{time}-{from}.eml",
    "connections": 1000,
    "refresh_interval": 0.5,
    "timeouts": { "connect": 1, "login": 2.5, "stall": 3, "total": 4, "idle": 5 }
  })");
  const Account& account = config.accounts.at(0);
  EXPECT_EQ(account.imap.host, "::1");
  EXPECT_EQ(account.imap.port, 10993);
  EXPECT_FALSE(account.imap.tls);
  EXPECT_EQ(account.imap.ca_file, Path("ca.pem"));
  EXPECT_EQ(account.imap.connections, 15U);
  EXPECT_EQ(account.auth.token_endpoint, "http://127.0.0.1:8080/contoso.onmicrosoft.com/token");
  EXPECT_EQ(account.auth.scope, "https://partner.outlook.cn/.default");
  EXPECT_EQ(account.auth.ca_file, Path("ca.pem"));
  EXPECT_EQ(account.mailboxes.at(0).name, "Verkäufe 2");
  EXPECT_EQ(account.mailboxes.at(1).name, "m1@example.org");
  EXPECT_EQ(config.cache_directory, "/srv/cache");
  EXPECT_EQ(config.cache_size, uint64_t{500} << 20);
  EXPECT_EQ(config.read_ahead, uint64_t{2} << 20);
  EXPECT_EQ(config.state_directory, Path("home/state"));
  EXPECT_EQ(config.names, "{uid}-{time}-{from}.eml");
  EXPECT_EQ(config.max_connections, 1000U);
  EXPECT_EQ(config.refresh_interval, milliseconds(500));
  EXPECT_EQ(config.timeouts.connect, seconds(1));
  EXPECT_EQ(config.timeouts.login, milliseconds(2500));
  EXPECT_EQ(config.timeouts.stall, seconds(3));
  EXPECT_EQ(config.timeouts.total, seconds(4));
  EXPECT_EQ(config.timeouts.idle, seconds(5));
}

TEST_F(LoadTest, TakesAPasswordForACustomServer) {
  const Config config = LoadText(R"({ "accounts": { "home": {
    "imap": { "host": "imap.example.org" },
    "auth": { "method": "password", "user": "alice", "password": { "file": "contoso.secret" } },
    "mailboxes": [ "alice" ]
  } } })");
  const Account& account = config.accounts.at(0);
  EXPECT_EQ(account.provider, "custom");
  EXPECT_EQ(account.imap.port, 993);
  EXPECT_EQ(account.auth.method, AuthMethod::kPassword);
  EXPECT_EQ(account.auth.user, "alice");
  EXPECT_EQ(ReadSecret(*account.auth.password).Reveal(), "s3cr3t");
}

TEST_F(LoadTest, UsesTheUnencryptedPortWithoutTls) {
  const Config config = LoadText(Replace(kGoodConfig, "\"connections\": 4", R"("host": "127.8.9.1", "tls": "none")"));
  EXPECT_EQ(config.accounts.at(0).imap.port, 143);
}

TEST_F(LoadTest, RefusesOneUserForTwoMailboxes) {
  const std::string path = Write("config.json", R"({ "accounts": { "home": {
    "imap": { "host": "imap.example.org" },
    "auth": { "method": "password", "user": "alice", "password": { "file": "contoso.secret" } },
    "mailboxes": [ "alice", "bob" ]
  } } })");
  EXPECT_EQ(ErrorOf([&] { Load(path); }),
            path +
                ":3: accounts.home.auth.user: one user cannot log in to 2 mailboxes; make an account for each, or "
                "remove it to use the mailbox's address");
}

TEST_F(LoadTest, KeepsTheOrderOfAccounts) {
  const Config config = LoadText(Replace(kGoodConfig, "\"m1@example.org\" ]\n    }", R"("m1@example.org" ] },
    "alpha": { "imap": { "host": "h" }, "auth": { "method": "password", "password": { "file": "contoso.secret" } },
               "mailboxes": [ "x" ] })"));
  ASSERT_EQ(config.accounts.size(), 2U);
  EXPECT_EQ(config.accounts[0].name, "contoso");
  EXPECT_EQ(config.accounts[1].name, "alpha");
}

TEST_F(LoadTest, AllowsCommentsAndSizesInBytes) {
  const Config config =
      LoadText("// mine\n" + Replace(kGoodConfig, "{ \"directory\": \"cache\" }", "{ /* bytes */ \"size\": 1048576 }"));
  EXPECT_EQ(config.cache_size, 1048576U);
}

TEST_F(LoadTest, FindsFilesBesideARelativePath) {
  Write("sub/config.json", Replace(kGoodConfig, "contoso.secret", "../contoso.secret"));
  const std::string before = std::filesystem::current_path().string();
  std::filesystem::current_path(directory());
  const Config config = Load("sub/config.json");
  std::filesystem::current_path(before);
  EXPECT_EQ(config.path, Path("sub/config.json"));
  EXPECT_EQ(config.cache_directory, Path("sub/cache"));
  EXPECT_EQ(ReadSecret(*config.accounts.at(0).auth.client_secret).Reveal(), "s3cr3t");
}

class DirectoriesTest : public LoadTest {
 protected:
  static std::string Defaults() {
    return Replace(Replace(kGoodConfig, "{ \"directory\": \"cache\" }", "{}"), "{ \"directory\": \"state\" }", "null");
  }
};

// Root's HOME differs between sudo, boot and cron; the index must not.
TEST_F(DirectoriesTest, AreBelowHomeButBelowVarForRoot) {
  const Config config = LoadText(Defaults());
  const std::string id = config.cache_directory.substr(config.cache_directory.rfind('/') + 1);
  const bool root = ::geteuid() == 0;
  EXPECT_EQ(config.cache_directory, (root ? "/var/cache/mailboxfs/" : Path("home/.cache/mailboxfs/")) + id);
  EXPECT_EQ(config.state_directory, (root ? "/var/lib/mailboxfs/" : Path("home/.local/state/mailboxfs/")) + id);
  EXPECT_EQ(id.substr(0, 7), "config-");
  EXPECT_EQ(id.size(), 15U);
  EXPECT_EQ(id.find_first_not_of("0123456789abcdef", 7), std::string::npos);
}

TEST_F(DirectoriesTest, AreTheSameThroughALinkAndOthersForAnotherFile) {
  const Config config = LoadText(Defaults());
  std::filesystem::create_symlink(Path("config.json"), Path("link.json"));
  EXPECT_EQ(Load(Path("link.json")).cache_directory, config.cache_directory);
  Write("sub/contoso.secret", "s3cr3t");
  EXPECT_NE(Load(Write("sub/config.json", Defaults())).cache_directory, config.cache_directory);
}

TEST_F(DirectoriesTest, FollowXdg) {
  SetEnvironment("XDG_CACHE_HOME", "/x/cache");
  SetEnvironment("XDG_STATE_HOME", "relative/is/ignored");
  SetEnvironment("CACHE_DIRECTORY", "/var/cache/unit");
  const Config config = LoadText(Defaults());
  EXPECT_EQ(config.cache_directory.rfind("/x/cache/mailboxfs/config-", 0), 0U) << config.cache_directory;
  EXPECT_EQ(config.state_directory.rfind("relative", 0), std::string::npos) << config.state_directory;
}

TEST_F(DirectoriesTest, FollowSystemdBeforeHome) {
  SetEnvironment("CACHE_DIRECTORY", "/var/cache/unit:/var/cache/other");
  SetEnvironment("STATE_DIRECTORY", "/var/lib/unit");
  const Config config = LoadText(Defaults());
  EXPECT_EQ(config.cache_directory.rfind("/var/cache/unit/config-", 0), 0U) << config.cache_directory;
  EXPECT_EQ(config.state_directory.rfind("/var/lib/unit/config-", 0), 0U) << config.state_directory;
}

TEST_F(DirectoriesTest, WithoutHomeAreAnErrorButForRoot) {
  SetEnvironment("HOME", "/");
  if (::geteuid() == 0) {
    EXPECT_EQ(LoadText(Defaults()).state_directory.rfind("/var/lib/mailboxfs/config-", 0), 0U);
  } else {
    EXPECT_EQ(ErrorOf([&] { LoadText(Defaults()); }),
              Path("config.json") +
                  ":1: state: is missing; there is no default because neither HOME nor "
                  "XDG_STATE_HOME is set; write { \"directory\": ... }");
  }
}

TEST_F(DirectoriesTest, MayHaveNamesThatBeginAlike) {
  const Config config = LoadText(Replace(kGoodConfig, "\"state\" }", "\"cache-index\" }"));
  EXPECT_EQ(config.state_directory, Path("cache-index"));
}

TEST_F(DirectoriesTest, AreKeptApartAlsoWhenOneIsTheDefault) {
  SetEnvironment("XDG_STATE_HOME", Path("home"));
  const std::string default_state = LoadText(Defaults()).state_directory;
  const std::string path =
      Write("config.json", Replace(Defaults(), "\"cache\": {}", R"("cache": { "directory": "home" })"));
  EXPECT_EQ(ErrorOf([&] { Load(path); }), path + ":15: cache.directory: the default state.directory " + default_state +
                                              " is inside cache.directory, " + Path("home") +
                                              "; keep index and cache apart, the cache may be emptied at any time");
}

TEST_F(LoadTest, TakesTheScopesOfAllMicrosoftClouds) {
  for (const char* host : {"outlook.office365.com", "outlook.office.com", "outlook.office365.us",
                           "outlook-dod.office365.us", "partner.outlook.cn", "Outlook.Office365.com"}) {
    const std::string scope = std::string("https://") + host + "/.default";
    const Config config =
        LoadText(Replace(kGoodConfig, "\"client_secret\"", "\"scope\": \"" + scope + "\", \"client_secret\""));
    EXPECT_EQ(config.accounts.at(0).auth.scope, scope);
  }
}

TEST_F(LoadTest, LooksForTheDefaultFileInThreePlaces) {
  EXPECT_EQ(DefaultPath().rfind(Path("home/.config/mailboxfs/config.json"), 0) == 0 ||
                DefaultPath() == "/etc/mailboxfs/config.json",
            true);
  const std::string home = Write("home/.config/mailboxfs/config.json", "{}");
  EXPECT_EQ(DefaultPath(), home);
  SetEnvironment("XDG_CONFIG_HOME", Path("xdg"));
  EXPECT_EQ(DefaultPath(), home);
  const std::string xdg = Write("xdg/mailboxfs/config.json", "{}");
  EXPECT_EQ(DefaultPath(), xdg);
}

// Whatever stands in /etc, which an ordinary user cannot write.
TEST_F(LoadTest, ANewFileBelongsToWhoeverWritesIt) {
  const std::string home = Path("home/.config/mailboxfs/config.json");
  EXPECT_EQ(PathForNew(/*root=*/false), home);
  EXPECT_EQ(PathForNew(/*root=*/true), "/etc/mailboxfs/config.json");
  SetEnvironment("XDG_CONFIG_HOME", Path("xdg"));
  EXPECT_EQ(PathForNew(/*root=*/false), Path("xdg/mailboxfs/config.json"));
  Write("home/.config/mailboxfs/config.json", "{}");
  EXPECT_EQ(PathForNew(/*root=*/true), home) << "it would hide the one in /etc";
  EXPECT_EQ(PathForNew(/*root=*/false), home);
}

}  // namespace
}  // namespace mailboxfs::config
