// Logins with a code that is typed on another machine (RFC 8628).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>
#include <memory>

#include "login_file.h"
#include "mailboxfs/oauth/login.h"
#include "oauth_testing.h"

namespace mailboxfs::oauth {
namespace {

using base::ErrorKind;
using std::chrono::seconds;
using testing::ErrorOf;
using testing::Field;
using testing::Gives;
using ::testing::HasSubstr;
using ::testing::Not;

// A person who watches; time passes while they are told that they wait.
class Watcher final : public LoginDisplay {
 public:
  explicit Watcher(base::ManualClock& clock) : clock_(clock) {}

  void ShowDeviceCode(const std::string& address, const std::string& code, const std::string& message,
                      seconds valid_for) override {
    shown += address + "|" + code + "|" + message + "|" + std::to_string(valid_for.count()) + "\n";
  }
  void ShowAddress(const std::string& /*address*/) override { ADD_FAILURE(); }
  void ShowWaiting(seconds left) override {
    waits.push_back(left.count());
    clock_.Advance(step);
    if (on_wait) on_wait();
  }

  std::string shown;
  std::vector<int64_t> waits;
  seconds step{60};
  std::function<void()> on_wait;

 private:
  base::ManualClock& clock_;
};

class DeviceCodeTest : public ::testing::Test {
 protected:
  DeviceCodeTest() {
    login_.authority.token_endpoint = "https://x.test/token";
    login_.authority.device_endpoint = "https://x.test/devicecode";
    login_.client = {"client", NoAuthentication{}};
    login_.scope = "imap offline_access";
    login_.file = file_.path();
  }
  static std::string Code(const std::string& rest = R"("expires_in":900,"interval":5)") {
    return R"({"device_code":"dev-s3cret","user_code":"ABCD-1234","verification_uri":"https://x.test/device",)"
           R"("message":"Go there.",)" +
           rest + "}";
  }
  static std::string Pending(const std::string& error = "authorization_pending") {
    return R"({"error":")" + error + "\"}";
  }
  static std::string Tokens() {
    return R"({"access_token":"tok","refresh_token":"refresh","expires_in":3600,"token_type":"Bearer"})";
  }
  AccessToken LogIn() { return LogInWithDeviceCode(login_, http_, clock_, display_, wake_); }
  base::Error LogInError() {
    return ErrorOf([this] { LogIn(); });
  }

  testing::TemporaryDirectory directory_;
  LoginFile file_{directory_.Path("logins/contoso.json")};
  base::ManualClock clock_;
  base::WakeEvent wake_;
  testing::FakeHttpClient http_;
  Watcher display_{clock_};
  InteractiveLogin login_;
};

TEST_F(DeviceCodeTest, TheCodeIsShownPolledForAndEndsInAFile) {
  http_.Answer(200, Code());
  http_.Answer(400, Pending());
  http_.Answer(200, Tokens());
  const AccessToken token = LogIn();
  EXPECT_EQ(token.value.Reveal(), "tok");
  EXPECT_EQ(token.expires, clock_.Now() + seconds(3600));
  EXPECT_EQ(display_.shown, "https://x.test/device|ABCD-1234|Go there.|900\n");
  EXPECT_THAT(display_.waits, ::testing::ElementsAre(900, 840));
  const StoredLogin login = file_.Read().value();
  EXPECT_EQ(login.refresh_token.Reveal(), "refresh");
  EXPECT_EQ(login.client_id, "client");
  EXPECT_EQ(login.token_endpoint, "https://x.test/token");
  EXPECT_EQ(login.initial_digest, "");

  using F = std::pair<std::string, std::string>;
  EXPECT_EQ(http_.request(0).url, "https://x.test/devicecode");
  EXPECT_THAT(http_.request(0).form,
              ::testing::ElementsAre(F("client_id", "client"), F("scope", "imap offline_access")));
  EXPECT_EQ(http_.request(1).url, "https://x.test/token");
  EXPECT_THAT(http_.request(1).form,
              ::testing::ElementsAre(F("grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
                                     F("client_id", "client"), F("device_code", "dev-s3cret")));
}

TEST_F(DeviceCodeTest, AConfidentialClientShowsWhoItIsBothTimes) {
  login_.client.authentication = ClientSecret{Gives("the secret")};
  http_.Answer(200, Code());
  http_.Answer(200, Tokens());
  LogIn();
  EXPECT_EQ(Field(http_.request(0), "client_secret"), "the secret");
  EXPECT_EQ(Field(http_.request(1), "client_secret"), "the secret");
}

TEST_F(DeviceCodeTest, WhoIsInterruptedAsTheAnswerComesHasItOnTheDiskFirst) {
  testing::noted_file = file_.path();
  auto* const before = std::signal(SIGINT, &testing::NoteFile);
  http_.Answer(200, Code());
  for (const auto& [status, body] : {std::pair(400, Pending()), std::pair(200, Tokens())}) {
    http_.Add([status = status, body = body](const base::Deadline&, const base::WakeEvent&) {
      testing::ForgetNoted();
      std::raise(SIGINT);
      EXPECT_EQ(testing::Noted(), "");
      net::HttpResponse response;
      response.status = status;
      response.body = body;
      return response;
    });
  }
  std::vector<std::string> seen;
  display_.on_wait = [&] { seen.push_back(testing::Noted()); };
  LogIn();
  EXPECT_THAT(seen, ::testing::ElementsAre("", ".")) << "not held while nothing can be lost";
  EXPECT_THAT(testing::Noted(), HasSubstr("refresh"));
  std::signal(SIGINT, before);
}

class IntervalTest : public DeviceCodeTest {
 protected:
  using Script = std::function<void(testing::FakeHttpClient&)>;

  // Logs in with so many seconds passing in each wait; after the last one somebody interrupts. The polls that were
  // made.
  size_t PollsIn(const Script& script, const std::vector<int>& waits) {
    testing::FakeHttpClient http;
    script(http);
    size_t wait = 0;
    display_.step = seconds(0);
    display_.on_wait = [&] {
      if (wait < waits.size()) clock_.Advance(seconds(waits[wait++]));
      if (wait == waits.size()) wake_.Set();
    };
    ErrorOf([&] { LogInWithDeviceCode(login_, http, clock_, display_, wake_); });
    wake_.Clear();
    return http.count() - 1;
  }
  // The polls come after just so many seconds each.
  void ExpectWaits(const Script& script, const std::vector<int>& waits) {
    std::vector<int> begun;
    for (const int wait : waits) {
      begun.push_back(wait - 1);
      EXPECT_EQ(PollsIn(script, begun), begun.size() - 1) << "not yet after " << wait - 1 << " s";
      begun.back() = wait;
      EXPECT_EQ(PollsIn(script, begun), begun.size());
    }
  }
};

TEST_F(IntervalTest, ItIsTheServersElseFiveSeconds) {
  ExpectWaits(
      [](auto& http) {
        http.Answer(200, Code(R"("expires_in":900,"interval":7)"));
        http.Answer(200, Tokens());
      },
      {7});
  ExpectWaits(
      [](auto& http) {
        http.Answer(200, Code(R"("expires_in":"900")"));
        http.Answer(200, Tokens());
      },
      {5});
}

TEST_F(IntervalTest, SlowDownMakesItFiveSecondsLongerForGood) {
  ExpectWaits(
      [](auto& http) {
        http.Answer(200, Code());
        http.Answer(400, Pending("slow_down"));
        http.Answer(400, Pending());
        http.Answer(400, Pending("slow_down"));
        http.Answer(200, Tokens());
      },
      {5, 10, 10, 15});
}

TEST_F(IntervalTest, TroubleMakesItTwiceAsLong) {
  ExpectWaits(
      [](auto& http) {
        http.Answer(200, Code());
        http.Fail(ErrorKind::kNetwork);
        http.Fail(ErrorKind::kTimeout);
        http.Answer(503, "<html>");
        http.Answer(400, R"({"error":"temporarily_unavailable"})");
        http.Answer(200, Tokens());
      },
      {5, 10, 20, 40, 60});
}

TEST_F(IntervalTest, APauseThatIsAskedForIsHonouredOnce) {
  ExpectWaits(
      [](auto& http) {
        net::HttpResponse throttled;
        throttled.status = 429;
        throttled.retry_after = "33";
        http.Answer(200, Code());
        http.Answer(throttled);
        http.Answer(400, Pending());
        http.Answer(200, Tokens());
      },
      {5, 33, 5});
}

TEST_F(DeviceCodeTest, WhatEndsALoginSaysWhatToDo) {
  const std::vector<std::pair<std::string, const char*>> ends = {
      {Pending("authorization_declined"), "declined"},
      {Pending("access_denied"), "administrator"},
      {Pending("expired_token"), "not used in time"},
      {Pending("bad_verification_code"), "log in again"},
      {testing::Refusal("invalid_grant", "53003"), "Conditional Access"},
      {testing::Refusal("invalid_client", "7000218"), "public client flows"}};
  for (const auto& [body, words] : ends) {
    http_.Answer(200, Code());
    http_.Answer(400, body);
    const base::Error error = LogInError();
    EXPECT_EQ(error.kind(), ErrorKind::kLoginRefused) << body;
    EXPECT_THAT(error.what(), HasSubstr(words));
    EXPECT_THAT(error.what(), Not(HasSubstr("dev-s3cret")));
  }
  EXPECT_FALSE(file_.Read());
}

TEST_F(DeviceCodeTest, ACodeThatNobodyUsesExpires) {
  http_.Answer(200, Code(R"("expires_in":120,"interval":5)"));
  http_.Answer(400, Pending());
  const base::Error error = LogInError();
  EXPECT_EQ(error.kind(), ErrorKind::kLoginRefused);
  EXPECT_THAT(error.what(), HasSubstr("not used in time"));
  EXPECT_EQ(http_.count(), 3U);
}

TEST_F(DeviceCodeTest, WithoutARefreshTokenNothingIsStored) {
  http_.Answer(200, Code());
  http_.Answer(200, testing::Grant("tok"));
  const base::Error error = LogInError();
  EXPECT_EQ(error.kind(), ErrorKind::kLoginRefused);
  EXPECT_THAT(error.what(), HasSubstr("offline_access"));
  EXPECT_FALSE(file_.Read());
}

TEST_F(DeviceCodeTest, WhatCannotBeShownIsNotShown) {
  for (const char* body :
       {"{}", R"({"device_code":"d","verification_uri":"https://x.test/"})",
        R"({"device_code":"d","user_code":"A\u001b[2J","verification_uri":"https://x.test/"})",
        R"({"device_code":"d","user_code":"A"})", R"({"device_code":"d","user_code":"A","verification_uri":"x.test"})",
        R"({"device_code":"d","user_code":"A","verification_uri":"javascript:alert"})",
        R"({"device_code":"d","user_code":"A","verification_uri":"https://x.test/\u202e"})",
        R"({"device_code":"d","user_code":"A","verification_uri":"https://x.test/ or"})",
        R"({"user_code":"A","verification_uri":"https://x.test/"})"}) {
    http_.Answer(200, body);
    EXPECT_EQ(LogInError().kind(), ErrorKind::kServer) << body;
  }
  EXPECT_EQ(display_.shown, "");
  http_.Answer(200, R"({"device_code":"d","user_code":"A","verification_url":"https://google.test/device",)"
                    R"("message":"a\nb\u001b"})");
  http_.Answer(200, Tokens());
  LogIn();
  EXPECT_EQ(display_.shown, "https://google.test/device|A|a\\x0ab\\x1b|900\n");
}

TEST_F(DeviceCodeTest, ARefusedStartIsSaid) {
  http_.Answer(400, testing::Refusal("unauthorized_client", "700016"));
  const base::Error error = LogInError();
  EXPECT_EQ(error.kind(), ErrorKind::kLoginRefused);
  EXPECT_THAT(error.what(), HasSubstr("cannot start a login at https://x.test/devicecode"));
  EXPECT_THAT(error.what(), HasSubstr("\"tenant\""));
}

TEST_F(DeviceCodeTest, WakeEndsIt) {
  http_.Answer(200, Code());
  display_.step = seconds(0);
  display_.on_wait = [this] { wake_.Set(); };
  EXPECT_EQ(LogInError().kind(), ErrorKind::kCancelled);
  EXPECT_EQ(http_.count(), 1U);
}

TEST_F(DeviceCodeTest, WhereNothingCanBeStoredNobodyIsTroubled) {
  std::ofstream(directory_.Path("logins")) << "a file where the directory should be";
  EXPECT_EQ(LogInError().kind(), ErrorKind::kDisk);
  EXPECT_EQ(http_.count(), 0U);
}

TEST_F(DeviceCodeTest, TheIssuerTellsTheEndpoints) {
  login_.authority = {};
  login_.authority.issuer = "https://x.test";
  http_.Answer(200, R"({"issuer":"https://x.test","token_endpoint":"https://x.test/t",)"
                    R"("device_authorization_endpoint":"https://x.test/d"})");
  http_.Answer(200, Code());
  http_.Answer(200, Tokens());
  LogIn();
  EXPECT_EQ(http_.request(1).url, "https://x.test/d");
  EXPECT_EQ(http_.request(2).url, "https://x.test/t");
  EXPECT_EQ(file_.Read().value().issuer, "https://x.test");
}

}  // namespace
}  // namespace mailboxfs::oauth
