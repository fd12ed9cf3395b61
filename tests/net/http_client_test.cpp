#include "mailboxfs/net/http_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <memory>
#include <thread>
#include <vector>

#include "mailboxfs/base/mutex.h"
#include "mailboxfs/net/transport.h"
#include "net_testing.h"

namespace mailboxfs::net {
namespace {

using base::ErrorKind;
using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ClosedPort;
using ::testing::EndsWith;
using testing::ErrorOf;
using ::testing::HasSubstr;
using testing::In;
using ::testing::Not;
using testing::ReceiveUntil;
using testing::ScopedEnvironment;
using testing::SendAll;
using testing::Soon;
using ::testing::StartsWith;
using testing::TcpServer;

// Reads a request whose body ends with "end=1", records it, and answers.
class HttpServer {
 public:
  explicit HttpServer(std::string answer)
      : server_([this, answer = std::move(answer)](int fd) {
          const std::string request = ReceiveUntil(fd, "end=1");
          {
            const base::MutexLock lock(mutex_);
            request_ = request;
          }
          SendAll(fd, answer);
        }) {}
  std::string Url() const { return "http://127.0.0.1:" + std::to_string(server_.port()) + "/token"; }
  std::string request() {
    const base::MutexLock lock(mutex_);
    return request_;
  }

 private:
  base::Mutex mutex_;
  std::string request_ GUARDED_BY(mutex_);
  TcpServer server_;
};

class HttpClientTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { InitNetwork(); }
  HttpResponse Post(const std::string& url, std::vector<std::pair<std::string, std::string>> form = {}) {
    HttpRequest request;
    request.url = url;
    request.form = std::move(form);
    request.form.emplace_back("end", "1");
    return client_->Send(request, Soon(), wake_);
  }
  // By GET, and not through a proxy. So late that nobody is really asked.
  HttpResponse GetDirectly(const std::string& url) {
    HttpRequest request;
    request.method = HttpRequest::Method::kGet;
    request.url = url;
    request.headers = {{"Metadata", "true"}};
    request.direct = true;
    return client_->Send(request, In(seconds(-1)), wake_);
  }

  std::unique_ptr<HttpClient> client_ = MakeCurlHttpClient();
  base::WakeEvent wake_;
};

std::string Answer(const std::string& status, const std::string& headers, const std::string& body) {
  return "HTTP/1.1 " + status + "\r\n" + headers + "Content-Length: " + std::to_string(body.size()) +
         "\r\nConnection: close\r\n\r\n" + body;
}

TEST_F(HttpClientTest, FormIsPercentEncodedAndTheHeadersAreRight) {
  HttpServer server(Answer("200 OK", "", "{}"));
  Post(server.Url(), {{"client_secret", "a+b&c=d%e~f g/\xc3\xa9"}, {"scope", "https://x.test/.default"}});
  const std::string request = server.request();
  EXPECT_THAT(request, StartsWith("POST /token HTTP/1.1\r\n"));
  EXPECT_THAT(request, HasSubstr("\r\nContent-Type: application/x-www-form-urlencoded\r\n"));
  EXPECT_THAT(request, HasSubstr("\r\nAccept: application/json\r\n"));
  EXPECT_THAT(request, HasSubstr("\r\nUser-Agent: mailboxfs\r\n"));
  EXPECT_THAT(request, EndsWith("\r\n\r\nclient_secret=a%2Bb%26c%3Dd%25e~f%20g%2F%C3%A9"
                                "&scope=https%3A%2F%2Fx.test%2F.default&end=1"));
}

TEST_F(HttpClientTest, AnyStatusIsAnAnswerWithItsHeaders) {
  HttpServer server(Answer("429 Too Many Requests",
                           "RETRY-AFTER:  60 \r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Type: text/plain\r\n",
                           "Too Many Requests"));
  const HttpResponse response = Post(server.Url());
  EXPECT_EQ(response.status, 429);
  EXPECT_EQ(response.body, "Too Many Requests");
  EXPECT_EQ(response.retry_after, "60");
  EXPECT_EQ(response.date, "Sun, 06 Nov 1994 08:49:37 GMT");
  EXPECT_EQ(response.content_type, "text/plain");
}

TEST_F(HttpClientTest, AbsentHeadersAreAbsent) {
  HttpServer server(Answer("500 Oops", "", ""));
  const HttpResponse response = Post(server.Url());
  EXPECT_EQ(response.status, 500);
  EXPECT_EQ(response.body, "");
  EXPECT_EQ(response.retry_after, std::nullopt);
  EXPECT_EQ(response.date, std::nullopt);
}

TEST_F(HttpClientTest, RedirectIsReturnedAndNotFollowed) {
  HttpServer elsewhere(Answer("200 OK", "", "stolen"));
  HttpServer server(Answer("307 Temporary Redirect", "Location: " + elsewhere.Url() + "\r\n", ""));
  EXPECT_EQ(Post(server.Url(), {{"client_secret", "s"}}).status, 307);
  EXPECT_EQ(elsewhere.request(), "");
}

TEST_F(HttpClientTest, BodyOfOneMebibyteIsTheMost) {
  const std::string largest(size_t{1} << 20U, 'x');
  HttpServer fits(Answer("200 OK", "", largest));
  EXPECT_TRUE(Post(fits.Url()).body == largest);
  HttpServer exceeds(Answer("200 OK", "", largest + "x"));
  EXPECT_EQ(ErrorOf([&] { Post(exceeds.Url()); }).kind(), ErrorKind::kServer);
}

TEST_F(HttpClientTest, OnlyHttpsMayCarryASecretToOtherMachines) {
  for (const char* url :
       {"http://login.example.test/token", "http://192.0.2.1/", "ftp://127.0.0.1/", "file:///etc/passwd"}) {
    EXPECT_EQ(ErrorOf([&] { Post(url); }).kind(), ErrorKind::kConfig) << url;
  }
  const base::Error error = ErrorOf([&] { Post("nonsense url?secret=1"); });
  EXPECT_EQ(error.kind(), ErrorKind::kConfig);
  EXPECT_THAT(error.what(), Not(HasSubstr("secret")));
}

TEST_F(HttpClientTest, MetadataServicesOfTheLinkMayBeAskedInPlainTextByGetOnly) {
  for (const char* url : {"http://169.254.169.254/metadata", "http://[fe80::a9fe:a9fe]/latest"}) {
    EXPECT_EQ(ErrorOf([&] { GetDirectly(url); }).kind(), ErrorKind::kTimeout) << url;
    EXPECT_EQ(ErrorOf([&] { Post(url); }).kind(), ErrorKind::kConfig) << url;
    HttpRequest proxied;
    proxied.method = HttpRequest::Method::kGet;
    proxied.url = url;
    EXPECT_EQ(ErrorOf([&] { client_->Send(proxied, Soon(), wake_); }).kind(), ErrorKind::kConfig) << url;
  }
  for (const char* url : {"http://169.255.1.1/", "http://192.0.2.1/", "http://metadata.example.test/"}) {
    EXPECT_EQ(ErrorOf([&] { GetDirectly(url); }).kind(), ErrorKind::kConfig) << url;
  }
}

TEST_F(HttpClientTest, GetHasItsHeadersAndNoBody) {
  std::promise<std::string> got;
  TcpServer server([&](int fd) {
    got.set_value(ReceiveUntil(fd, "\r\n\r\n"));
    SendAll(fd, Answer("200 OK", "", "{}"));
  });
  HttpRequest request;
  request.method = HttpRequest::Method::kGet;
  request.url = "http://127.0.0.1:" + std::to_string(server.port()) + "/x?a=b%20c";
  request.headers = {{"Metadata", "true"}};
  EXPECT_EQ(client_->Send(request, Soon(), wake_).body, "{}");
  const std::string text = got.get_future().get();
  EXPECT_THAT(text, StartsWith("GET /x?a=b%20c HTTP/1.1\r\n"));
  EXPECT_THAT(text, HasSubstr("\r\nMetadata: true\r\n"));
  EXPECT_THAT(text, Not(HasSubstr("Content-")));
  EXPECT_THAT(text, EndsWith("\r\n\r\n"));
  request.headers = {{"Metadata", "true\r\nX: y"}};
  EXPECT_EQ(ErrorOf([&] { client_->Send(request, Soon(), wake_); }).kind(), ErrorKind::kInternal);
}

TEST_F(HttpClientTest, ADirectRequestGoesPastTheProxy) {
  TcpServer proxy([](int fd) {
    ReceiveUntil(fd, "\r\n\r\n");
    SendAll(fd, Answer("403 Forbidden", "", ""));
  });
  const ScopedEnvironment environment("https_proxy", "http://127.0.0.1:" + std::to_string(proxy.port()));
  HttpRequest request;
  // A label of more than 63 letters: the resolver refuses it without asking anybody.
  request.url = "https://" + std::string(64, 'a') + ".example.test/";
  EXPECT_THAT(ErrorOf([&] { client_->Send(request, Soon(), wake_); }).what(), HasSubstr("403"));
  request.direct = true;
  EXPECT_THAT(ErrorOf([&] { client_->Send(request, Soon(), wake_); }).what(), HasSubstr("DNS"));
}

TEST_F(HttpClientTest, SafeUrlsAreHttpsOrOfThisMachine) {
  for (const char* url :
       {"https://login.example.test/x", "http://localhost:1/", "http://127.0.0.1/", "http://[::1]/"}) {
    EXPECT_TRUE(IsSafeUrl(url)) << url;
  }
  for (const char* url : {"http://login.example.test/x", "http://169.254.169.254/", "ftp://localhost/", "", "a b"}) {
    EXPECT_FALSE(IsSafeUrl(url)) << url;
  }
}

TEST_F(HttpClientTest, RefusedAndBrokenConnectionsAreNetworkErrors) {
  const std::string refused = "http://127.0.0.1:" + std::to_string(ClosedPort()) + "/";
  EXPECT_EQ(ErrorOf([&] { Post(refused); }).kind(), ErrorKind::kNetwork);
  HttpServer silent("");
  EXPECT_EQ(ErrorOf([&] { Post(silent.Url()); }).kind(), ErrorKind::kNetwork);
  HttpServer truncated("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"access_token\"");
  EXPECT_EQ(ErrorOf([&] { Post(truncated.Url()); }).kind(), ErrorKind::kNetwork);
}

TEST_F(HttpClientTest, StallEndsAtTheDeadline) {
  TcpServer server([](int fd) { ReceiveUntil(fd, ""); });
  const std::string url = "http://127.0.0.1:" + std::to_string(server.port()) + "/";
  EXPECT_EQ(ErrorOf([&] {
              HttpRequest request;
              request.url = url;
              client_->Send(request, In(milliseconds(100)), wake_);
            }).kind(),
            ErrorKind::kTimeout);
}

TEST_F(HttpClientTest, WakeEndsARequestAtOnce) {
  TcpServer server([&](int fd) {
    ReceiveUntil(fd, "end=1");
    wake_.Set();
    ReceiveUntil(fd, "");
  });
  EXPECT_EQ(ErrorOf([&] { Post("http://127.0.0.1:" + std::to_string(server.port()) + "/"); }).kind(),
            ErrorKind::kCancelled);
}

TEST_F(HttpClientTest, CertificateIsVerified) {
  const testing::Certificates certificates;
  const testing::TlsServers servers(certificates, {"good:bye"});
  const std::string url = "https://localhost:" + std::to_string(servers.port("good:bye")) + "/";
  EXPECT_EQ(ErrorOf([&] { Post(url); }).kind(), ErrorKind::kTls);
  // With the right CA the certificate is no obstacle, but "* BYE" is no HTTP.
  HttpRequest request;
  request.url = url;
  request.ca_file = certificates.Path("ca.pem");
  const base::Error error = ErrorOf([&] { client_->Send(request, Soon(), wake_); });
  EXPECT_EQ(error.kind(), ErrorKind::kServer) << error.what();
}

TEST_F(HttpClientTest, ManyThreadsMayUseOneClient) {
  HttpServer server(Answer("200 OK", "", "{}"));
  std::vector<std::thread> threads;
  std::atomic<int> answered{0};
  for (int i = 0; i < 16; ++i) {
    threads.emplace_back([&] {
      if (Post(server.Url()).status == 200) ++answered;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(answered, 16);
}

}  // namespace
}  // namespace mailboxfs::net
