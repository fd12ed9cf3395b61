#include "libfuse_log.h"

#include <fuse3/fuse_lowlevel.h>

#include <array>
#include <cstdarg>
#include <cstdio>
#include <string_view>

#include "mailboxfs/base/encoding.h"
#include "mailboxfs/base/log.h"

namespace mailboxfs::fuse {
namespace {

thread_local std::string* t_capture = nullptr;

base::LogLevel LevelOf(fuse_log_level level) {
  if (level <= FUSE_LOG_ERR) return base::LogLevel::kError;
  if (level <= FUSE_LOG_WARNING) return base::LogLevel::kWarning;
  return level == FUSE_LOG_DEBUG ? base::LogLevel::kDebug : base::LogLevel::kInfo;
}

__attribute__((format(printf, 2, 0))) void OnLog(fuse_log_level level, const char* format, va_list arguments) {
  std::array<char, 1024> text{};
  if (std::vsnprintf(text.data(), text.size(), format, arguments) < 0) return;
  std::string_view line(text.data());
  if (t_capture != nullptr) {
    t_capture->append(line);
    return;
  }
  while (!line.empty() && line.back() == '\n') line.remove_suffix(1);
  base::Log(LevelOf(level), "libfuse: {}", base::Printable(line, text.size()));
}

}  // namespace

LibfuseLogCapture::LibfuseLogCapture() {
  fuse_set_log_func(OnLog);
  t_capture = &text_;
}

LibfuseLogCapture::~LibfuseLogCapture() { t_capture = nullptr; }

std::string LibfuseLogCapture::text() const {
  constexpr std::string_view kPrefix = "fuse: ";
  std::string line;
  size_t start = 0;
  while (start < text_.size()) {
    const size_t end = std::min(text_.find('\n', start), text_.size());
    std::string_view part(text_.data() + start, end - start);
    if (part.substr(0, kPrefix.size()) == kPrefix) part.remove_prefix(kPrefix.size());
    if (!line.empty() && !part.empty()) line.append("; ");
    line.append(part);
    start = end + 1;
  }
  return base::Printable(line, 1024);
}

}  // namespace mailboxfs::fuse
