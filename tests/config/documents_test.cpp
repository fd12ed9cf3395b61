#include <algorithm>
#include <iterator>
#include <set>
#include <sstream>

#include "fixture.h"

namespace mailboxfs::config {
namespace {

std::string ReadSource(const std::string& name) {
  std::ifstream file(MAILBOXFS_SOURCE_ROOT "/" + name);
  EXPECT_TRUE(file) << name;
  return {std::istreambuf_iterator<char>(file), {}};
}

// The keys that the man page describes (".It Ic KEY").
std::set<std::string> DocumentedKeys() {
  std::set<std::string> keys;
  std::istringstream page(ReadSource("man/mailboxfs.conf.5"));
  for (std::string line; std::getline(page, line);) {
    const std::string prefix = ".It Ic ";
    if (line.rfind(prefix, 0) == 0) keys.insert(line.substr(prefix.size()));
  }
  return keys;
}

// All secrets have the same sources, which the page describes once: ".It Ic file".
std::string NameInPage(const std::string& key) {
  for (const std::string source : {"file", "env", "command", "credential"}) {
    const std::string end = "." + source;
    const bool has = key.size() > end.size() && key.compare(key.size() - end.size(), end.size(), end) == 0;
    if (has && key != "accounts.*.auth.command") return source;
  }
  return key;
}

TEST(ManPage, DescribesExactlyTheKeysOfTheSchema) {
  std::set<std::string> schema;
  for (const std::string& key : SchemaKeys()) schema.insert(NameInPage(key));
  EXPECT_EQ(DocumentedKeys(), schema);
}

TEST(SchemaKeys, AreUniqueAndDotted) {
  const std::vector<std::string> keys = SchemaKeys();
  EXPECT_EQ(std::set<std::string>(keys.begin(), keys.end()).size(), keys.size());
  EXPECT_NE(std::find(keys.begin(), keys.end(), "accounts.*.imap.host"), keys.end());
  EXPECT_NE(std::find(keys.begin(), keys.end(), "accounts.*.mailboxes.*.address"), keys.end());
}

class ExampleTest : public ConfigTest {};

TEST_F(ExampleTest, IsAGoodConfiguration) {
  const std::string example = ReadSource("contrib/mailboxfs.conf.example");
  const std::string secret = Write("contoso.secret", "s3cr3t");
  const Config config = Load(Write("config.json", Replace(example, "/etc/mailboxfs/contoso.secret", secret), 0644));
  EXPECT_FALSE(config.accounts.empty());
  EXPECT_EQ(config.accounts.at(0).provider, "microsoft365");
  EXPECT_GE(config.accounts.at(0).mailboxes.size(), 2U);
}

// As the steps there leave it: the secret beside the configuration.
TEST_F(ExampleTest, InTheReadmeIsAGoodConfiguration) {
  const std::string readme = ReadSource("README.md");
  const std::string begin = "cat >~/.config/mailboxfs/config.json <<'END'\n";
  const size_t start = readme.find(begin);
  ASSERT_NE(start, std::string::npos);
  const size_t end = readme.find("\nEND\n", start);
  ASSERT_NE(end, std::string::npos);
  ASSERT_NE(readme.find("~/.config/mailboxfs/contoso.secret", end), std::string::npos);
  Write("contoso.secret", "s3cr3t\n");
  const size_t text = start + begin.size();
  const Config config = Load(Write("config.json", readme.substr(text, end - text), 0644));
  EXPECT_EQ(config.accounts.at(0).auth.client_secret->value, Path("contoso.secret"));
}

// The page's example is what it says, too.
TEST_F(ExampleTest, InTheManPageIsAGoodConfiguration) {
  const std::string page = ReadSource("man/mailboxfs.conf.5");
  const std::string begin = ".Bd -literal -offset indent\n{";
  const size_t start = page.find(begin);
  ASSERT_NE(start, std::string::npos);
  const size_t end = page.find(".Ed", start);
  ASSERT_NE(end, std::string::npos);
  const size_t text = start + begin.size() - 1;
  const std::string secret = Write("contoso.secret", "s3cr3t");
  const Config config =
      Load(Write("config.json", Replace(page.substr(text, end - text), "/etc/mailboxfs/contoso.secret", secret), 0644));
  EXPECT_FALSE(config.accounts.empty());
}

}  // namespace
}  // namespace mailboxfs::config
