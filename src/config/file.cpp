#include "file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>

#include "mailboxfs/base/error.h"
#include "mailboxfs/base/fd.h"
#include "mailboxfs/base/log.h"
#include "paths.h"

namespace mailboxfs::config {

using base::Error;
using base::ErrorKind;

namespace {

constexpr size_t kMaxFileSize = size_t{16} << 20;

std::string ReadAll(int fd, const std::string& path) {
  std::string text;
  char buffer[16384];
  for (;;) {
    const ssize_t got = ::read(fd, buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw ErrnoError(ErrorKind::kConfig, base::Format("{}: cannot be read", path), errno);
    if (got == 0) return text;
    text.append(buffer, static_cast<size_t>(got));
    if (text.size() > kMaxFileSize) {
      throw Error(ErrorKind::kConfig,
                  base::Format("{}: is larger than 16 MiB; name a configuration file with -c", path));
    }
  }
}

std::string LiteralProblem(const struct stat& status) {
  if (!S_ISREG(status.st_mode)) return "it is no regular file";
  if (status.st_uid != ::geteuid() && status.st_uid != 0) {
    return base::Format("it belongs to user {}, neither to you nor to root", status.st_uid);
  }
  if ((status.st_mode & 0177U) != 0) return base::Format("its mode is {:04o}, not 0600", status.st_mode & 07777U);
  return {};
}

// json::Parse's "line N: what" as "FILE:N: what".
json::Value ParseText(const std::string& path, std::string_view text) {
  try {
    return json::Parse(text, {.allow_comments = true});
  } catch (const Error& error) {
    const std::string_view message = error.what();
    const size_t colon = message.find(": ");
    constexpr std::string_view kLine = "line ";
    if (message.substr(0, kLine.size()) != kLine || colon == std::string_view::npos) throw error.WithContext(path);
    throw Error(ErrorKind::kConfig, base::Format("{}:{}: {}", path, message.substr(kLine.size(), colon - kLine.size()),
                                                 message.substr(colon + 2)));
  }
}

}  // namespace

File ReadFile(const std::string& path) {
  File file;
  file.path = MakeAbsolute(path);
  file.directory = file.path.substr(0, file.path.rfind('/') + 1);
  const base::UniqueFd fd(::open(file.path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) {
    if (errno == ENOENT) {
      throw Error(ErrorKind::kConfig, base::Format("{}: there is no such configuration file; \"mailboxfs setup "
                                                   "microsoft365\" writes one, mailboxfs.conf(5) says what is in it, "
                                                   "-c names another one",
                                                   file.path));
    }
    throw ErrnoError(ErrorKind::kConfig, base::Format("{}: cannot be opened", file.path), errno);
  }
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0) {
    throw ErrnoError(ErrorKind::kConfig, base::Format("{}: cannot be examined", file.path), errno);
  }
  if (S_ISDIR(status.st_mode)) {
    throw Error(ErrorKind::kConfig, base::Format("{}: is a directory; name the configuration file in it", file.path));
  }
  file.literal_problem = LiteralProblem(status);
  std::string text = ReadAll(fd.get(), file.path);
  file.root = ParseText(file.path, text);
  return file;
}

std::string Quote(std::string_view text) {
  constexpr size_t kLimit = 100;
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (out.size() >= kLimit && (byte & 0xC0U) != 0x80U) return out + "...";
    out += byte < 0x20 || byte == 0x7f ? '?' : c;
  }
  return out;
}

}  // namespace mailboxfs::config
