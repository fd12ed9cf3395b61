// Logins through a browser on this machine (RFC 6749 section 4.1, RFC 7636, RFC 8252).
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <filesystem>
#include <future>
#include <memory>
#include <thread>

#include "../net/net_testing.h"
#include "crypto.h"
#include "login_file.h"
#include "mailboxfs/base/encoding.h"
#include "mailboxfs/oauth/login.h"
#include "oauth_testing.h"
#include "redirect_listener.h"

namespace mailboxfs::oauth {
namespace {

using base::ErrorKind;
using base::UniqueFd;
using net::testing::Soon;
using std::chrono::seconds;
using testing::ErrorOf;
using testing::Field;
using ::testing::HasSubstr;
using ::testing::StartsWith;

UniqueFd ConnectTo(uint16_t port, int family = AF_INET) {
  UniqueFd fd(::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in v4{};
  v4.sin_family = AF_INET;
  v4.sin_port = htons(port);
  v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  sockaddr_in6 v6{};
  v6.sin6_family = AF_INET6;
  v6.sin6_port = htons(port);
  v6.sin6_addr = in6addr_loopback;
  const auto* address = family == AF_INET ? reinterpret_cast<sockaddr*>(&v4) : reinterpret_cast<sockaddr*>(&v6);
  if (::connect(fd.get(), address, family == AF_INET ? sizeof v4 : sizeof v6) != 0) fd.Reset();
  return fd;
}

// What a browser is answered.
std::string Browse(uint16_t port, const std::string& target, int family = AF_INET) {
  const UniqueFd fd = ConnectTo(port, family);
  if (!fd) return "no connection";
  net::testing::SendAll(fd.get(), "GET " + target + " HTTP/1.1\r\nHost: localhost\r\n\r\n");
  return net::testing::ReceiveUntil(fd.get(), "");
}

std::string QueryOf(const std::string& address, const std::string& name) {
  const size_t begin = address.find("&" + name + "=");
  if (begin == std::string::npos) return "";
  const std::string value = address.substr(begin + name.size() + 2);
  return value.substr(0, value.find('&'));
}

// A person who opens the address, and whose browser comes back with what `on_address` says.
class Person final : public LoginDisplay {
 public:
  void ShowDeviceCode(const std::string& /*address*/, const std::string& /*code*/, const std::string& /*message*/,
                      seconds /*valid_for*/) override {
    ADD_FAILURE();
  }
  void ShowAddress(const std::string& shown) override {
    address = shown;
    state = QueryOf(address, "state");
    const std::string redirect = QueryOf(address, "redirect_uri");
    port = static_cast<uint16_t>(std::stoi(redirect.substr(redirect.rfind("%3A") + 3)));
    if (acts) browser_ = std::async(std::launch::async, acts);
  }
  void ShowWaiting(seconds left) override {
    waiting = left;
    ++waits;
  }
  std::string Page() { return browser_.get(); }

  std::string address, state;
  uint16_t port = 0;
  seconds waiting{};
  int waits = 0;
  std::function<std::string()> acts;

 private:
  std::future<std::string> browser_;
};

class BrowserLoginTest : public ::testing::Test {
 protected:
  BrowserLoginTest() {
    login_.authority.token_endpoint = "https://x.test/token";
    login_.authority.authorization_endpoint = "https://x.test/authorize";
    login_.client = {"the client", NoAuthentication{}};
    login_.scope = "imap offline_access";
    login_.file = file_.path();
  }
  static std::string Tokens() {
    return R"({"access_token":"tok","refresh_token":"refresh","expires_in":3600,"token_type":"Bearer"})";
  }
  AccessToken LogIn() { return LogInWithBrowser(login_, http_, base::Clock::System(), person_, Soon(), wake_); }
  base::Error LogInError() {
    return ErrorOf([this] { LogIn(); });
  }
  std::string ComeBack(const std::string& query) {
    return Browse(person_.port, "/?" + query + "&state=" + person_.state);
  }

  testing::TemporaryDirectory directory_;
  LoginFile file_{directory_.Path("logins/contoso.json")};
  base::WakeEvent wake_;
  testing::FakeHttpClient http_;
  Person person_;
  InteractiveLogin login_;
};

TEST_F(BrowserLoginTest, TheCodeIsExchangedForTokensThatEndInAFile) {
  login_.authorization_fields = {{"access_type", "offline"}, {"prompt", "con&sent"}};
  http_.Answer(200, Tokens());
  person_.acts = [this] { return ComeBack("code=the%2Bcode"); };
  EXPECT_EQ(LogIn().value.Reveal(), "tok");
  EXPECT_THAT(person_.Page(), AllOf(StartsWith("HTTP/1.1 200 OK\r\n"), HasSubstr("You can close this window")));
  EXPECT_EQ(file_.Read().value().refresh_token.Reveal(), "refresh");
  EXPECT_GT(person_.waiting, seconds(30));

  const std::string redirect = "http://localhost:" + std::to_string(person_.port) + "/";
  EXPECT_THAT(person_.address, StartsWith("https://x.test/authorize?response_type=code&client_id=the%20client"
                                          "&redirect_uri=" +
                                          base::PercentEncode(redirect) + "&scope=imap%20offline_access&state="));
  EXPECT_THAT(person_.address,
              ::testing::EndsWith("&code_challenge_method=S256&access_type=offline&prompt=con%26sent"));
  EXPECT_GE(person_.state.size(), 22U);

  const net::HttpRequest request = http_.request(0);
  EXPECT_EQ(request.url, "https://x.test/token");
  ASSERT_EQ(request.form.size(), 5U);
  EXPECT_EQ(Field(request, "grant_type"), "authorization_code");
  EXPECT_EQ(Field(request, "client_id"), "the client");
  EXPECT_EQ(Field(request, "redirect_uri"), redirect);
  EXPECT_EQ(Field(request, "code"), "the+code");
  const std::string verifier = Field(request, "code_verifier");
  EXPECT_GE(verifier.size(), 43U);
  EXPECT_EQ(QueryOf(person_.address, "code_challenge"), base::Base64UrlEncode(Sha256(verifier)));
}

TEST_F(BrowserLoginTest, EachLoginHasAStateAndAVerifierOfItsOwn) {
  http_.Answer(200, Tokens());
  std::set<std::string> seen;
  for (int i = 0; i < 3; ++i) {
    person_.acts = [this] { return ComeBack("code=c"); };
    LogIn();
    person_.Page();
    seen.insert(person_.state);
    seen.insert(Field(http_.request(static_cast<size_t>(i)), "code_verifier"));
  }
  EXPECT_EQ(seen.size(), 6U);
}

TEST_F(BrowserLoginTest, WhateverElseComesIsTurnedAwayAndTheLoginGoesOn) {
  http_.Answer(200, Tokens());
  person_.acts = [this] {
    EXPECT_THAT(Browse(person_.port, "/favicon.ico"), StartsWith("HTTP/1.1 404 "));
    EXPECT_THAT(Browse(person_.port, "/?code=evil&state=guessed"), StartsWith("HTTP/1.1 400 "));
    EXPECT_THAT(Browse(person_.port, "/?error=access_denied&state=guessed"), StartsWith("HTTP/1.1 400 "));
    return ComeBack("code=good");
  };
  LogIn();
  EXPECT_THAT(person_.Page(), StartsWith("HTTP/1.1 200 "));
  EXPECT_EQ(http_.count(), 1U);
  EXPECT_EQ(Field(http_.request(0), "code"), "good");
}

TEST_F(BrowserLoginTest, SilentAndEndlessClientsHoldNobodyUp) {
  http_.Answer(200, Tokens());
  std::vector<UniqueFd> others;
  person_.acts = [this, &others] {
    // More than are served at a time, of all kinds.
    for (int i = 0; i < 40; ++i) {
      others.push_back(ConnectTo(person_.port));
      if (i % 2 == 1) net::testing::SendAll(others.back().get(), "GET /?code=evil&state=");
    }
    // Whoever came first must go, long before its patience is up.
    pollfd first{others[0].get(), POLLIN, 0};
    EXPECT_EQ(::poll(&first, 1, 5'000), 1);
    const UniqueFd endless = ConnectTo(person_.port);
    net::testing::SendAll(endless.get(), "GET /" + std::string(100'000, 'x'));
    EXPECT_EQ(net::testing::ReceiveUntil(endless.get(), ""), "");
    return ComeBack("code=good");
  };
  LogIn();
  EXPECT_THAT(person_.Page(), StartsWith("HTTP/1.1 200 "));
}

TEST_F(BrowserLoginTest, ARequestMayComeInPieces) {
  http_.Answer(200, Tokens());
  person_.acts = [this] {
    const UniqueFd fd = ConnectTo(person_.port);
    for (const char c : "GET /?code=good&state=" + person_.state + " HTTP/1.1\r\n\r\n") {
      net::testing::SendAll(fd.get(), std::string(1, c));
    }
    return net::testing::ReceiveUntil(fd.get(), "");
  };
  LogIn();
  EXPECT_THAT(person_.Page(), StartsWith("HTTP/1.1 200 "));
}

TEST_F(BrowserLoginTest, ARefusalIsShownInBothPlaces) {
  person_.acts = [this] { return ComeBack("error=access_denied&error_description=The+user+said+%3Cno%3E"); };
  const base::Error error = LogInError();
  EXPECT_EQ(error.kind(), ErrorKind::kLoginRefused);
  EXPECT_THAT(error.what(), HasSubstr("access_denied: The user said <no>"));
  EXPECT_THAT(person_.Page(), HasSubstr("access_denied: The user said &lt;no&gt;"));
  EXPECT_EQ(http_.count(), 0U);
}

TEST_F(BrowserLoginTest, AnOutageIsNoRefusal) {
  person_.acts = [this] { return ComeBack("error=temporarily_unavailable"); };
  EXPECT_EQ(LogInError().kind(), ErrorKind::kServer);
  person_.Page();
}

TEST_F(BrowserLoginTest, ACodeThatIsRefusedIsSaidWithoutIt) {
  http_.Answer(400, testing::Refusal("invalid_grant", "501481"));
  person_.acts = [this] { return ComeBack("code=s3cret"); };
  const base::Error error = LogInError();
  EXPECT_EQ(error.kind(), ErrorKind::kLoginRefused);
  EXPECT_THAT(error.what(), AllOf(HasSubstr("log in again"), ::testing::Not(HasSubstr("s3cret"))));
  EXPECT_FALSE(file_.Read());
  person_.Page();
}

TEST_F(BrowserLoginTest, WithoutARefreshTokenNothingIsStored) {
  http_.Answer(200, testing::Grant("tok"));
  person_.acts = [this] { return ComeBack("code=c"); };
  EXPECT_THAT(LogInError().what(), HasSubstr("offline_access"));
  EXPECT_FALSE(file_.Read());
  person_.Page();
}

TEST_F(BrowserLoginTest, AnEndpointWithAQueryKeepsIt) {
  login_.authority.authorization_endpoint = "https://x.test/authorize?p=policy";
  person_.acts = [this] { return ComeBack("error=x"); };
  LogInError();
  EXPECT_THAT(person_.address, StartsWith("https://x.test/authorize?p=policy&response_type=code&"));
  person_.Page();
}

TEST_F(BrowserLoginTest, DeadlineAndWakeEndTheWait) {
  EXPECT_EQ(ErrorOf([this] {
              LogInWithBrowser(login_, http_, base::Clock::System(), person_, net::testing::In(seconds(-1)), wake_);
            }).kind(),
            ErrorKind::kTimeout);
  person_.acts = [this] {
    wake_.Set();
    return std::string();
  };
  EXPECT_EQ(LogInError().kind(), ErrorKind::kCancelled);
  person_.Page();
}

// Each look at it takes six seconds.
class ImpatientClock final : public base::Clock {
 public:
  base::MonoTime Now() const override { return now_ += seconds(6); }
  base::WallTime WallNow() const override { return {}; }

 private:
  mutable base::MonoTime now_;
};

TEST_F(BrowserLoginTest, WhoeverWaitsIsToldNowAndThen) {
  const ImpatientClock clock;
  const base::Error error = ErrorOf(
      [&] { LogInWithBrowser(login_, http_, clock, person_, base::Deadline::After(clock, seconds(600)), wake_); });
  EXPECT_EQ(error.kind(), ErrorKind::kTimeout);
  EXPECT_GE(person_.waits, 10);
  EXPECT_LE(person_.waits, 60);
  EXPECT_LE(person_.waiting, seconds(60));
}

TEST_F(BrowserLoginTest, ThePortMayBeChosenAndMustBeFree) {
  uint16_t port = 0;
  {
    const RedirectListener any(0);
    port = any.port();
    const base::Error error = ErrorOf([port] { RedirectListener{port}; });
    EXPECT_EQ(error.kind(), ErrorKind::kConfig);
    EXPECT_THAT(error.what(), HasSubstr("redirect_port"));
  }
  const RedirectListener chosen(port);
  EXPECT_EQ(chosen.port(), port);
  EXPECT_EQ(chosen.Url(), "http://localhost:" + std::to_string(port) + "/");
}

TEST_F(BrowserLoginTest, BothLoopbackAddressesAreServedAndNoOther) {
  RedirectListener listener(0);
  const base::Secret state("st");
  for (const int family : {AF_INET, AF_INET6}) {
    const UniqueFd probe(::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!probe || (family == AF_INET6 && !ConnectTo(listener.port(), AF_INET6))) continue;
    auto page = std::async(std::launch::async, [&] { return Browse(listener.port(), "/?code=c&state=st", family); });
    EXPECT_EQ(listener.WaitForCode(state, base::Clock::System(), Soon(), wake_).Reveal(), "c");
    EXPECT_THAT(page.get(), StartsWith("HTTP/1.1 200 "));
  }
}

}  // namespace
}  // namespace mailboxfs::oauth
