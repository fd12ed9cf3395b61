#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <string>

#include "commands.h"
#include "mailboxfs/base/error.h"
#include "mailboxfs/base/fd.h"
#include "mailboxfs/base/log.h"
#include "mailboxfs/config/answers.h"
#include "mailboxfs/config/config.h"
#include "mailboxfs/json/json.h"
#include "questions.h"
#include "setup_steps.h"
#include "token_sources.h"

namespace mailboxfs::cli {
namespace {

using base::ErrnoError;
using base::Error;
using base::ErrorKind;
using base::Format;

// A value that was given as an option must be good at once; what was not given is asked for.
std::string Given(const std::optional<std::string>& value, std::string_view question, std::string_view option,
                  const AnswerCheck& check) {
  if (!value) return Ask(question, option, check);
  const std::string problem = check(*value);
  if (!problem.empty()) throw Error(ErrorKind::kConfig, Format("{}: {}", option, problem));
  return *value;
}

// "contoso" of contoso.onmicrosoft.com; a GUID makes no name.
std::string AccountName(const std::string& tenant, const std::string& provider) {
  const size_t dot = tenant.find('.');
  return dot == std::string::npos || dot == 0 ? provider : tenant.substr(0, dot);
}

std::string TargetPath(const std::optional<std::string>& given) {
  // fstab and systemd's service look in /etc.
  return given ? std::filesystem::absolute(*given).string() : config::PathForNew(::geteuid() == 0);
}

// A new file that nobody else can read, complete or not at all.
void WritePrivately(const std::string& path, std::string_view content) {
  const std::string temporary = path + ".new";
  ::unlink(temporary.c_str());
  base::UniqueFd fd(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  const auto fail = [&](int errnum) {
    ::unlink(temporary.c_str());
    throw Error(ErrorKind::kConfig,
                ErrnoError(ErrorKind::kConfig, Format("{} cannot be written", path), errnum).what());
  };
  if (!fd) fail(errno);
  while (!content.empty()) {
    const ssize_t written = ::write(fd.get(), content.data(), content.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail(errno);
    content.remove_prefix(static_cast<size_t>(written));
  }
  if (::fsync(fd.get()) != 0 || ::rename(temporary.c_str(), path.c_str()) != 0) fail(errno);
}

void MakeDirectoryOf(const std::string& path) {
  const std::filesystem::path directory = std::filesystem::path(path).parent_path();
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) throw Error(ErrorKind::kConfig, Format("{} cannot be made: {}", directory.string(), error.message()));
}

void RefuseToOverwrite(const std::string& path, bool replace) {
  if (::access(path.c_str(), F_OK) != 0) return;
  if (!replace) {
    throw Error(ErrorKind::kConfig,
                Format("{} exists; add the account there by hand (mailboxfs.conf(5) shows how), name another file with "
                       "-c, or give --replace, which keeps the old one as {}.old",
                       path, path));
  }
}

// What a person has said, and nothing written yet.
struct Answers {
  std::string tenant, client_id;
  json::Value proof;  // As the configuration has it; null: `typed_secret` gets a file of its own.
  std::string proof_key;
  base::Secret typed_secret;
  std::vector<std::string> mailboxes;
};

void AskProof(const SetupArguments& arguments, Answers* answers) {
  if (arguments.secret_file && arguments.certificate) {
    throw Error(ErrorKind::kConfig, "--secret-file and --certificate: give one of them");
  }
  answers->proof_key = arguments.certificate ? "certificate" : "client_secret";
  if (arguments.certificate) {
    answers->proof = std::filesystem::absolute(*arguments.certificate).string();
  } else if (arguments.secret_file) {
    answers->proof.Set("file", std::filesystem::absolute(*arguments.secret_file).string());
  } else {
    answers->typed_secret = AskSecret("Client secret's Value (it is not shown)", "--secret-file or --certificate",
                                      &config::ClientSecretProblem);
  }
}

std::vector<std::string> AskMailboxes(const std::vector<std::string>& given) {
  for (const std::string& mailbox : given) {
    const std::string problem = config::AddressProblem(mailbox);
    if (!problem.empty()) throw Error(ErrorKind::kConfig, "--mailbox: " + problem);
  }
  if (!given.empty()) return given;
  std::vector<std::string> mailboxes;
  mailboxes.push_back(Ask("Mailbox (its primary address)", "--mailbox", &config::AddressProblem));
  for (;;) {
    const auto check = [](std::string_view text) { return text.empty() ? "" : config::AddressProblem(text); };
    const std::string next = Ask("Another one (empty: no more)", "--mailbox", check);
    if (next.empty()) return mailboxes;
    mailboxes.push_back(next);
  }
}

Answers AskEverything(const SetupArguments& arguments) {
  Answers answers;
  answers.tenant =
      Given(arguments.tenant, "Directory (tenant) ID, or a domain of the tenant", "--tenant", &config::TenantProblem);
  answers.client_id = Given(arguments.client_id, "Application (client) ID", "--client-id", &config::ClientIdProblem);
  AskProof(arguments, &answers);
  answers.mailboxes = AskMailboxes(arguments.mailboxes);
  return answers;
}

json::Value MakeConfiguration(const std::string& provider, const std::string& name, const Answers& answers) {
  json::Value auth = json::Value::MakeObject();
  auth.Set("method", "client-credentials");
  auth.Set("tenant", answers.tenant);
  auth.Set("client_id", answers.client_id);
  auth.Set(answers.proof_key, answers.proof);
  json::Value mailboxes{json::Value::Array{}};
  for (const std::string& mailbox : answers.mailboxes) mailboxes.Append(mailbox);
  json::Value account = json::Value::MakeObject();
  account.Set("provider", provider);
  account.Set("auth", std::move(auth));
  account.Set("mailboxes", std::move(mailboxes));
  json::Value accounts = json::Value::MakeObject();
  accounts.Set(name, std::move(account));
  json::Value document = json::Value::MakeObject();
  document.Set("accounts", std::move(accounts));
  return document;
}

// PATH if there is nothing, else PATH.2, PATH.3, ...: what is there is somebody's.
std::string FreePath(const std::string& path) {
  std::string free = path;
  for (int i = 2; ::faccessat(AT_FDCWD, free.c_str(), F_OK, AT_SYMLINK_NOFOLLOW) == 0; ++i) {
    free = Format("{}.{}", path, i);
  }
  return free;
}

// Under a name that nobody has; the file stays if the process ends before the configuration names it, and hurts nobody.
std::string WriteSecret(const std::string& config_path, const std::string& name, const base::Secret& secret) {
  const std::filesystem::path directory = std::filesystem::path(config_path).parent_path();
  std::string path = FreePath((directory / (name + ".secret")).string());
  WritePrivately(path, secret.Reveal());
  std::printf("The secret is in %s.\n", path.c_str());
  return path;
}

// The old one has a second name before the new one takes its first.
void KeepOld(const std::string& path) {
  if (::access(path.c_str(), F_OK) != 0) return;
  const std::string old = FreePath(path + ".old");
  if (::link(path.c_str(), old.c_str()) != 0) {
    throw Error(ErrorKind::kConfig,
                ErrnoError(ErrorKind::kConfig, Format("{} cannot be kept as {}", path, old), errno).what());
  }
  std::printf("The old configuration is in %s.\n", old.c_str());
}

// "FILE:LINE: key: what is wrong" without a file that nobody has seen.
std::string WithoutPlace(const std::string& message, const std::string& file) {
  if (!message.starts_with(file + ":")) return message;
  const size_t end = message.find(": ", file.size());
  return end == std::string::npos ? message : message.substr(end + 2);
}

// What would be refused at the first mount is refused now.
void Install(const json::Value& document, const std::string& path) {
  const std::string draft = path + ".draft";
  WritePrivately(draft, json::Dump(document, 2) + "\n");
  try {
    CheckCredentials(config::Load(draft));
    KeepOld(path);
    if (::rename(draft.c_str(), path.c_str()) != 0) throw ErrnoError(ErrorKind::kConfig, path, errno);
  } catch (...) {
    const Error error = base::CurrentError();
    ::unlink(draft.c_str());
    throw Error(error.kind(), WithoutPlace(error.what(), draft));
  }
}

}  // namespace

int RunSetup(const SetupArguments& arguments) {
  base::InitLog({base::LogLevel::kError, true, false});
  if (!arguments.provider.starts_with("microsoft365")) {
    throw Error(
        ErrorKind::kConfig,
        Format("setup knows microsoft365 (and microsoft365-gcc-high, microsoft365-dod, microsoft365-china), not "
               "\"{}\"; mailboxfs.conf(5) shows the configurations of others",
               base::Printable(arguments.provider)));
  }
  const std::string path = TargetPath(arguments.config);
  RefuseToOverwrite(path, arguments.replace);
  MakeDirectoryOf(path);
  Answers answers = AskEverything(arguments);
  const std::string name = AccountName(answers.tenant, arguments.provider);
  if (answers.proof.IsNull()) answers.proof.Set("file", WriteSecret(path, name, answers.typed_secret));
  Install(MakeConfiguration(arguments.provider, name, answers), path);
  std::printf("The configuration is in %s.\n\n", path.c_str());
  const config::Config config = config::Load(path);
  PrintAdminSteps(config.accounts.front());
  std::printf("\nNow everything is checked; what is still missing is said with what to do:\n\n");
  std::fflush(stdout);
  return RunCheck({path, std::nullopt, {}, false});
}

}  // namespace mailboxfs::cli
