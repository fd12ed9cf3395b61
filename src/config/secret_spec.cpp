#include <algorithm>
#include <array>

#include "checks.h"
#include "file_checks.h"
#include "mailboxfs/base/error.h"
#include "mailboxfs/base/log.h"
#include "mailboxfs/config/answers.h"
#include "paths.h"
#include "secret_source.h"

namespace mailboxfs::config {

using base::Error;

namespace {

constexpr std::string_view kSources = "\"file\", \"env\", \"command\" or \"credential\"";

std::string ResolveOrFail(const Node& node, std::string_view path) {
  try {
    return ResolvePath(path, node.file().directory);
  } catch (const Error& error) {
    node.Fail(error.what());
  }
}

bool IsVariableName(std::string_view name) {
  const auto ok = [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
  };
  return !name.empty() && !(name[0] >= '0' && name[0] <= '9') && std::all_of(name.begin(), name.end(), ok);
}

std::string WhereOf(const Node& node) {
  return base::Format("{} ({} line {})", node.path(), node.file().path, node.line());
}

// The one member of the object, with its kind set in `spec`.
Node ParseSource(const Node& node, SecretSpec* spec) {
  std::vector<Node> sources = node.Children();
  sources.erase(std::remove_if(sources.begin(), sources.end(), [](const Node& n) { return n.value().IsNull(); }),
                sources.end());
  if (sources.empty()) node.Fail(base::Format("names no source; write one of {}", kSources));
  if (sources.size() > 1) node.Fail(base::Format("names {} sources; keep one of them", sources.size()));
  Node source = std::move(sources[0]);
  if (source.key() == "command") {
    spec->kind = SecretSpec::Kind::kCommand;
    spec->command = ParseCommand(source);
    return source;
  }
  const std::string& value = source.Text();
  if (source.key() == "file") {
    spec->kind = SecretSpec::Kind::kFile;
    spec->value = ResolveOrFail(source, value);
  } else if (source.key() == "env") {
    // The text is not shown: it may be the secret itself, by mistake.
    if (!IsVariableName(value)) {
      source.Fail("is no name of an environment variable; write the name, not the secret itself");
    }
    spec->kind = SecretSpec::Kind::kEnvironment;
    spec->value = value;
  } else {
    if (value.find('/') != std::string::npos || !DirectoryNameProblem(value).empty()) {
      source.Fail("is no name of a credential; write the name given to LoadCredential= in the service file");
    }
    spec->kind = SecretSpec::Kind::kCredential;
    spec->value = value;
  }
  return source;
}

}  // namespace

std::vector<std::string> ParseCommand(const Node& node) {
  std::vector<std::string> argv;
  if (const std::string* program = node.value().AsString()) {
    argv.push_back(*program);
  } else {
    for (const Node& word : node.Children()) argv.push_back(word.Text());
  }
  if (argv.empty() || argv[0].empty()) {
    node.Fail("is empty; write the program and its arguments, for example [\"pass\", \"show\", \"contoso\"]");
  }
  // As in a shell, a name without a slash is looked for in PATH.
  if (argv[0].find('/') != std::string::npos) {
    argv[0] = ResolveOrFail(node, argv[0]);
  } else if (HasSpace(argv[0])) {
    node.Fail("is run as it is, not by a shell; write an array such as [\"pass\", \"show\", \"contoso\"]");
  }
  if (const std::string problem = ProgramProblem(argv[0]); !problem.empty()) node.Fail(problem);
  return argv;
}

SecretSpec ParseSecretFile(const Node& node, bool lines, bool shared) {
  SecretSpec spec;
  spec.where = WhereOf(node);
  spec.value = ResolveOrFail(node, node.Text());
  spec.lines = lines;
  spec.shared = shared;
  try {
    ReadSecretUnplaced(spec);
  } catch (const Error& error) {
    node.Fail(error.what());
  }
  return spec;
}

SecretSpec ParseSecret(const Node& node, SecretRules rules) {
  SecretSpec spec;
  spec.lines = rules.lines;
  spec.where = WhereOf(node);
  Node source = node;
  if (const std::string* literal = node.value().AsString()) {
    if (!node.file().literal_problem.empty()) {
      node.Fail(
          base::Format("is a secret written into a file that is not private ({}); run: chmod 600 {}, or write "
                       "{{ \"file\": ... }}",
                       node.file().literal_problem, node.file().path));
    }
    spec.kind = SecretSpec::Kind::kLiteral;
    spec.literal = base::Secret(*literal);
  } else {
    source = ParseSource(node, &spec);
  }
  if (spec.kind == SecretSpec::Kind::kCommand) return spec;
  base::Secret secret;
  try {
    secret = ReadSecretUnplaced(spec);
  } catch (const Error& error) {
    source.Fail(error.what());
  }
  if (rules.never_guid && LooksLikeGuid(secret.Reveal())) {
    source.Fail("holds a GUID: that is the secret's ID, which cannot log in; use what the portal calls its Value");
  }
  return spec;
}

}  // namespace mailboxfs::config
