#include "managed_identity.h"

#include <algorithm>
#include <array>
#include <utility>

#include "endpoint.h"
#include "mailboxfs/base/encoding.h"
#include "mailboxfs/base/error.h"
#include "mailboxfs/base/log.h"
#include "wait.h"

namespace mailboxfs::oauth {
namespace {

using base::Error;
using base::ErrorKind;
using std::chrono::seconds;

// Where there is no such service nobody answers at all.
constexpr seconds kMaxTry{10};
constexpr std::array<seconds, 5> kRetryWaits = {seconds(0), seconds(2), seconds(6), seconds(14), seconds(30)};

std::string MetadataUrl(const ManagedIdentity& grant) {
  std::string url = grant.endpoint;
  url += url.find('?') == std::string::npos ? '?' : '&';
  url += "api-version=2018-02-01&resource=" + base::PercentEncode(grant.resource);
  if (grant.identity) {
    url += "&" + base::PercentEncode(grant.identity->first) + "=" + base::PercentEncode(grant.identity->second);
  }
  return url;
}

// Not ready yet, busy, or (410) being updated for up to 70 s.
bool IsWorthARetry(const TokenFailure& failure) {
  if (!failure.refusal) return false;
  const long status = failure.refusal->http_status;
  return status == 404 || status == 410 || status == 429 || status >= 500;
}

std::string AdviseOnIdentity(const TokenRefusal& refusal) {
  if (refusal.http_status == 404 || refusal.http_status == 410) {
    return "this machine has no managed identity, or not yet: switch it on (Azure portal: the machine, Identity)";
  }
  if (refusal.http_status / 100 == 4 && refusal.http_status != 429) {
    return "assign the identity to this machine (Azure portal: the machine, Identity), and check \"resource\", and "
           "\"client_id\", \"object_id\" or \"resource_id\" if it has several";
  }
  return "";
}

}  // namespace

ManagedIdentityRequest::ManagedIdentityRequest(ManagedIdentity grant, net::HttpClient& http, const base::Clock& clock)
    : grant_(std::move(grant)), url_(MetadataUrl(grant_)), http_(http), clock_(clock) {}

TokenAnswer ManagedIdentityRequest::Ask(const base::Deadline& deadline, const base::WakeEvent& wake) {
  for (;;) {
    TokenAnswer answer = AskOnce(deadline, wake);
    auto* failure = std::get_if<TokenFailure>(&answer.outcome);
    if (failure == nullptr || !IsWorthARetry(*failure)) {
      retries_ = 0;
      return answer;
    }
    base::Duration wait = kRetryWaits[std::min(retries_++, kRetryWaits.size() - 1)];
    if (failure->pause == Pause::kFixed) wait = std::max(wait, failure->length);
    const base::MonoTime again = clock_.Now() + wait;
    if (deadline.Passed(again)) {
      failure->pause = Pause::kFixed;
      failure->length = wait;
      return answer;
    }
    base::LogDebug("{}; asking again", failure->error.what());
    WaitUntil(again, deadline, wake, clock_, "waiting for a managed identity's token");
  }
}

TokenAnswer ManagedIdentityRequest::AskOnce(const base::Deadline& deadline, const base::WakeEvent& wake) const {
  Question question;
  question.purpose = "get a managed identity's token from";
  question.method = net::HttpRequest::Method::kGet;
  question.url = url_;
  question.headers = {{"Metadata", "true"}};
  question.direct = true;
  question.advise = &AdviseOnIdentity;
  const base::Deadline limit = base::Deadline::After(clock_, kMaxTry);
  try {
    return AskForToken(question, http_, clock_, deadline.Min(limit), wake);
  } catch (const Error& error) {
    const bool silent =
        error.kind() == ErrorKind::kNetwork || (error.kind() == ErrorKind::kTimeout && limit.when() < deadline.when());
    if (!silent) throw;
    return {TokenFailure{Error(error.kind(), base::Format("{}; this machine has no managed identity, or its metadata "
                                                          "service is not reachable: use this \"method\" on an Azure "
                                                          "machine that has one (Azure portal: the machine, Identity)",
                                                          error.what())),
                         Pause::kBackoff}};
  }
}

}  // namespace mailboxfs::oauth
