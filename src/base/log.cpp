#include "mailboxfs/base/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/sinks/syslog_sink.h>
#include <spdlog/spdlog.h>
#include <syslog.h>

#include <array>
#include <atomic>
#include <memory>
#include <vector>

#include "mailboxfs/base/error.h"

namespace mailboxfs::base {
namespace {

constexpr std::array<std::string_view, 6> kLevelNames = {"trace", "debug", "info", "warning", "error", "off"};

std::atomic<LogLevel> g_level{LogLevel::kInfo};
std::atomic<std::shared_ptr<spdlog::logger>> g_logger;

spdlog::level::level_enum ToSpdlog(LogLevel level) {
  switch (level) {
    case LogLevel::kTrace: return spdlog::level::trace;
    case LogLevel::kDebug: return spdlog::level::debug;
    case LogLevel::kInfo: return spdlog::level::info;
    case LogLevel::kWarning: return spdlog::level::warn;
    case LogLevel::kError: return spdlog::level::err;
    case LogLevel::kOff: return spdlog::level::off;
  }
  return spdlog::level::off;
}

}  // namespace

void InitLog(const LogOptions& options) {
  std::vector<spdlog::sink_ptr> sinks;
  if (options.to_stderr) {
    auto sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
    sink->set_pattern("%Y-%m-%d %H:%M:%S.%e %l: %v");
    sinks.push_back(std::move(sink));
  }
  if (options.to_syslog) {
    sinks.push_back(std::make_shared<spdlog::sinks::syslog_sink_mt>("mailboxfs", LOG_PID, LOG_DAEMON, false));
  }
  auto logger = std::make_shared<spdlog::logger>("mailboxfs", sinks.begin(), sinks.end());
  logger->set_level(spdlog::level::trace);
  logger->flush_on(spdlog::level::trace);
  g_level = options.level;
  g_logger = std::move(logger);
}

void SetLogLevel(LogLevel level) { g_level = level; }

LogLevel ParseLogLevel(std::string_view name) {
  for (size_t i = 0; i < kLevelNames.size(); ++i) {
    if (kLevelNames[i] == name) return static_cast<LogLevel>(i);
  }
  throw Error(ErrorKind::kConfig,
              Format("unknown log level \"{}\"; use trace, debug, info, warning, error or off", name));
}

bool LogEnabled(LogLevel level) noexcept { return level >= g_level.load(std::memory_order_relaxed); }

void WriteLog(LogLevel level, std::string_view line) noexcept {
  const std::shared_ptr<spdlog::logger> logger = g_logger.load();
  if (logger) logger->log(ToSpdlog(level), spdlog::string_view_t(line.data(), line.size()));
}

std::string CountOf(uint64_t number, std::string_view noun) {
  if (number != 1 && noun.ends_with('y')) return Format("{} {}ies", number, noun.substr(0, noun.size() - 1));
  const std::string_view ending = number == 1 ? "" : noun.ends_with('x') ? "es" : "s";
  return Format("{} {}{}", number, noun, ending);
}

}  // namespace mailboxfs::base
