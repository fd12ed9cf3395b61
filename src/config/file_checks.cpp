#include "file_checks.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string_view>
#include <system_error>

#include "file.h"
#include "mailboxfs/base/error.h"
#include "mailboxfs/base/fd.h"
#include "mailboxfs/base/log.h"

namespace mailboxfs::config {

namespace {

std::string ErrnoText(std::string_view what, int errnum) {
  return base::ErrnoError(base::ErrorKind::kConfig, what, errnum).what();
}

std::string ReadableFileProblem(const std::string& path) {
  // Non-blocking, so that a pipe cannot hold us up before it is recognised.
  const base::UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd) return ErrnoText(base::Format("{} cannot be read", path), errno);
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0 || !S_ISREG(status.st_mode)) return base::Format("{} is no regular file", path);
  if (status.st_size == 0) return base::Format("{} is empty", path);
  return {};
}

// 0, or why this file cannot be run.
int ExecutableErrno(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return errno;
  if (S_ISDIR(status.st_mode)) return EISDIR;
  if (!S_ISREG(status.st_mode)) return EACCES;
  return ::access(path.c_str(), X_OK) == 0 ? 0 : errno;
}

std::filesystem::path RealPath(const std::string& directory) {
  std::error_code error;
  std::filesystem::path path = std::filesystem::weakly_canonical(directory, error);
  if (error) path = std::filesystem::path(directory).lexically_normal();
  // "a/" has an empty last part.
  return path.has_filename() || path == path.root_path() ? path : path.parent_path();
}

bool IsInside(const std::filesystem::path& inner, const std::filesystem::path& outer) {
  return std::mismatch(outer.begin(), outer.end(), inner.begin(), inner.end()).first == outer.end();
}

}  // namespace

std::string CertificateFileProblem(const std::string& path) {
  if (std::string problem = ReadableFileProblem(path); !problem.empty()) return problem;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    // The three names that OpenSSL takes.
    for (const char* name : {"CERTIFICATE", "TRUSTED CERTIFICATE", "X509 CERTIFICATE"}) {
      if (line.starts_with(base::Format("-----BEGIN {}-----", name))) return {};
    }
  }
  return base::Format("{} holds no certificate (-----BEGIN CERTIFICATE-----)", path);
}

std::string ProgramProblem(const std::string& program) {
  if (program.find('/') != std::string::npos) {
    const int errnum = ExecutableErrno(program);
    return errnum == 0 ? "" : ErrnoText(base::Format("{} cannot be run", Quote(program)), errnum);
  }
  const char* variable = std::getenv("PATH");
  std::string_view rest = variable == nullptr ? "/bin:/usr/bin" : variable;
  while (true) {
    const std::string_view directory = rest.substr(0, rest.find(':'));
    if (ExecutableErrno(base::Format("{}{}{}", directory, directory.empty() ? "" : "/", program)) == 0) return {};
    if (directory.size() == rest.size()) break;
    rest.remove_prefix(directory.size() + 1);
  }
  return base::Format("there is no program {} in PATH; install it, or write its whole path", Quote(program));
}

Relation RelateDirectories(const std::string& first, const std::string& second) {
  const std::filesystem::path a = RealPath(first);
  const std::filesystem::path b = RealPath(second);
  if (a == b) return Relation::kSame;
  if (IsInside(a, b)) return Relation::kFirstInside;
  return IsInside(b, a) ? Relation::kSecondInside : Relation::kApart;
}

}  // namespace mailboxfs::config
