#pragma once

#include <fmt/core.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace mailboxfs::base {

enum class LogLevel { kTrace, kDebug, kInfo, kWarning, kError, kOff };

struct LogOptions {
  LogLevel level = LogLevel::kInfo;
  bool to_stderr = true;   // Foreground, and under systemd (journald reads it).
  bool to_syslog = false;  // Background.
};

// Sets up logging for the process; call before threads start, again after fork.
void InitLog(const LogOptions& options);
void SetLogLevel(LogLevel level);
// "trace", "debug", "info", "warning", "error", "off"; throws Error(kConfig).
LogLevel ParseLogLevel(std::string_view name);
bool LogEnabled(LogLevel level) noexcept;
void WriteLog(LogLevel level, std::string_view line) noexcept;

// Thread-safe. Never pass secrets; server text goes through Printable() first.
template <typename... Args>
void Log(LogLevel level, fmt::format_string<Args...> format, Args&&... args) {
  if (LogEnabled(level)) WriteLog(level, fmt::format(format, std::forward<Args>(args)...));
}
template <typename... Args>
void LogTrace(fmt::format_string<Args...> format, Args&&... args) {
  Log(LogLevel::kTrace, format, std::forward<Args>(args)...);
}
template <typename... Args>
void LogDebug(fmt::format_string<Args...> format, Args&&... args) {
  Log(LogLevel::kDebug, format, std::forward<Args>(args)...);
}
template <typename... Args>
void LogInfo(fmt::format_string<Args...> format, Args&&... args) {
  Log(LogLevel::kInfo, format, std::forward<Args>(args)...);
}
template <typename... Args>
void LogWarning(fmt::format_string<Args...> format, Args&&... args) {
  Log(LogLevel::kWarning, format, std::forward<Args>(args)...);
}
template <typename... Args>
void LogError(fmt::format_string<Args...> format, Args&&... args) {
  Log(LogLevel::kError, format, std::forward<Args>(args)...);
}

// fmt under the project's name, so that fmt's headers are included here only.
template <typename... Args>
std::string Format(fmt::format_string<Args...> format, Args&&... args) {
  return fmt::format(format, std::forward<Args>(args)...);
}

// "1 mailbox", "2 mailboxes", "0 messages", "3 bodies".
std::string CountOf(uint64_t number, std::string_view noun);

}  // namespace mailboxfs::base
