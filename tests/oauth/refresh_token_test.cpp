// Refresh tokens, their rotation, and the file that they live in.
#include "refresh_token.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <csignal>
#include <filesystem>
#include <future>
#include <memory>
#include <thread>

#include "crypto.h"
#include "login_file.h"
#include "mailboxfs/base/encoding.h"
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
using testing::Refusal;

class RefreshTokenTest : public ::testing::Test {
 protected:
  static std::string Rotated(const std::string& access, const std::string& refresh) {
    return R"({"token_type":"Bearer","access_token":")" + access + R"(","refresh_token":")" + refresh +
           R"(","expires_in":0})";
  }
  RefreshToken Grant() {
    RefreshToken grant;
    grant.authority.token_endpoint = "https://x.test/token";
    grant.client = {"client", authentication_};
    grant.scope = "imap offline_access";
    grant.file = file_.path();
    grant.initial = initial_;
    grant.remedy = "run: mailboxfs login contoso";
    return grant;
  }
  // As `mailboxfs login` leaves it.
  void LogIn(const std::string& token, const std::string& client = "client",
             const std::string& endpoint = "https://x.test/token") {
    const LoginLock lock(file_, clock_, base::Deadline::Never(), wake_);
    StoredLogin login;
    login.client_id = client;
    login.token_endpoint = endpoint;
    login.refresh_token = base::Secret(token);
    file_.Write(login, clock_.WallNow());
  }
  std::string Get() {
    if (!source_) source_ = MakeTokenSource(Grant(), http_, clock_, [] { return 0.0; });
    return std::string(source_->Get(base::Deadline::Never(), wake_).value.Reveal());
  }
  // When the last token is no longer good.
  std::string GetNext() {
    clock_.Advance(seconds(10));
    return Get();
  }
  base::Error GetError() {
    return ErrorOf([this] { Get(); });
  }
  std::string Stored() { return std::string(file_.Read().value().refresh_token.Reveal()); }
  std::string Sent(size_t request) { return Field(http_.request(request), "refresh_token"); }

  testing::TemporaryDirectory directory_;
  base::ManualClock clock_;
  base::WakeEvent wake_;
  testing::FakeHttpClient http_;
  LoginFile file_{directory_.Path("logins/contoso.json")};
  ClientAuthentication authentication_;
  SecretReader initial_;
  std::unique_ptr<TokenSource> source_;
};

TEST_F(RefreshTokenTest, TheFormIsWhatTheRfcAsksFor) {
  LogIn("first");
  http_.Answer(200, Rotated("tok", "second"));
  EXPECT_EQ(Get(), "tok");
  const std::vector<std::pair<std::string, std::string>> expected = {{"grant_type", "refresh_token"},
                                                                     {"client_id", "client"},
                                                                     {"scope", "imap offline_access"},
                                                                     {"refresh_token", "first"}};
  EXPECT_EQ(http_.request(0).form, expected);
}

TEST_F(RefreshTokenTest, AConfidentialClientShowsWhoItIs) {
  authentication_ = ClientSecret{Gives("the secret")};
  LogIn("first");
  http_.Answer(200, Rotated("tok", "second"));
  Get();
  EXPECT_EQ(Field(http_.request(0), "client_secret"), "the secret");
}

TEST_F(RefreshTokenTest, EachAnswersTokenIsTheNextToBeSent) {
  LogIn("r1");
  http_.Answer(200, Rotated("a1", "r2"));
  http_.Answer(200, Rotated("a2", "r3"));
  EXPECT_EQ(Get(), "a1");
  EXPECT_EQ(Stored(), "r2");
  EXPECT_EQ(GetNext(), "a2");
  EXPECT_EQ(Sent(1), "r2");
  EXPECT_EQ(Stored(), "r3");
  source_.reset();
  http_.Answer(200, Rotated("a3", "r4"));
  EXPECT_EQ(Get(), "a3") << "after a restart";
  EXPECT_EQ(Sent(2), "r3");
}

// What was sent for it is spent.
TEST_F(RefreshTokenTest, TheNextOneIsKeptThoughTheAccessTokenBesideItIsOfNoUse) {
  LogIn("r1");
  http_.Answer(200, R"({"token_type":"Bearer","expires_in":3600,"refresh_token":"r2"})");
  EXPECT_EQ(GetError().kind(), ErrorKind::kServer);
  EXPECT_EQ(Stored(), "r2");
  clock_.Advance(seconds(60));
  http_.Answer(200, R"({"token_type":"mac","access_token":"a2","refresh_token":"r3"})");
  EXPECT_EQ(GetError().kind(), ErrorKind::kServer);
  EXPECT_EQ(Sent(1), "r2");
  EXPECT_EQ(Stored(), "r3");
}

TEST_F(RefreshTokenTest, TheOldOneStaysUntilTheNewOneIsThere) {
  LogIn("r1");
  http_.Add([this](const base::Deadline&, const base::WakeEvent&) -> net::HttpResponse {
    EXPECT_EQ(Stored(), "r1");
    throw base::Error(ErrorKind::kNetwork, "it broke");
  });
  EXPECT_EQ(GetError().kind(), ErrorKind::kNetwork);
  EXPECT_EQ(Stored(), "r1");
}

TEST_F(RefreshTokenTest, AnAnswerWithoutANewOneKeepsTheOld) {
  LogIn("r1");
  http_.Answer(200, testing::Grant("a1", R"("expires_in":0)"));
  Get();
  const std::string version = file_.Version();
  GetNext();
  EXPECT_EQ(Sent(1), "r1");
  EXPECT_EQ(file_.Version(), version) << "nothing was to be written";
}

TEST_F(RefreshTokenTest, TheFileIsLockedWhileTheEndpointIsAsked) {
  LogIn("r1");
  http_.Add([this](const base::Deadline&, const base::WakeEvent&) {
    EXPECT_FALSE(LoginLock::Try(file_));
    net::HttpResponse response;
    response.status = 200;
    response.body = Rotated("a1", "r2");
    return response;
  });
  Get();
  EXPECT_TRUE(LoginLock::Try(file_));
}

TEST_F(RefreshTokenTest, TwoProcessesTakeTurns) {
  LogIn("r1");
  std::promise<void> go;
  http_.Add([future = go.get_future().share()](const base::Deadline&, const base::WakeEvent&) {
    future.wait();
    net::HttpResponse response;
    response.status = 200;
    response.body = Rotated("a1", "r2");
    return response;
  });
  http_.Answer(200, Rotated("a2", "r3"));
  const auto other = MakeTokenSource(Grant(), http_, clock_, [] { return 0.0; });
  auto first = std::async(std::launch::async, [this] { return Get(); });
  ASSERT_TRUE(http_.AwaitRequests(1));
  auto second = std::async(std::launch::async,
                           [&] { return std::string(other->Get(base::Deadline::Never(), wake_).value.Reveal()); });
  EXPECT_EQ(second.wait_for(std::chrono::milliseconds(60)), std::future_status::timeout);
  EXPECT_EQ(http_.count(), 1U);
  go.set_value();
  EXPECT_EQ(first.get(), "a1");
  EXPECT_EQ(second.get(), "a2");
  EXPECT_EQ(Sent(1), "r2");
  EXPECT_EQ(Stored(), "r3");
}

TEST_F(RefreshTokenTest, WhoLeavesDoesNotLoseTheNextToken) {
  LogIn("r1");
  source_ = MakeTokenSource(Grant(), http_, clock_, [] { return 0.0; });
  bool would_be_cut_off = true;
  http_.Add([&](const base::Deadline& deadline, const base::WakeEvent& wake) {
    wake_.Set();  // The server has the request, and its answer is under way.
    would_be_cut_off = wake.IsSet() || deadline.Passed(clock_.Now() + seconds(59));
    net::HttpResponse response;
    response.status = 200;
    response.body = Rotated("a1", "r2");
    return response;
  });
  EXPECT_EQ(source_->Get(base::Deadline::At(clock_.Now() + seconds(1)), wake_).value.Reveal(), "a1");
  EXPECT_FALSE(would_be_cut_off);
  EXPECT_EQ(Stored(), "r2");
}

TEST_F(RefreshTokenTest, AnEarlyRenewalIsWaitedForByItsLeaderAlone) {
  LogIn("r1");
  http_.Answer(200, testing::Grant("a1", R"("expires_in":3600)"));
  Get();
  clock_.Advance(seconds(3400));
  http_.Add([this](const base::Deadline& deadline, const base::WakeEvent&) {
    EXPECT_GE(deadline.when(), clock_.Now() + seconds(60));
    EXPECT_EQ(std::async(std::launch::async, [this] { return Get(); }).get(), "a1");
    net::HttpResponse response;
    response.status = 200;
    response.body = Rotated("a2", "r2");
    return response;
  });
  EXPECT_EQ(Get(), "a2");
  EXPECT_EQ(Stored(), "r2");
}

TEST_F(RefreshTokenTest, AnEndpointThatHangsIsRememberedThoughItsCallerWantedToLeaveBefore) {
  LogIn("r1");
  source_ = MakeTokenSource(Grant(), http_, clock_, [] { return 0.0; });
  http_.Add([this](const base::Deadline&, const base::WakeEvent&) -> net::HttpResponse {
    clock_.Advance(seconds(60));
    throw base::Error(ErrorKind::kTimeout, "no answer");
  });
  ErrorOf([this] { source_->Get(base::Deadline::At(clock_.Now() + seconds(1)), wake_); });
  EXPECT_EQ(GetError().kind(), ErrorKind::kTimeout);
  EXPECT_EQ(http_.count(), 1U);
}

TEST_F(RefreshTokenTest, WhoIsInterruptedHasTheNewTokenOnTheDiskFirst) {
  LogIn("r1");
  testing::noted_file = file_.path();
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT}) {
    testing::ForgetNoted();
    auto* const before = std::signal(signal, &testing::NoteFile);
    const std::string token = "rotated-" + std::to_string(signal);
    http_.Add([&](const base::Deadline&, const base::WakeEvent&) {
      std::raise(signal);
      EXPECT_EQ(testing::Noted(), "");
      net::HttpResponse response;
      response.status = 200;
      response.body = Rotated("a1", token);
      return response;
    });
    GetNext();
    EXPECT_THAT(testing::Noted(), HasSubstr(token));
    std::signal(signal, before);
  }
}

TEST_F(RefreshTokenTest, WithoutALoginNobodyIsAskedUntilThereIsOne) {
  const base::Error error = GetError();
  EXPECT_EQ(error.kind(), ErrorKind::kLoginRefused);
  EXPECT_STREQ(error.what(), "nobody has logged in yet; run: mailboxfs login contoso");
  EXPECT_EQ(source_->GetStatus().requests, 0U);
  EXPECT_EQ(source_->GetStatus().last_refusal.value().cause, "login-needed");
  EXPECT_FALSE(std::filesystem::exists(directory_.Path("logins")));
  EXPECT_EQ(http_.count(), 0U);
  LogIn("r1");
  http_.Answer(200, Rotated("a1", "r2"));
  EXPECT_EQ(Get(), "a1") << "at once";
}

TEST_F(RefreshTokenTest, ARefusalSaysHowToLogInAndEndsWithTheNextLogin) {
  LogIn("r1");
  http_.Answer(400, Refusal("invalid_grant", "700082"));
  const base::Error error = GetError();
  EXPECT_EQ(error.kind(), ErrorKind::kLoginRefused);
  EXPECT_THAT(error.what(), HasSubstr("; run: mailboxfs login contoso"));
  EXPECT_THAT(error.what(), Not(HasSubstr("r1")));
  EXPECT_EQ(GetError().kind(), ErrorKind::kLoginRefused);
  EXPECT_EQ(http_.count(), 1U) << "remembered";
  http_.Answer(200, Rotated("a1", "r3"));
  LogIn("r2");
  EXPECT_EQ(Get(), "a1");
  EXPECT_EQ(Sent(1), "r2");
}

TEST_F(RefreshTokenTest, APauseThatTheServerAskedForOutlivesALogin) {
  LogIn("r1");
  http_.Answer(429, "");
  EXPECT_EQ(GetError().kind(), ErrorKind::kThrottled);
  LogIn("r2");
  EXPECT_EQ(GetError().kind(), ErrorKind::kThrottled);
  EXPECT_EQ(http_.count(), 1U);
}

TEST_F(RefreshTokenTest, AConditionalAccessPolicyIsNotCuredByALogin) {
  LogIn("r1");
  http_.Answer(400, Refusal("invalid_grant", "53003"));
  EXPECT_THAT(GetError().what(), AllOf(HasSubstr("Conditional Access"), Not(HasSubstr("mailboxfs login"))));
}

TEST_F(RefreshTokenTest, ATokenGoesOnlyWhereItCameFrom) {
  for (const auto& [client, endpoint] :
       {std::pair("client", "https://elsewhere.test/token"), std::pair("other", "https://x.test/token")}) {
    LogIn("r1", client, endpoint);
    const base::Error error = GetError();
    EXPECT_EQ(error.kind(), ErrorKind::kLoginRefused);
    EXPECT_THAT(error.what(), HasSubstr("mailboxfs login contoso"));
    EXPECT_EQ(http_.count(), 0U);
  }
}

TEST_F(RefreshTokenTest, TheConfiguredOneIsTheFirst) {
  initial_ = Gives("configured");
  http_.Answer(200, Rotated("a1", "r2"));
  http_.Answer(200, Rotated("a2", "r3"));
  EXPECT_EQ(Get(), "a1");
  EXPECT_EQ(Sent(0), "configured");
  EXPECT_EQ(file_.Read().value().initial_digest, base::HexEncode(Sha256("configured")));
  source_.reset();
  EXPECT_EQ(Get(), "a2");
  EXPECT_EQ(Sent(1), "r2") << "what descends from it is newer";
  EXPECT_EQ(file_.Read().value().initial_digest, base::HexEncode(Sha256("configured")));
}

TEST_F(RefreshTokenTest, AnotherConfiguredOneIsANewBeginning) {
  initial_ = Gives("configured");
  http_.Answer(200, Rotated("a1", "r2"));
  Get();
  source_.reset();
  initial_ = Gives("configured anew");
  http_.Answer(200, Rotated("a2", "r5"));
  EXPECT_EQ(Get(), "a2");
  EXPECT_EQ(Sent(1), "configured anew");
  EXPECT_EQ(Stored(), "r5");
}

TEST_F(RefreshTokenTest, AConfiguredOneThatIsNotRotatedIsNotCopied) {
  initial_ = Gives("configured");
  http_.Answer(200, testing::Grant("a1", R"("expires_in":0)"));
  Get();
  GetNext();
  EXPECT_EQ(Sent(1), "configured");
  EXPECT_FALSE(std::filesystem::exists(file_.path()));
}

TEST_F(RefreshTokenTest, AFileThatOthersCanReadStopsItUntilItIsMadePrivate) {
  LogIn("r1");
  ::chmod(file_.path().c_str(), 0644);
  EXPECT_EQ(GetError().kind(), ErrorKind::kConfig);
  EXPECT_EQ(http_.count(), 0U);
  ::chmod(file_.path().c_str(), 0600);
  http_.Answer(200, Rotated("a1", "r2"));
  EXPECT_EQ(GetNext(), "a1");
}

// A disk on which nothing can be written: there is something in the draft's place.
class FullDiskTest : public RefreshTokenTest {
 protected:
  void Fill() { std::filesystem::create_directories(file_.path() + ".tmp/x"); }
  void Free() { std::filesystem::remove_all(file_.path() + ".tmp"); }
};

TEST_F(FullDiskTest, TheNewTokenIsKeptInMemoryAndUsed) {
  LogIn("r1");
  Fill();
  http_.Answer(200, Rotated("a1", "r2"));
  http_.Answer(200, Rotated("a2", "r3"));
  http_.Answer(200, Rotated("a3", "r4"));
  EXPECT_EQ(Get(), "a1");
  EXPECT_EQ(Stored(), "r1");
  EXPECT_EQ(GetNext(), "a2");
  EXPECT_EQ(Sent(1), "r2");
  Free();
  EXPECT_EQ(GetNext(), "a3");
  EXPECT_EQ(Sent(2), "r3");
  EXPECT_EQ(Stored(), "r4");
}

TEST_F(FullDiskTest, WritingIsTriedAgainAlsoWhileNobodyAsks) {
  LogIn("r1");
  RefreshTokenRequest request(Grant(), http_, clock_, std::chrono::milliseconds(1));
  for (const std::string token : {"r2", "r3"}) {
    Fill();
    http_.Answer(200, Rotated("a1", token));
    request.Ask(base::Deadline::Never(), wake_);
    EXPECT_NE(Stored(), token);
    Free();
    const auto until = std::chrono::steady_clock::now() + seconds(30);
    while (Stored() != token && std::chrono::steady_clock::now() < until) std::this_thread::yield();
    EXPECT_EQ(Stored(), token);
  }
}

TEST_F(FullDiskTest, WritingIsTriedAgainAtTheEnd) {
  LogIn("r1");
  Fill();
  http_.Answer(200, Rotated("a1", "r2"));
  Get();
  Free();
  source_.reset();
  EXPECT_EQ(Stored(), "r2");
}

TEST_F(FullDiskTest, ALoginMeanwhileIsNewerThanWhatWasNotWritten) {
  LogIn("r1");
  Fill();
  http_.Answer(200, Rotated("a1", "r2"));
  http_.Answer(200, Rotated("a2", "r9"));
  Get();
  Free();
  LogIn("r8");
  EXPECT_EQ(GetNext(), "a2");
  EXPECT_EQ(Sent(1), "r8");
  EXPECT_EQ(Stored(), "r9");
  source_.reset();
  EXPECT_EQ(Stored(), "r9");
}

TEST_F(FullDiskTest, ALoginThatIsBeingWrittenIsWaitedFor) {
  LogIn("r1");
  Fill();
  http_.Answer(200, Rotated("a1", "r2"));
  http_.Answer(200, Rotated("a2", "r9"));
  Get();
  Free();
  std::optional<LoginLock> lock(std::in_place, file_, clock_, base::Deadline::Never(), wake_);
  auto next = std::async(std::launch::async, [this] { return GetNext(); });
  EXPECT_EQ(next.wait_for(std::chrono::milliseconds(60)), std::future_status::timeout);
  StoredLogin login = file_.Read().value();
  login.refresh_token = base::Secret("r8");
  file_.Write(login, clock_.WallNow());
  lock.reset();
  EXPECT_EQ(next.get(), "a2");
  EXPECT_EQ(Sent(1), "r8");
}

}  // namespace
}  // namespace mailboxfs::oauth
