#include "mailboxfs/net/reach.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <future>
#include <memory>

#include "net_testing.h"

namespace mailboxfs::net {
namespace {

using base::ErrorKind;
using testing::Certificates;
using testing::ClosedPort;
using ::testing::Contains;
using testing::ErrorOf;
using ::testing::HasSubstr;
using testing::In;
using ::testing::IsEmpty;
using ::testing::Not;
using testing::ScopedEnvironment;
using testing::Soon;
using testing::TcpServer;
using testing::TlsServers;
using Layer = ReachReport::Layer;

class ReachTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    InitNetwork();
    certificates_ = std::make_unique<Certificates>();
    servers_ = std::make_unique<TlsServers>(
        *certificates_,
        std::vector<std::string>{"good:echo", "good:tls11", "wrong:echo", "expired:echo", "proxied:echo"});
  }
  static void TearDownTestSuite() {
    servers_.reset();
    certificates_.reset();
  }

  static Endpoint To(uint16_t port, const std::string& host = "127.0.0.1", const std::string& ca = "ca.pem") {
    return {host, port, Tls::kImplicit, certificates_->Path(ca)};
  }
  ReachReport Run(const Endpoint& endpoint) { return Reach(endpoint, Soon(), wake_); }

  static std::unique_ptr<Certificates> certificates_;
  static std::unique_ptr<TlsServers> servers_;
  base::WakeEvent wake_;
};

std::unique_ptr<Certificates> ReachTest::certificates_;
std::unique_ptr<TlsServers> ReachTest::servers_;

TEST_F(ReachTest, TellsAddressVersionAndCertificate) {
  const ReachReport report = Run(To(servers_->port("good:echo"), "localhost"));
  EXPECT_EQ(report.failed_at, Layer::kDone) << report.error->what();
  EXPECT_THAT(report.addresses, Contains("127.0.0.1"));
  EXPECT_EQ(report.address, "127.0.0.1");
  EXPECT_EQ(report.tls, "TLSv1.3");
  EXPECT_THAT(report.subject, HasSubstr("CN"));
  EXPECT_THAT(report.issuer, HasSubstr("CN"));
  EXPECT_THAT(report.not_after, HasSubstr("GMT"));
  EXPECT_THAT(report.proxy, IsEmpty());
}

// The server listens on 127.0.0.1 only.
TEST_F(ReachTest, TellsThatOnlyIPv6Fails) {
  const ReachReport report = Run(To(servers_->port("good:echo"), "localhost"));
  const bool has_v6 = std::find(report.addresses.begin(), report.addresses.end(), "::1") != report.addresses.end();
  EXPECT_EQ(report.ipv6_problem.empty(), !has_v6) << report.ipv6_problem;
  EXPECT_THAT(Run(To(servers_->port("good:echo"))).ipv6_problem, IsEmpty()) << "there is no IPv6 address";
}

TEST_F(ReachTest, WithoutTls) {
  TcpServer server([](int fd) { testing::ReceiveUntil(fd, "\n"); });
  const ReachReport report = Run({"127.0.0.1", server.port(), Tls::kNone, std::nullopt});
  EXPECT_EQ(report.failed_at, Layer::kDone);
  EXPECT_THAT(report.tls, IsEmpty());
  EXPECT_EQ(ErrorOf([&] { Run({"192.0.2.1", 143, Tls::kNone, std::nullopt}); }).kind(), ErrorKind::kConfig);
}

TEST_F(ReachTest, NameThatIsUnknown) {
  const ReachReport report = Run({"nothing.invalid", 993, Tls::kImplicit, std::nullopt});
  EXPECT_EQ(report.failed_at, Layer::kDns) << report.error->what();
  EXPECT_EQ(report.error->kind(), ErrorKind::kNetwork);
}

TEST_F(ReachTest, PortWhereNobodyListens) {
  const ReachReport report = Run(To(ClosedPort()));
  EXPECT_EQ(report.failed_at, Layer::kConnection);
  EXPECT_EQ(report.error->kind(), ErrorKind::kNetwork);
  EXPECT_THAT(report.addresses, Contains("127.0.0.1"));
}

TEST_F(ReachTest, IssuerOfACertificateThatIsNotAccepted) {
  const ReachReport good = Run(To(servers_->port("good:echo")));
  const ReachReport report = Run(To(servers_->port("good:echo"), "127.0.0.1", "other-ca.pem"));
  EXPECT_EQ(report.failed_at, Layer::kTls);
  EXPECT_EQ(report.error->kind(), ErrorKind::kTls);
  EXPECT_EQ(report.issuer, good.issuer);
  EXPECT_EQ(report.not_after, good.not_after);
}

TEST_F(ReachTest, OtherTlsTrouble) {
  for (const char* server : {"wrong:echo", "expired:echo", "good:tls11"}) {
    const ReachReport report = Run(To(servers_->port(server)));
    EXPECT_EQ(report.failed_at, Layer::kTls) << server;
    EXPECT_EQ(report.error->kind(), ErrorKind::kTls) << server;
  }
  EXPECT_THAT(Run(To(servers_->port("wrong:echo"))).subject, HasSubstr("CN"));
}

TEST_F(ReachTest, ServerThatDoesNotSpeakTls) {
  TcpServer server([](int fd) { testing::SendAll(fd, "* OK IMAP4 ready\r\n"); });
  const ReachReport report = Run(To(server.port()));
  EXPECT_EQ(report.failed_at, Layer::kTls);
  EXPECT_THAT(report.error->what(), HasSubstr("does not speak TLS"));
}

TEST_F(ReachTest, ServerThatHangsUpDuringTheHandshake) {
  TcpServer server([](int fd) { testing::ReceiveUntil(fd, "\x01"); });
  const ReachReport report = Run(To(server.port()));
  EXPECT_EQ(report.failed_at, Layer::kTls);
  EXPECT_EQ(report.error->kind(), ErrorKind::kNetwork);
}

TEST_F(ReachTest, ServerThatStallsTheHandshake) {
  std::promise<void> done;
  TcpServer server([future = done.get_future().share()](int /*fd*/) { future.wait(); });
  const ReachReport report = Reach(To(server.port()), In(std::chrono::milliseconds(200)), wake_);
  done.set_value();
  EXPECT_EQ(report.failed_at, Layer::kTls);
  EXPECT_EQ(report.error->kind(), ErrorKind::kTimeout);
}

TEST_F(ReachTest, WakeEndsIt) {
  wake_.Set();
  EXPECT_EQ(ErrorOf([&] { Run(To(servers_->port("good:echo"))); }).kind(), ErrorKind::kCancelled);
}

TEST_F(ReachTest, NamesTheProxyWithoutItsPassword) {
  const uint16_t port = servers_->port("proxied:echo");
  TcpServer proxy([&](int client) {
    testing::ReceiveUntil(client, "\r\n\r\n");
    testing::Relay(client, port, "HTTP/1.1 200 OK\r\n\r\n");
  });
  const std::string place = "127.0.0.1:" + std::to_string(proxy.port());
  const ScopedEnvironment no_proxy("no_proxy", "other.example.test");
  for (const char* prefix : {"http://joe:hunter2@", "joe:hunter2@"}) {
    const ScopedEnvironment environment("https_proxy", prefix + place);
    const ReachReport report = Run(To(993, "imap.example.test"));
    EXPECT_EQ(report.failed_at, Layer::kDone) << report.error->what();
    EXPECT_EQ(report.proxy, "http://" + place);
    EXPECT_EQ(report.tls, "TLSv1.3");
  }
}

TEST_F(ReachTest, ProxyThatRefusesIsAConnectionThatFailed) {
  TcpServer proxy([&](int client) {
    testing::ReceiveUntil(client, "\r\n\r\n");
    testing::SendAll(client, "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n");
  });
  const ScopedEnvironment environment("https_proxy", "http://127.0.0.1:" + std::to_string(proxy.port()));
  const ReachReport report = Run(To(993, "imap.example.test"));
  EXPECT_EQ(report.failed_at, Layer::kConnection) << report.error->what();
  EXPECT_THAT(report.proxy, Not(IsEmpty()));
}

// How many threads of this process would not take the signal.
size_t CountThreadsThatBlock(int signal) {
  size_t count = 0;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    std::ifstream status(task.path() / "status");
    for (std::string name, value; status >> name; std::getline(status, value)) {
      if (name != "SigBlk:") continue;
      status >> value;
      if ((std::stoull(value, nullptr, 16) >> static_cast<unsigned>(signal - 1) & 1U) != 0) ++count;
    }
  }
  return count;
}

// A resolver that takes long outlives the call; then it must not take the signals that somebody holds back.
TEST_F(ReachTest, TheResolverTakesNoSignals) {
  TcpServer proxy([&](int client) {
    testing::ReceiveUntil(client, "\r\n\r\n");
    testing::SendAll(client, "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n");
  });
  const ScopedEnvironment environment("https_proxy", "http://127.0.0.1:" + std::to_string(proxy.port()));
  // The resolver reads its aliases of names without a dot from here, and waits: for a writer, then for what is written.
  const std::string aliases = certificates_->Path("aliases");
  ASSERT_EQ(::mkfifo(aliases.c_str(), 0600), 0);
  const ScopedEnvironment hostaliases("HOSTALIASES", aliases);
  auto reached = std::async(std::launch::async, [&] { return ErrorOf([&] { Run(To(993, "nothing")); }).kind(); });
  int writer = -1;
  while (writer < 0 && reached.wait_for(std::chrono::milliseconds(1)) == std::future_status::timeout) {
    writer = ::open(aliases.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC);
  }
  ASSERT_GE(writer, 0) << "the resolver did not start";
  EXPECT_EQ(CountThreadsThatBlock(SIGINT), 1U);
  EXPECT_EQ(CountThreadsThatBlock(SIGTERM), 1U);
  wake_.Set();
  EXPECT_EQ(reached.get(), ErrorKind::kCancelled);
  ::close(writer);
}

TEST_F(ReachTest, ProxyAddressThatIsNoneIsNotShown) {
  for (const char* url : {"http://joe:hunter2#x@127.0.0.1:3128", "http://joe:hunter2@no host:3128"}) {
    const ScopedEnvironment environment("https_proxy", url);
    const ReachReport report = Run(To(993, "imap.example.test"));
    ASSERT_TRUE(report.error);
    EXPECT_THAT(report.proxy + report.error->what(), Not(HasSubstr("hunter2")));
  }
}

}  // namespace
}  // namespace mailboxfs::net
