#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <csignal>
#include <sstream>

#include "fixture.h"
#include "mailboxfs/config/secret_command.h"

namespace mailboxfs::config {
namespace {

constexpr const char* kSource = R"({ "file": "contoso.secret" })";
constexpr const char* kGuid = "0a1b2c3d-4e5f-6789-ABCD-ef0123456789";

class SecretTest : public ConfigTest {
 protected:
  // The error of loading with `source` as the secret, without "FILE:10: accounts.contoso.auth.client_secret".
  std::string LoadError(const std::string& source, mode_t mode = 0600) {
    const std::string path = Write("config.json", Replace(kGoodConfig, kSource, source), mode);
    const std::string error = ErrorOf([&] { Load(path); });
    const std::string place = path + ":10: accounts.contoso.auth.client_secret";
    return error.rfind(place, 0) == 0 ? error.substr(place.size()) : error;
  }
  std::string LoadSecret(const std::string& source, mode_t mode = 0600) {
    const Config config = Load(Write("config.json", Replace(kGoodConfig, kSource, source), mode));
    return std::string(ReadSecret(*config.accounts.at(0).auth.client_secret).Reveal());
  }
  std::string FileError(const std::string& content, mode_t mode = 0600) {
    Write("contoso.secret", content, mode);
    return LoadError(kSource);
  }
  std::string CommandError(const std::vector<std::string>& argv, base::Duration limit = kSecretCommandLimit) {
    return ErrorOf([&] { RunSecretCommand(argv, limit); });
  }
};

TEST_F(SecretTest, FromAFileLosesOneNewlineOnly) {
  Write("contoso.secret", "s3 cr3t\t \n", 0400);
  EXPECT_EQ(LoadSecret(kSource), "s3 cr3t\t ");
  Write("contoso.secret", " s3cr3t\r\n");
  EXPECT_EQ(LoadSecret(kSource), " s3cr3t");
  Write("contoso.secret", "s3cr3t");
  EXPECT_EQ(LoadSecret(kSource), "s3cr3t");
  EXPECT_EQ(LoadSecret("{ \"file\": \"" + Path("contoso.secret") + "\" }"), "s3cr3t");
  Write("home/mail.secret", "tilde");
  EXPECT_EQ(LoadSecret(R"({ "file": "~/mail.secret" })"), "tilde");
}

TEST_F(SecretTest, FromAFileIsReadAnewEachTime) {
  Write("contoso.secret", "old");
  const Config config = Load(Write("config.json", kGoodConfig));
  Write("contoso.secret", "new");
  EXPECT_EQ(ReadSecret(*config.accounts.at(0).auth.client_secret).Reveal(), "new");
  std::filesystem::remove(Path("contoso.secret"));
  EXPECT_EQ(ErrorOf([&] { ReadSecret(*config.accounts.at(0).auth.client_secret); }),
            "accounts.contoso.auth.client_secret (" + Path("config.json") + " line 10): " + Path("contoso.secret") +
                " does not exist; write the secret there: install -m 600 /dev/stdin " + Path("contoso.secret"));
}

TEST_F(SecretTest, FileMistakesAreNamed) {
  const std::string file = ".file: " + Path("contoso.secret");
  EXPECT_EQ(LoadError(kSource),
            file + " does not exist; write the secret there: install -m 600 /dev/stdin " + Path("contoso.secret"));
  EXPECT_EQ(FileError(""), file + " is empty; put the secret there");
  EXPECT_EQ(FileError("\n"), file + " is empty; put the secret there");
  EXPECT_EQ(FileError("\r\n"), file + " is empty; put the secret there");
  EXPECT_EQ(FileError("a\nb\n"), file + " holds more than one line; keep only the secret");
  EXPECT_EQ(FileError("a\n\n"), file + " holds more than one line; keep only the secret");
  EXPECT_EQ(FileError("a\rb"), file + " holds more than one line; keep only the secret");
  EXPECT_EQ(FileError(std::string(65537, 'x')), file + " is larger than 65536 bytes; it cannot be a secret");
  EXPECT_EQ(FileError("s3cr3t", 0640),
            file + " can be used by others than its owner (mode 0640); run: chmod 600 " + Path("contoso.secret"));
  EXPECT_EQ(FileError("s3cr3t", 0604),
            file + " can be used by others than its owner (mode 0604); run: chmod 600 " + Path("contoso.secret"));
  EXPECT_EQ(LoadError(R"({ "file": "" })"), ".file: is empty; write a path");
  EXPECT_EQ(LoadError(R"({ "file": "." })"),
            ".file: " + Path(".") + " is no regular file; name a file that holds only the secret");
  ASSERT_EQ(::mkfifo(Path("pipe").c_str(), 0600), 0);
  EXPECT_EQ(LoadError(R"({ "file": "pipe" })"),
            ".file: " + Path("pipe") + " is no regular file; name a file that holds only the secret");
  SetEnvironment("HOME", std::nullopt);
  EXPECT_EQ(LoadError(R"({ "file": "~/x" })"), ".file: begins with ~ but HOME is not set; write an absolute path");
}

TEST_F(SecretTest, FromTheEnvironment) {
  SetEnvironment("MAILBOXFS_TEST_SECRET", "s3cr3t");
  EXPECT_EQ(LoadSecret(R"({ "env": "MAILBOXFS_TEST_SECRET" })"), "s3cr3t");
  SetEnvironment("MAILBOXFS_TEST_SECRET", "");
  EXPECT_EQ(LoadError(R"({ "env": "MAILBOXFS_TEST_SECRET" })"),
            ".env: the environment variable MAILBOXFS_TEST_SECRET is empty; put the secret there");
  SetEnvironment("MAILBOXFS_TEST_SECRET", std::nullopt);
  EXPECT_EQ(LoadError(R"({ "env": "MAILBOXFS_TEST_SECRET" })"),
            ".env: the environment variable MAILBOXFS_TEST_SECRET is not set; set it where mailboxfs is started");
  EXPECT_EQ(LoadError(R"({ "env": "s3cr3t~!" })"),
            ".env: is no name of an environment variable; write the name, not the secret itself");
}

TEST_F(SecretTest, FromASystemdCredential) {
  const std::string source = R"({ "credential": "contoso" })";
  EXPECT_EQ(LoadError(source),
            ".credential: CREDENTIALS_DIRECTORY is not set; credentials exist only in a systemd service with "
            "LoadCredential=contoso:...");
  SetEnvironment("CREDENTIALS_DIRECTORY", Path("credentials"));
  Write("credentials/contoso", "s3cr3t\n", 0440);
  EXPECT_EQ(LoadSecret(source), "s3cr3t");
  Write("credentials/contoso", "s3cr3t\n", 0444);
  EXPECT_EQ(LoadError(source), ".credential: " + Path("credentials/contoso") + " can be used by everybody (mode 0444)");
  for (const char* name : {"", ".", "..", "a/b"}) {
    EXPECT_EQ(LoadError(std::string("{ \"credential\": \"") + name + "\" }"),
              ".credential: is no name of a credential; write the name given to LoadCredential= in the service file");
  }
}

TEST_F(SecretTest, LiterallyOnlyInAPrivateFile) {
  EXPECT_EQ(LoadSecret("\"s3cr3t\""), "s3cr3t");
  EXPECT_EQ(LoadSecret("\"s3cr3t\"", 0400), "s3cr3t");
  const std::string problem =
      ": is a secret written into a file that is not private (its mode is 0640, not 0600); run: "
      "chmod 600 " +
      Path("config.json") + ", or write { \"file\": ... }";
  EXPECT_EQ(LoadError("\"s3cr3t\"", 0640), problem);
  EXPECT_EQ(LoadError("\"\""), ": the secret is empty; put the secret there");
  EXPECT_EQ(LoadError("\"a\\nb\""), ": the secret holds more than one line; keep only the secret");
}

TEST_F(SecretTest, LiterallyNotInAFileOfSomebodyElse) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can give a file away";
  const std::string path = Write("config.json", Replace(kGoodConfig, kSource, "\"s3cr3t\""));
  ASSERT_EQ(::chown(path.c_str(), 12345, 12345), 0);
  EXPECT_EQ(ErrorOf([&] { Load(path); }),
            path +
                ":10: accounts.contoso.auth.client_secret: is a secret written into a file that is not private (it "
                "belongs to user 12345, neither to you nor to root); run: chmod 600 " +
                path + ", or write { \"file\": ... }");
}

TEST_F(SecretTest, ThatIsAGuidIsTheWrongColumnOfThePortal) {
  const std::string problem =
      ": holds a GUID: that is the secret's ID, which cannot log in; use what the portal calls its Value";
  EXPECT_EQ(FileError(std::string(kGuid) + "\n"), ".file" + problem);
  SetEnvironment("MAILBOXFS_TEST_SECRET", kGuid);
  EXPECT_EQ(LoadError(R"({ "env": "MAILBOXFS_TEST_SECRET" })"), ".env" + problem);
  EXPECT_EQ(LoadError(std::string("\"") + kGuid + "\""), problem);
  EXPECT_EQ(LoadSecret(std::string("\"") + kGuid + "x\""), std::string(kGuid) + "x");
  const std::string other = Replace(Replace(kGoodConfig, "\"microsoft365\"", "\"custom\""), "\"connections\": 4",
                                    "\"host\": \"imap.example.org\"");
  const std::string endpoint = R"({ "file": "contoso.secret" }, "token_endpoint": "https://login.example.org/token")";
  Load(Write("config.json", Replace(other, kSource, endpoint)));
}

TEST_F(SecretTest, HasExactlyOneSource) {
  EXPECT_EQ(LoadError("{}"), ": names no source; write one of \"file\", \"env\", \"command\" or \"credential\"");
  EXPECT_EQ(LoadError(R"({ "file": null })"),
            ": names no source; write one of \"file\", \"env\", \"command\" or \"credential\"");
  EXPECT_EQ(LoadError(R"({ "file": "a", "env": "b" })"), ": names 2 sources; keep one of them");
}

TEST_F(SecretTest, NeverAppearsInAnError) {
  const std::string secret = "hunter2~Q";
  for (const std::string& content : {secret + "\n" + secret, secret + std::string(1, '\0')}) {
    EXPECT_EQ(FileError(content).find(secret), std::string::npos);
  }
  Write("contoso.secret", secret, 0666);
  EXPECT_EQ(LoadError(kSource).find(secret), std::string::npos);
  EXPECT_EQ(LoadError("\"" + secret + "\"", 0644).find(secret), std::string::npos);
  EXPECT_EQ(LoadError("[\"" + secret + "\"]").find(secret), std::string::npos);
  EXPECT_EQ(LoadError("\"" + secret + "\n\"").find(secret), std::string::npos);
  EXPECT_EQ(LoadError("\"" + secret + "\" " + secret).find(secret), std::string::npos);
  EXPECT_EQ(CommandError({"sh", "-c", "echo " + secret + "; exit 3"}).find(secret), std::string::npos);
}

TEST_F(SecretTest, FromACommandIsNotReadWhenLoading) {
  Write("bin/show", "#!/bin/sh\necho ran >> \"$(dirname \"$0\")/ran\"\nprintf '%s\\n' \"$1\"\n", 0700);
  const Config config =
      Load(Write("config.json", Replace(kGoodConfig, kSource, R"({ "command": ["bin/show", "a  b"] })")));
  EXPECT_FALSE(std::filesystem::exists(Path("bin/ran")));
  EXPECT_EQ(ReadSecret(*config.accounts.at(0).auth.client_secret).Reveal(), "a  b");
  EXPECT_TRUE(std::filesystem::exists(Path("bin/ran")));
}

TEST_F(SecretTest, FromACommandWrittenAsAStringIsOneProgram) {
  Write("home/my tool", "#!/bin/sh\necho \"s3cr3t$#\"\n", 0700);
  EXPECT_EQ(LoadSecret(R"({ "command": "~/my tool" })"), "s3cr3t0");
  EXPECT_EQ(LoadError(R"({ "command": "pass show contoso" })"),
            ".command: is run as it is, not by a shell; write an array such as [\"pass\", \"show\", \"contoso\"]");
  EXPECT_EQ(LoadError(R"({ "command": "bin/none" })"),
            ".command: " + Path("bin/none") + " cannot be run: No such file or directory");
  const std::string empty =
      ".command: is empty; write the program and its arguments, for example [\"pass\", \"show\", \"contoso\"]";
  EXPECT_EQ(LoadError(R"({ "command": "" })"), empty);
  EXPECT_EQ(LoadError(R"({ "command": [] })"), empty);
  EXPECT_EQ(LoadError(R"({ "command": [""] })"), empty);
}

TEST_F(SecretTest, CommandMustBeAProgram) {
  Write("text", "#!/bin/sh\n", 0600);
  std::filesystem::create_directories(Path("bin/show"));
  EXPECT_EQ(LoadError(R"({ "command": ["./text"] })"),
            ".command: " + Path("./text") + " cannot be run: Permission denied");
  EXPECT_EQ(LoadError(R"({ "command": ["bin/show"] })"),
            ".command: " + Path("bin/show") + " cannot be run: Is a directory");
  EXPECT_EQ(LoadError(R"({ "command": ["/dev/null"] })"), ".command: /dev/null cannot be run: Permission denied");
  const std::string missing = ".command: there is no program show in PATH; install it, or write its whole path";
  EXPECT_EQ(LoadError(R"({ "command": ["show"] })"), missing);
  // Neither a directory nor an unreadable entry hides what comes later in PATH.
  SetEnvironment("PATH", Path("none") + ":" + Path("bin") + ":" + Path("text") + ":" + Path("later"));
  EXPECT_EQ(LoadError(R"({ "command": "show" })"), missing);
  Write("later/show", "#!/bin/sh\necho s3cr3t\n", 0700);
  EXPECT_EQ(LoadSecret(R"({ "command": "show" })"), "s3cr3t");
}

TEST_F(SecretTest, CommandMistakesNameThePlace) {
  const Config config = Load(Write("config.json", Replace(kGoodConfig, kSource, R"({ "command": ["true"] })")));
  EXPECT_EQ(ErrorOf([&] { ReadSecret(*config.accounts.at(0).auth.client_secret); }),
            "accounts.contoso.auth.client_secret (" + Path("config.json") +
                " line 10): the output of true is empty; put the secret there");
}

TEST_F(SecretTest, CommandFailuresAreNamed) {
  EXPECT_EQ(CommandError({"sh", "-c", "echo x; exit 3"}), "sh ended with status 3; try it by hand");
  EXPECT_EQ(CommandError({"sh", "-c", "kill -TERM $$"}), "sh was killed by signal 15; try it by hand");
  EXPECT_EQ(CommandError({"mailboxfs-no-such-program"}),
            "mailboxfs-no-such-program cannot be started: No such file or directory");
}

TEST_F(SecretTest, CommandThatNeverEndsIsKilledWithItsChildren) {
  const std::string script = "sleep 1000 & echo $! > " + Path("pid") + "; echo x; wait";
  pid_t pid = 0;
  // A busy machine may not even start the shell within the shortest limit.
  for (int limit = 1; limit <= 64 && pid == 0; limit *= 4) {
    EXPECT_EQ(CommandError({"sh", "-c", script}, std::chrono::seconds(limit)),
              "sh did not end within " + std::to_string(limit) +
                  " s and was killed; try it by hand, with its input from /dev/null");
    std::ifstream(Path("pid")) >> pid;
  }
  ASSERT_GT(pid, 0);
  // Nobody may have reaped it yet; a dead process has no command line.
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  std::string command = "?";
  while (!command.empty() && std::chrono::steady_clock::now() < end) {
    command.clear();
    std::ifstream("/proc/" + std::to_string(pid) + "/cmdline") >> command;
  }
  EXPECT_EQ(command, "");
}

TEST_F(SecretTest, CommandThatWritesTooMuchIsKilled) {
  EXPECT_EQ(CommandError({"yes"}), "yes wrote more than 65536 bytes and was killed; it must write only the secret");
  EXPECT_EQ(RunSecretCommand({"head", "-c", "65536", "/dev/zero"}, kSecretCommandLimit).Reveal().size(), 65536U);
}

TEST_F(SecretTest, CommandMayLeaveADaemonThatHoldsItsOutput) {
  const auto start = std::chrono::steady_clock::now();
  const base::Secret secret =
      RunSecretCommand({"sh", "-c", "sleep 20 & echo $! > " + Path("pid") + "; echo s3cr3t"}, kSecretCommandLimit);
  EXPECT_EQ(secret.Reveal(), "s3cr3t\n");
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(15));
  pid_t pid = 0;
  std::ifstream(Path("pid")) >> pid;
  ASSERT_GT(pid, 0);
  ::kill(pid, SIGKILL);
}

TEST_F(SecretTest, CommandMayCloseItsOutputEarly) {
  EXPECT_EQ(RunSecretCommand({"sh", "-c", "echo s3cr3t; exec >&-; read line; exit 0"}, kSecretCommandLimit).Reveal(),
            "s3cr3t\n");
}

TEST_F(SecretTest, CommandInheritsNothing) {
  sigset_t blocked, before;
  ::sigemptyset(&blocked);
  ::sigaddset(&blocked, SIGTERM);
  ASSERT_EQ(::pthread_sigmask(SIG_BLOCK, &blocked, &before), 0);
  const auto old_handler = ::signal(SIGPIPE, SIG_IGN);
  const int fd = ::open("/dev/null", O_RDONLY);  // NOLINT(android-cloexec-open): inheritable on purpose
  const std::string script = "sed -n 's/^SigBlk:.//p; s/^SigIgn:.//p' /proc/self/status; test -e /proc/self/fd/" +
                             std::to_string(fd) + " && echo leaked; true";
  const base::Secret output = RunSecretCommand({"sh", "-c", script}, kSecretCommandLimit);
  ::close(fd);
  ::signal(SIGPIPE, old_handler);
  ASSERT_EQ(::pthread_sigmask(SIG_SETMASK, &before, nullptr), 0);
  std::istringstream lines{std::string(output.Reveal())};
  uint64_t blocked_signals = 0, ignored_signals = 0;
  std::string rest;
  lines >> std::hex >> blocked_signals >> ignored_signals >> rest;
  EXPECT_EQ(blocked_signals, 0U);
  EXPECT_EQ(ignored_signals & (uint64_t{1} << (SIGPIPE - 1)), 0U);
  EXPECT_EQ(rest, "");
}

}  // namespace
}  // namespace mailboxfs::config
