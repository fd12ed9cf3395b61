#include "host.h"

#include <algorithm>
#include <string>

#include "advice.h"
#include "mailboxfs/base/encoding.h"
#include "mailboxfs/base/log.h"

namespace mailboxfs::check {
namespace {

using net::ReachReport;
using ReachLayer = ReachReport::Layer;

constexpr size_t kShownAddresses = 6;

std::string Addresses(const ReachReport& report, const std::string& host) {
  if (report.addresses.empty()) return host + " is left to the proxy to find";
  std::string text = host + " is ";
  for (size_t i = 0; i < report.addresses.size() && i < kShownAddresses; ++i) {
    text += (i == 0 ? "" : ", ") + report.addresses[i];
  }
  const size_t more = report.addresses.size() - std::min(report.addresses.size(), kShownAddresses);
  return more == 0 ? text : base::Format("{} and {} more", text, more);
}

std::string Connection(const ReachReport& report, const net::Endpoint& endpoint) {
  const std::string place = base::Format("{} port {} answers", endpoint.host, endpoint.port);
  if (!report.proxy.empty()) return base::Format("{}, through the proxy {}", place, report.proxy);
  return report.address.empty() ? place : base::Format("{} at {}", place, report.address);
}

std::string Certificate(const ReachReport& report) {
  if (report.subject.empty()) return "";
  return base::Format("; certificate of {}, issued by {}, valid until {}", report.subject, report.issuer,
                      report.not_after);
}

std::string_view CauseOf(const base::Error& error, ReachLayer layer) {
  if (layer == ReachLayer::kDns) return "dns";
  if (error.kind() == base::ErrorKind::kTimeout) return "timeout";
  return layer == ReachLayer::kTls && error.kind() == base::ErrorKind::kTls ? "tls" : "connection";
}

std::string_view LayerName(ReachLayer layer) {
  switch (layer) {
    case ReachLayer::kDns: return "dns";
    case ReachLayer::kConnection: return "connection";
    default: return "tls";
  }
}

// Whether a certificate is that of a proxy in between cannot be known; who signed it can be shown.
std::string TlsAdvice(const ReachReport& report) {
  if (report.issuer.empty()) return "";
  return base::Format(
      "\nIts certificate was issued by {}. If that is a proxy of yours that inspects TLS, or a CA of your own, put "
      "that CA into \"ca_file\".",
      report.issuer);
}

void Fail(Subject& subject, std::string_view prefix, const ReachReport& report, const config::Account& account,
          const Facts& facts) {
  const base::Error error =
      report.error.value_or(base::Error(base::ErrorKind::kInternal, "it ended here without a reason"));
  const std::string_view cause = CauseOf(error, report.failed_at);
  std::string evidence = error.what();
  if (!report.proxy.empty()) evidence += ", through the proxy " + report.proxy;
  if (report.failed_at == ReachLayer::kTls) evidence += Certificate(report);
  std::string advice = AdviceFor(cause, account, facts);
  if (cause == "tls") advice += TlsAdvice(report);
  subject.Fail(base::Format("{}-{}", prefix, LayerName(report.failed_at)), cause, ExitFor(error.kind()), evidence,
               advice);
}

}  // namespace

bool CheckHost(const Context& context, Subject& subject, std::string_view prefix, const net::Endpoint& endpoint,
               const config::Account& account, Facts facts) {
  context.ThrowIfCancelled();
  facts.Set("host", endpoint.host);
  facts.Set("port", std::to_string(endpoint.port));
  const std::string host = base::Printable(endpoint.host);
  const ReachReport report = context.means.reach(endpoint, context.In(context.config.timeouts.connect), context.wake);
  const auto id = [&](std::string_view layer) { return base::Format("{}-{}", prefix, layer); };
  if (report.failed_at != ReachLayer::kDns) subject.Ok(id("dns"), Addresses(report, host));
  if (report.failed_at > ReachLayer::kConnection) subject.Ok(id("connection"), Connection(report, endpoint));
  if (report.failed_at != ReachLayer::kDone) {
    Fail(subject, prefix, report, account, facts);
    return false;
  }
  const bool plain = endpoint.tls == net::Tls::kNone;
  subject.Ok(id("tls"), plain ? "none, as it is on this machine"
                              : (report.tls.empty() ? "TLS" : report.tls) + Certificate(report));
  // What listens on this machine need not have both.
  const bool local = report.address.starts_with("127.") || plain;
  if (!report.ipv6_problem.empty() && !local) {
    subject.Info(id("ipv6"), "only IPv4 works: " + report.ipv6_problem,
                 "The host has IPv6 addresses, and they do not answer from here. That costs a fraction of a second for "
                 "each connection.");
  }
  return true;
}

}  // namespace mailboxfs::check
