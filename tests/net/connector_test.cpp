#include <arpa/inet.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <atomic>
#include <filesystem>
#include <future>
#include <memory>
#include <optional>

#include "mailboxfs/net/transport.h"
#include "net_testing.h"

namespace mailboxfs::net {
namespace {

using base::ErrorKind;
using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::Certificates;
using testing::ClosedPort;
using testing::ErrorOf;
using ::testing::HasSubstr;
using testing::In;
using testing::ScopedEnvironment;
using testing::Soon;
using testing::TcpServer;
using testing::TlsServers;

std::string ReadExactly(Transport& transport, size_t count, const base::WakeEvent& wake) {
  std::string got(count, '\0');
  size_t have = 0;
  while (have < count) {
    const size_t n = transport.Read(std::span(got).subspan(have), Soon(), wake);
    if (n == 0) break;
    have += n;
  }
  got.resize(have);
  return got;
}

std::string Pattern(size_t size) {
  std::string bytes(size, '\0');
  uint32_t state = 1;
  for (char& c : bytes) {
    state = state * 1664525 + 1013904223;
    c = static_cast<char>(state >> 24U);
  }
  return bytes;
}

// The sockets of this process that are connected to `port`, and whether all close on exec.
std::pair<int, bool> SocketsTo(uint16_t port) {
  int count = 0;
  bool all_cloexec = true;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    const int fd = std::stoi(entry.path().filename().string());
    sockaddr_in peer{};
    socklen_t size = sizeof peer;
    if (::getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &size) != 0 || peer.sin_family != AF_INET) continue;
    if (ntohs(peer.sin_port) != port) continue;
    ++count;
    all_cloexec = all_cloexec && (::fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0;
  }
  return {count, all_cloexec};
}

class ConnectorTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    InitNetwork();
    certificates_ = std::make_unique<Certificates>();
    servers_ = std::make_unique<TlsServers>(
        *certificates_, std::vector<std::string>{"good:echo", "good:bye", "good:cut", "good:swallow", "good:tls11",
                                                 "wrong:echo", "expired:echo", "proxied:echo"});
  }
  static void TearDownTestSuite() {
    servers_.reset();
    certificates_.reset();
  }

  static Endpoint Tls(uint16_t port, const std::string& host = "localhost", const std::string& ca = "ca.pem") {
    return {host, port, Tls::kImplicit, certificates_->Path(ca)};
  }
  static Endpoint Plain(uint16_t port) { return {"127.0.0.1", port, Tls::kNone, std::nullopt}; }
  std::unique_ptr<Transport> Connect(const Endpoint& endpoint) { return connector_->Connect(endpoint, Soon(), wake_); }

  static std::unique_ptr<Certificates> certificates_;
  static std::unique_ptr<TlsServers> servers_;
  std::unique_ptr<Connector> connector_ = MakeCurlConnector();
  base::WakeEvent wake_;
};

std::unique_ptr<Certificates> ConnectorTest::certificates_;
std::unique_ptr<TlsServers> ConnectorTest::servers_;

TEST_F(ConnectorTest, VerifiedServerEchoesByNameAndByAddress) {
  const uint16_t port = servers_->port("good:echo");
  for (const char* host : {"localhost", "127.0.0.1"}) {
    const auto transport = Connect(Tls(port, host));
    transport->Write("A1 NOOP\r\n", Soon(), wake_);
    EXPECT_EQ(ReadExactly(*transport, 9, wake_), "A1 NOOP\r\n");
  }
}

TEST_F(ConnectorTest, CertificateFromAnUnknownCaIsATlsErrorThatNamesCaFile) {
  const uint16_t port = servers_->port("good:echo");
  const base::Error error = ErrorOf([&] { Connect(Tls(port, "localhost", "other-ca.pem")); });
  EXPECT_EQ(error.kind(), ErrorKind::kTls) << error.what();
  EXPECT_THAT(error.what(), HasSubstr("cannot connect to localhost:"));
  EXPECT_THAT(error.what(), HasSubstr("ca_file"));
}

TEST_F(ConnectorTest, TheSystemsCasDoNotVouchForAPrivateOne) {
  const uint16_t port = servers_->port("good:echo");
  Endpoint endpoint = Tls(port);
  endpoint.ca_file.reset();
  EXPECT_EQ(ErrorOf([&] { Connect(endpoint); }).kind(), ErrorKind::kTls);
}

TEST_F(ConnectorTest, CertificateForAnotherNameIsATlsErrorThatSaysSo) {
  const uint16_t port = servers_->port("wrong:echo");
  const base::Error error = ErrorOf([&] { Connect(Tls(port)); });
  EXPECT_EQ(error.kind(), ErrorKind::kTls);
  EXPECT_THAT(error.what(), HasSubstr("another name"));
}

TEST_F(ConnectorTest, ExpiredCertificateIsATlsErrorThatSaysSo) {
  const uint16_t port = servers_->port("expired:echo");
  const base::Error error = ErrorOf([&] { Connect(Tls(port)); });
  EXPECT_EQ(error.kind(), ErrorKind::kTls);
  EXPECT_THAT(error.what(), HasSubstr("expired"));
}

TEST_F(ConnectorTest, MissingCaFileIsATlsErrorThatSaysSo) {
  const uint16_t port = servers_->port("good:echo");
  const base::Error error = ErrorOf([&] { Connect(Tls(port, "localhost", "no-such.pem")); });
  EXPECT_EQ(error.kind(), ErrorKind::kTls);
  EXPECT_THAT(error.what(), HasSubstr("check \"ca_file\""));
}

TEST_F(ConnectorTest, TlsOlderThan12IsRefused) {
  const uint16_t port = servers_->port("good:tls11");
  EXPECT_EQ(ErrorOf([&] { Connect(Tls(port)); }).kind(), ErrorKind::kTls);
}

TEST_F(ConnectorTest, PlainServerOnATlsPortIsATlsErrorThatSaysSo) {
  TcpServer server([](int fd) {
    testing::SendAll(fd, "* OK IMAP4rev1 ready\r\n");
    testing::ReceiveUntil(fd, "");
  });
  const base::Error error = ErrorOf([&] { Connect(Tls(server.port())); });
  EXPECT_EQ(error.kind(), ErrorKind::kTls) << error.what();
  EXPECT_THAT(error.what(), HasSubstr("does not speak TLS"));
}

TEST_F(ConnectorTest, ConnectionBrokenInTheHandshakeIsANetworkError) {
  TcpServer server([](int /*fd*/) {});
  const base::Error error = ErrorOf([&] { Connect(Tls(server.port())); });
  EXPECT_EQ(error.kind(), ErrorKind::kNetwork) << error.what();
}

TEST_F(ConnectorTest, HandshakeThatStallsEndsAtTheDeadline) {
  TcpServer server([](int fd) { testing::ReceiveUntil(fd, ""); });
  const auto begin = std::chrono::steady_clock::now();
  const base::Error error = ErrorOf([&] { connector_->Connect(Tls(server.port()), In(milliseconds(200)), wake_); });
  EXPECT_EQ(error.kind(), ErrorKind::kTimeout) << error.what();
  EXPECT_THAT(error.what(), HasSubstr("did not answer in time"));
  EXPECT_GE(std::chrono::steady_clock::now() - begin, milliseconds(199));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, seconds(30));
}

TEST_F(ConnectorTest, WakeEndsAStalledHandshakeAtOnce) {
  TcpServer server([&](int fd) {
    testing::ReceiveUntil(fd, "\x01");  // The ClientHello.
    wake_.Set();
    testing::ReceiveUntil(fd, "");
  });
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(ErrorOf([&] { Connect(Tls(server.port())); }).kind(), ErrorKind::kCancelled);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, seconds(30));
}

TEST_F(ConnectorTest, AWakeThatIsSetAlreadyAndADeadlineThatHasPassedEndConnect) {
  const uint16_t port = servers_->port("good:echo");
  EXPECT_EQ(ErrorOf([&] { connector_->Connect(Tls(port), In(seconds(-1)), wake_); }).kind(), ErrorKind::kTimeout);
  wake_.Set();
  EXPECT_EQ(ErrorOf([&] { Connect(Tls(port)); }).kind(), ErrorKind::kCancelled);
}

TEST_F(ConnectorTest, RefusedConnectionIsANetworkErrorThatNamesTheServer) {
  const uint16_t port = ClosedPort();
  const base::Error error = ErrorOf([&] { Connect(Plain(port)); });
  EXPECT_EQ(error.kind(), ErrorKind::kNetwork);
  EXPECT_THAT(error.what(), HasSubstr("cannot connect to 127.0.0.1:" + std::to_string(port)));
}

TEST_F(ConnectorTest, UnresolvableNameIsANetworkError) {
  // A label of more than 63 letters: the resolver refuses it without asking anybody.
  const base::Error error = ErrorOf([&] { Connect(Tls(993, std::string(64, 'a') + ".example.test")); });
  EXPECT_EQ(error.kind(), ErrorKind::kNetwork) << error.what();
  EXPECT_THAT(error.what(), HasSubstr("DNS"));
}

TEST_F(ConnectorTest, NoTlsIsForLoopbackOnly) {
  for (const char* host : {"192.0.2.1", "imap.example.test", "::ffff:192.0.2.1", "127.0.0.1.example.test"}) {
    const base::Error error = ErrorOf([&] { Connect({host, 143, net::Tls::kNone, std::nullopt}); });
    EXPECT_EQ(error.kind(), ErrorKind::kConfig) << host << ": " << error.what();
  }
}

TEST_F(ConnectorTest, HostsThatWouldChangeTheUrlAreRefused) {
  for (const char* host : {"", "a b", "good.test/", "user@evil.test", "x?y", "x#y", "[::1]"}) {
    EXPECT_EQ(ErrorOf([&] {
                Connect({host, 143, net::Tls::kImplicit, std::nullopt});
              }).kind(),
              ErrorKind::kConfig)
        << host;
  }
  EXPECT_EQ(ErrorOf([&] { Connect(Tls(0)); }).kind(), ErrorKind::kConfig);
}

TEST_F(ConnectorTest, ReadThatStallsEndsAtTheDeadline) {
  const uint16_t port = servers_->port("good:echo");
  const auto transport = Connect(Tls(port));
  std::array<char, 16> buffer;
  const base::Error error = ErrorOf([&] { transport->Read(buffer, In(milliseconds(100)), wake_); });
  EXPECT_EQ(error.kind(), ErrorKind::kTimeout);
  EXPECT_THAT(error.what(), HasSubstr("localhost:"));
}

TEST_F(ConnectorTest, WakeEndsAReadAtOnce) {
  const uint16_t port = servers_->port("good:echo");
  const auto transport = Connect(Tls(port));
  auto read = std::async(std::launch::async, [&] {
    std::array<char, 16> buffer;
    return ErrorOf([&] { transport->Read(buffer, Soon(), wake_); }).kind();
  });
  EXPECT_EQ(read.wait_for(milliseconds(50)), std::future_status::timeout);
  wake_.Set();
  ASSERT_EQ(read.wait_for(seconds(30)), std::future_status::ready);
  EXPECT_EQ(read.get(), ErrorKind::kCancelled);
}

TEST_F(ConnectorTest, WriteToAServerThatDoesNotReadEndsAtTheDeadline) {
  std::promise<void> done;
  TcpServer server([future = done.get_future().share()](int /*fd*/) { future.wait(); });
  const auto transport = Connect(Plain(server.port()));
  const std::string large(64 << 20U, 'x');
  EXPECT_EQ(ErrorOf([&] { transport->Write(large, In(milliseconds(200)), wake_); }).kind(), ErrorKind::kTimeout);
  done.set_value();
}

TEST_F(ConnectorTest, WakeEndsAWriteAtOnce) {
  std::promise<void> done;
  TcpServer server([future = done.get_future().share()](int /*fd*/) { future.wait(); });
  const auto transport = Connect(Plain(server.port()));
  const std::string large(64 << 20U, 'x');
  auto write =
      std::async(std::launch::async, [&] { return ErrorOf([&] { transport->Write(large, Soon(), wake_); }).kind(); });
  EXPECT_EQ(write.wait_for(milliseconds(50)), std::future_status::timeout);
  wake_.Set();
  ASSERT_EQ(write.wait_for(seconds(30)), std::future_status::ready);
  EXPECT_EQ(write.get(), ErrorKind::kCancelled);
  done.set_value();
}

TEST_F(ConnectorTest, ProperEndIsZeroAndStaysSo) {
  const uint16_t port = servers_->port("good:bye");
  const auto transport = Connect(Tls(port));
  EXPECT_EQ(ReadExactly(*transport, 100, wake_), "* BYE\r\n");
  EXPECT_EQ(transport->Wait(Soon(), wake_), WaitResult::kReadable);
  std::array<char, 16> buffer;
  EXPECT_EQ(transport->Read(buffer, Soon(), wake_), 0U);
}

// libcurl does not tell the two ends apart; transport.h says so.
TEST_F(ConnectorTest, TlsThatWasCutOffIsAnEndToo) {
  const uint16_t port = servers_->port("good:cut");
  const auto transport = Connect(Tls(port));
  EXPECT_EQ(ReadExactly(*transport, 100, wake_), "* BYE\r\n");
}

TEST_F(ConnectorTest, ResetIsANetworkErrorAndWritingAfterItDoesNotKillTheProcess) {
  TcpServer server([](int fd) {
    testing::ReceiveUntil(fd, "\n");
    const linger reset{1, 0};
    ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
  });
  const auto transport = Connect(Plain(server.port()));
  transport->Write("A0 NOOP\r\n", Soon(), wake_);
  std::array<char, 16> buffer;
  EXPECT_EQ(ErrorOf([&] { transport->Read(buffer, Soon(), wake_); }).kind(), ErrorKind::kNetwork);
  EXPECT_EQ(ErrorOf([&] {
              for (;;) transport->Write("A1 NOOP\r\n", Soon(), wake_);
            }).kind(),
            ErrorKind::kNetwork);
}

TEST_F(ConnectorTest, WordsBeforeAResetAreNotLost) {
  auto server = std::make_unique<TcpServer>([](int fd) {
    testing::SendAll(fd, "* BYE too many connections\r\n");
    testing::ReceiveUntil(fd, "\n");
    const linger reset{1, 0};
    ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
  });
  const auto transport = Connect(Plain(server->port()));
  EXPECT_EQ(transport->Wait(Soon(), wake_), WaitResult::kReadable);
  transport->Write("A0 NOOP\r\n", Soon(), wake_);
  server.reset();  // Waits until the connection is closed.
  std::array<char, 100> buffer;
  const size_t count = transport->Read(buffer, Soon(), wake_);
  EXPECT_EQ(std::string(buffer.data(), count), "* BYE too many connections\r\n");
  EXPECT_EQ(ErrorOf([&] { transport->Read(buffer, Soon(), wake_); }).kind(), ErrorKind::kNetwork);
}

TEST_F(ConnectorTest, WritingToAClosedTlsServerDoesNotKillTheProcess) {
  const uint16_t port = servers_->port("good:cut");
  const auto transport = Connect(Tls(port));
  EXPECT_EQ(ReadExactly(*transport, 7, wake_), "* BYE\r\n");
  EXPECT_EQ(ErrorOf([&] {
              for (;;) transport->Write("A1 NOOP\r\n", Soon(), wake_);
            }).kind(),
            ErrorKind::kNetwork);
}

TEST_F(ConnectorTest, FiveMegabytesGoBothWaysUnchanged) {
  const uint16_t port = servers_->port("good:echo");
  const auto transport = Connect(Tls(port));
  const std::string sent = Pattern(size_t{5} << 20U);
  std::string got;
  for (size_t i = 0; i < sent.size(); i += 256 * 1024) {
    const std::string piece = sent.substr(i, 256 * 1024);
    transport->Write(piece, Soon(), wake_);
    got += ReadExactly(*transport, piece.size(), wake_);
  }
  EXPECT_TRUE(got == sent);
}

TEST_F(ConnectorTest, FiveMegabytesInOneWrite) {
  const uint16_t port = servers_->port("good:swallow");
  const auto transport = Connect(Tls(port));
  transport->Write(Pattern(size_t{5} << 20U), Soon(), wake_);
  transport->Write("done\n", Soon(), wake_);
  EXPECT_EQ(ReadExactly(*transport, 8, wake_), "5242880\n");
}

TEST_F(ConnectorTest, WaitSeesWhatTlsHoldsAlready) {
  const uint16_t port = servers_->port("good:echo");
  const auto transport = Connect(Tls(port));
  transport->Write("0123456789", Soon(), wake_);
  EXPECT_EQ(ReadExactly(*transport, 1, wake_), "0");  // The rest of the record is in memory now.
  EXPECT_EQ(transport->Wait(Soon(), wake_), WaitResult::kReadable);
  EXPECT_EQ(ReadExactly(*transport, 9, wake_), "123456789");
}

TEST_F(ConnectorTest, WaitEndsAtTheDeadlineAndByWakeWithoutThrowing) {
  const uint16_t port = servers_->port("good:echo");
  const auto transport = Connect(Tls(port));
  EXPECT_EQ(transport->Wait(In(milliseconds(50)), wake_), WaitResult::kTimeout);
  wake_.Set();
  EXPECT_EQ(transport->Wait(Soon(), wake_), WaitResult::kWoken);
  wake_.Clear();
  transport->Write("still here", Soon(), wake_);
  EXPECT_EQ(transport->Wait(Soon(), wake_), WaitResult::kReadable);
  EXPECT_EQ(ReadExactly(*transport, 10, wake_), "still here");
}

TEST_F(ConnectorTest, DestructionClosesTheSocketWhichWouldNotOutliveAnExec) {
  const uint16_t port = servers_->port("good:echo");
  auto transport = Connect(Tls(port));
  const auto open = SocketsTo(port);
  EXPECT_EQ(open.first, 1);
  EXPECT_TRUE(open.second);
  transport.reset();
  EXPECT_EQ(SocketsTo(port).first, 0);
}

TEST_F(ConnectorTest, TheEnvironmentsProxyIsNotForThisMachine) {
  const ScopedEnvironment proxy("https_proxy", "http://127.0.0.1:" + std::to_string(ClosedPort()));
  const uint16_t port = servers_->port("good:echo");
  const auto transport = Connect(Tls(port));
  transport->Write("x", Soon(), wake_);
  EXPECT_EQ(ReadExactly(*transport, 1, wake_), "x");
}

TEST_F(ConnectorTest, TheProxysPasswordIsInNoError) {
  for (const char* url : {"http://joe:hunter2#x@127.0.0.1:3128", "http://joe:hunter2/x@127.0.0.1:3128",
                          "http://joe:hunter2@no host:3128", "foo://joe:hunter2@127.0.0.1:3128"}) {
    const ScopedEnvironment proxy("https_proxy", url);
    const base::Error error = ErrorOf([&] { Connect({"imap.example.org", 993, net::Tls::kImplicit, std::nullopt}); });
    EXPECT_EQ(std::string_view(error.what()).find("hunter2"), std::string_view::npos) << error.what();
    EXPECT_NE(std::string_view(error.what()).find("prox"), std::string_view::npos) << error.what();
  }
}

TEST_F(ConnectorTest, ACertificateForAnotherNameIsSaidEvenIfAProxyIsInTheName) {
  const uint16_t port = servers_->port("wrong:echo");
  const base::Error error = ErrorOf([&] { Connect(Tls(port, "proxy.localhost")); });
  EXPECT_EQ(error.kind(), ErrorKind::kTls);
  EXPECT_THAT(error.what(), HasSubstr("another name"));
}

TEST_F(ConnectorTest, TheEnvironmentsProxyIsUsedForOthersAndVerificationIsEndToEnd) {
  const uint16_t port = servers_->port("proxied:echo");
  std::promise<std::string> request;
  // CONNECT, then one exchange through to the real server.
  TcpServer proxy([&](int client) {
    request.set_value(testing::ReceiveUntil(client, "\r\n\r\n"));
    testing::Relay(client, port, "HTTP/1.1 200 OK\r\n\r\n");
  });
  const ScopedEnvironment environment("https_proxy", "http://127.0.0.1:" + std::to_string(proxy.port()));
  const auto transport = Connect(Tls(993, "imap.example.test"));
  transport->Write("A1 NOOP\r\n", Soon(), wake_);
  EXPECT_EQ(ReadExactly(*transport, 9, wake_), "A1 NOOP\r\n");
  EXPECT_THAT(request.get_future().get(), ::testing::StartsWith("CONNECT imap.example.test:993 "));
}

}  // namespace
}  // namespace mailboxfs::net
