#include "clock_skew.h"

#include "http_date.h"
#include "mailboxfs/base/log.h"

namespace mailboxfs::oauth {

using std::chrono::seconds;

std::optional<seconds> ClockSkew(const net::HttpResponse& response, base::WallTime now) {
  if (!response.date) return std::nullopt;
  const std::optional<base::WallTime> theirs = ParseHttpDate(*response.date);
  if (!theirs) return std::nullopt;
  return std::chrono::round<seconds>(now - *theirs);
}

bool IsSkewed(const std::optional<seconds>& skew) { return skew && std::chrono::abs(*skew) > seconds(60); }

std::string DescribeSkew(seconds skew) {
  const int64_t all = std::chrono::abs(skew).count();
  std::string length = base::Format("{} s", all % 60);
  if (all >= 60) length = base::Format("{} min {}", all / 60 % 60, length);
  if (all >= 3600) length = base::Format("{} h {}", all / 3600, length);
  return base::Format("this machine's clock is {} {} the endpoint's", length,
                      skew < seconds(0) ? "behind" : "ahead of");
}

}  // namespace mailboxfs::oauth
