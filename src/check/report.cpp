#include "report.h"

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

Exit ExitFor(base::ErrorKind kind) {
  using base::ErrorKind;
  switch (kind) {
    case ErrorKind::kConfig: return Exit::kConfig;
    case ErrorKind::kLoginRefused: return Exit::kLogin;
    case ErrorKind::kNetwork:
    case ErrorKind::kTls:
    case ErrorKind::kTimeout:
    case ErrorKind::kThrottled:
    case ErrorKind::kServer:
    case ErrorKind::kProtocol:
    case ErrorKind::kUnsupported: return Exit::kNetwork;
    default: return Exit::kWarnings;
  }
}

int ExitCodeFor(base::ErrorKind kind) noexcept { return static_cast<int>(ExitFor(kind)); }

std::string Count(size_t number, std::string_view noun) {
  const std::string_view ending = number == 1 ? "" : noun.ends_with('x') ? "es" : "s";
  return base::Format("{} {}{}", number, noun, ending);
}

}  // namespace mailboxfs::check
