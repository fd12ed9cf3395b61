#include "report.h"

#include <optional>

#include "mailboxfs/base/log.h"

namespace mailboxfs::check {

std::string_view VerdictName(Verdict verdict) {
  switch (verdict) {
    case Verdict::kOk: return "ok";
    case Verdict::kInfo: return "info";
    case Verdict::kWarning: return "warning";
    case Verdict::kFailed: return "failed";
  }
  return "failed";
}

namespace {

std::optional<Exit> Known(base::ErrorKind kind) noexcept {
  using base::ErrorKind;
  switch (kind) {
    case ErrorKind::kConfig: return Exit::kConfig;
    case ErrorKind::kLoginRefused:
    case ErrorKind::kUnsupported: return Exit::kLogin;  // It does not pass; somebody must act.
    case ErrorKind::kNetwork:
    case ErrorKind::kTls:
    case ErrorKind::kTimeout:
    case ErrorKind::kThrottled:
    case ErrorKind::kServer:
    case ErrorKind::kProtocol: return Exit::kNetwork;
    default: return std::nullopt;
  }
}

}  // namespace

Exit ExitFor(base::ErrorKind kind) noexcept {
  // The mount that was asked is ending.
  if (kind == base::ErrorKind::kCancelled) return Exit::kNetwork;
  return Known(kind).value_or(Exit::kConfig);
}

int ExitCodeFor(base::ErrorKind kind) noexcept { return static_cast<int>(ExitFor(kind)); }

int CommandExitCodeFor(base::ErrorKind kind) noexcept {
  return static_cast<int>(Known(kind).value_or(Exit::kWarnings));
}

}  // namespace mailboxfs::check
