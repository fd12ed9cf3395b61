// When the endpoint is asked, and when it is left alone.
#include "mailboxfs/oauth/token_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <memory>
#include <thread>

#include "oauth_testing.h"

namespace mailboxfs::oauth {
namespace {

using base::ErrorKind;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using testing::ErrorOf;
using testing::Grant;
using ::testing::HasSubstr;
using testing::kSecret;
using testing::Refusal;

class TokenSourceTest : public ::testing::Test {
 protected:
  AccessToken Get() { return source_->Get(base::Deadline::Never(), wake_); }
  std::string GetValue() { return std::string(Get().value.Reveal()); }
  base::Error GetError() {
    return ErrorOf([this] { Get(); });
  }
  void AnswerLater(std::shared_future<net::HttpResponse> response) {
    http_.Add([response](const base::Deadline&, const base::WakeEvent&) { return response.get(); });
  }
  // A request that only its caller's wake ends.
  void HangUntilWoken() {
    http_.Add([](const base::Deadline&, const base::WakeEvent& wake) -> net::HttpResponse {
      while (!wake.IsSet()) std::this_thread::yield();
      throw base::Error(ErrorKind::kCancelled, "cancelled");
    });
  }
  void AnswerWithHeaders(long status, std::optional<std::string> retry_after,
                         std::optional<std::string> date = std::nullopt) {
    net::HttpResponse response;
    response.status = status;
    response.retry_after = std::move(retry_after);
    response.date = std::move(date);
    http_.Answer(response);
  }
  // The endpoint is not asked for `length`, then it is.
  void ExpectPause(base::Duration length) {
    const size_t before = http_.count();
    clock_.Advance(length - milliseconds(1));
    GetError();
    EXPECT_EQ(http_.count(), before);
    clock_.Advance(milliseconds(1));
    GetError();
    EXPECT_EQ(http_.count(), before + 1);
  }

  static net::HttpResponse Ok(const std::string& body) {
    net::HttpResponse response;
    response.status = 200;
    response.body = body;
    return response;
  }

  base::ManualClock clock_;
  base::WakeEvent wake_;
  testing::FakeHttpClient http_;
  double random_ = 0;
  std::function<base::Secret()> read_secret_ = [] { return base::Secret(kSecret); };
  std::unique_ptr<TokenSource> source_ = MakeTokenSource(
      testing::Credentials("https://login.example.test/token", ClientSecret{[this] { return read_secret_(); }}), http_,
      clock_, [this] { return random_; });
};

TEST_F(TokenSourceTest, TokenIsKeptUntilShortlyBeforeItExpires) {
  http_.Answer(200, Grant("first", R"("expires_in":7200)"));
  http_.Answer(200, Grant("second"));
  EXPECT_EQ(GetValue(), "first");
  EXPECT_EQ(Get().expires, clock_.Now() + seconds(7200));
  clock_.Advance(seconds(7200 - 301));
  EXPECT_EQ(GetValue(), "first");
  EXPECT_EQ(http_.count(), 1U);
  clock_.Advance(seconds(1));  // Five minutes before the end.
  EXPECT_EQ(GetValue(), "second");
}

TEST_F(TokenSourceTest, ShortLivedTokenIsRenewedATenthBeforeItsEnd) {
  http_.Answer(200, Grant("first", R"("expires_in":100)"));
  http_.Answer(200, Grant("second"));
  Get();
  clock_.Advance(milliseconds(89'999));
  EXPECT_EQ(GetValue(), "first");
  clock_.Advance(milliseconds(1));
  EXPECT_EQ(GetValue(), "second");
}

TEST_F(TokenSourceTest, JitterRenewsEarlier) {
  random_ = 0.8;
  http_.Answer(200, Grant("first", R"("expires_in":100)"));
  http_.Answer(200, Grant("second"));
  Get();
  clock_.Advance(seconds(88));  // 10 s and a quarter of 80 % of it.
  EXPECT_EQ(GetValue(), "second");
}

TEST_F(TokenSourceTest, LifetimeCountsFromTheRequestAndNotFromTheAnswer) {
  http_.Add([this](const base::Deadline&, const base::WakeEvent&) {
    clock_.Advance(seconds(20));
    return Ok(Grant("first", R"("expires_in":3600)"));
  });
  const base::MonoTime begun = clock_.Now();
  EXPECT_EQ(Get().expires, begun + seconds(3600));
}

TEST_F(TokenSourceTest, WhileOneRenewsTheOthersAreGivenTheOldToken) {
  std::promise<net::HttpResponse> answer;
  http_.Answer(200, Grant("first"));
  AnswerLater(answer.get_future().share());
  Get();
  clock_.Advance(seconds(3400));
  auto renewal = std::async(std::launch::async, [this] { return GetValue(); });
  ASSERT_TRUE(http_.AwaitRequests(2));
  EXPECT_EQ(GetValue(), "first");
  answer.set_value(Ok(Grant("second")));
  EXPECT_EQ(renewal.get(), "second");
  EXPECT_EQ(GetValue(), "second");
  EXPECT_EQ(http_.count(), 2U);
}

TEST_F(TokenSourceTest, FailedEarlyRenewalKeepsTheOldTokenUntilItsEnd) {
  http_.Answer(200, Grant("first"));
  http_.Answer(401, Refusal("invalid_client", "7000222"));
  Get();
  clock_.Advance(seconds(3400));
  EXPECT_EQ(GetValue(), "first");
  EXPECT_EQ(GetValue(), "first");
  EXPECT_EQ(http_.count(), 2U);  // The refusal is remembered.
  EXPECT_THAT(source_->GetStatus().last_error, HasSubstr("7000222"));
  EXPECT_TRUE(source_->GetStatus().valid);
  clock_.Advance(seconds(200));
  EXPECT_EQ(GetError().kind(), ErrorKind::kLoginRefused);
}

TEST_F(TokenSourceTest, EarlyRenewalDoesNotHoldUpItsCallerForLong) {
  http_.Answer(200, Grant("first"));
  http_.Add([this](const base::Deadline& deadline, const base::WakeEvent&) -> net::HttpResponse {
    EXPECT_LE(deadline.when(), clock_.Now() + seconds(10));
    throw base::Error(ErrorKind::kTimeout, "no answer");
  });
  Get();
  clock_.Advance(seconds(3400));
  EXPECT_EQ(GetValue(), "first");
}

TEST_F(TokenSourceTest, ACallerWhoseTimeIsUpStillGetsATokenThatIsThere) {
  http_.Answer(200, Grant("first"));
  Get();
  clock_.Advance(seconds(3400));
  wake_.Set();
  EXPECT_EQ(std::string(source_->Get(base::Deadline::At(clock_.Now()), wake_).value.Reveal()), "first");
  EXPECT_EQ(http_.count(), 1U);
}

TEST_F(TokenSourceTest, InvalidatedTokenIsNotGivenOutAgain) {
  http_.Answer(200, Grant("first"));
  http_.Answer(200, Grant("second"));
  const AccessToken first = Get();
  source_->Invalidate(first);
  EXPECT_FALSE(source_->GetStatus().valid);
  EXPECT_EQ(GetValue(), "second");
  source_->Invalidate(first);  // Not the one that we hold.
  EXPECT_EQ(GetValue(), "second");
  EXPECT_EQ(http_.count(), 2U);
}

TEST_F(TokenSourceTest, RefusedTokenIsKeptWhileItIsNew) {
  http_.Answer(200, Grant("first"));
  http_.Answer(200, Grant("second"));
  const AccessToken first = Get();
  clock_.Advance(milliseconds(59'999));
  EXPECT_FALSE(source_->Refused(first));
  EXPECT_EQ(GetValue(), "first");
  clock_.Advance(milliseconds(1));
  EXPECT_TRUE(source_->Refused(first));
  EXPECT_EQ(GetValue(), "second");
  // Somebody else has replaced it: there is another one, which is not to blame.
  EXPECT_TRUE(source_->Refused(first));
  EXPECT_EQ(GetValue(), "second");
  EXPECT_EQ(http_.count(), 2U);
}

TEST_F(TokenSourceTest, RefusedTokenIsKeptWhileServersTakeItElsewhere) {
  http_.Answer(200, Grant("first"));
  http_.Answer(200, Grant("second"));
  const AccessToken first = Get();
  clock_.Advance(minutes(30));
  source_->Accepted(first);
  clock_.Advance(milliseconds(59'999));
  EXPECT_FALSE(source_->Refused(first));
  clock_.Advance(milliseconds(1));
  EXPECT_TRUE(source_->Refused(first)) << "what was good may end: revoked, or a new key at the server";
  EXPECT_EQ(GetValue(), "second");
  clock_.Advance(minutes(5));
  source_->Accepted(first);  // Says nothing about the second.
  EXPECT_TRUE(source_->Refused(Get()));
}

TEST_F(TokenSourceTest, ManyRefusedMailboxesNeedAtMostOneTokenAMinute) {
  http_.Answer(200, Grant("tok"));
  for (int i = 0; i < 600; ++i) {
    const AccessToken token = Get();
    source_->Refused(token);
    clock_.Advance(seconds(1));
  }
  EXPECT_EQ(http_.count(), 10U);
}

TEST_F(TokenSourceTest, TokenThatIsKnownToBeDeadIsReplacedAtOnce) {
  http_.Answer(200, Grant("first"));
  http_.Answer(200, Grant("second"));
  const AccessToken first = Get();
  source_->Accepted(first);
  source_->Invalidate(first);
  EXPECT_EQ(GetValue(), "second");
}

TEST_F(TokenSourceTest, TokensOfAVeryShortLifeAreNotAskedForAllTheTime) {
  for (const char* lifetime : {"0", "1", "5"}) {
    http_.Answer(200, Grant("tok", std::string(R"("expires_in":)") + lifetime));
    clock_.Advance(minutes(1));
    const size_t before = http_.count();
    EXPECT_EQ(Get().expires, clock_.Now() + seconds(60)) << "no session could do any work";
    clock_.Advance(milliseconds(4'999));
    Get();
    EXPECT_EQ(http_.count(), before + 1) << lifetime;
    clock_.Advance(milliseconds(1));
    Get();
    EXPECT_EQ(http_.count(), before + 2) << lifetime;
  }
}

TEST_F(TokenSourceTest, TokenPastItsShortLifeIsReplacedIfItIsRefused) {
  http_.Answer(200, Grant("first", R"("expires_in":1)"));
  http_.Answer(200, Grant("second"));
  const AccessToken first = Get();
  EXPECT_FALSE(source_->Refused(first));
  clock_.Advance(seconds(1));
  source_->Accepted(first);
  EXPECT_TRUE(source_->Refused(first));
  EXPECT_EQ(GetValue(), "second");
}

TEST_F(TokenSourceTest, TokenOfTenSecondsIsRenewedInTime) {
  http_.Answer(200, Grant("tok", R"("expires_in":10)"));
  Get();
  EXPECT_EQ(source_->GetStatus().expires_in_seconds, 10);
  clock_.Advance(milliseconds(8'999));
  Get();
  EXPECT_EQ(http_.count(), 1U);
  clock_.Advance(milliseconds(1));
  Get();
  EXPECT_EQ(http_.count(), 2U);
}

TEST_F(TokenSourceTest, StatusCountsAndNeverShowsTheToken) {
  http_.Fail(ErrorKind::kNetwork);
  http_.Answer(200, Grant("first"));
  GetError();
  EXPECT_FALSE(source_->GetStatus().valid);
  EXPECT_EQ(source_->GetStatus().requests, 1U);
  EXPECT_THAT(source_->GetStatus().last_error, HasSubstr("it failed"));
  clock_.Advance(minutes(1));
  Get();
  clock_.Advance(seconds(600));
  const TokenStatus status = source_->GetStatus();
  EXPECT_TRUE(status.valid);
  EXPECT_EQ(status.expires_in_seconds, 3000);
  EXPECT_EQ(status.requests, 2U);
  EXPECT_EQ(status.last_error, "");
}

TEST_F(TokenSourceTest, RefusalIsRememberedForFiveMinutes) {
  http_.Answer(401, Refusal("invalid_client"));
  EXPECT_EQ(GetError().kind(), ErrorKind::kLoginRefused);
  clock_.Advance(seconds(60));
  const base::Error remembered = GetError();
  EXPECT_EQ(remembered.kind(), ErrorKind::kLoginRefused);
  EXPECT_THAT(remembered.what(), HasSubstr("AADSTS7000215"));
  EXPECT_THAT(remembered.what(), HasSubstr("next try in 240 s"));
  EXPECT_EQ(http_.count(), 1U);
  ExpectPause(seconds(240));
}

TEST_F(TokenSourceTest, RetryAfterInSecondsIsHonoured) {
  AnswerWithHeaders(429, "120");
  EXPECT_EQ(GetError().kind(), ErrorKind::kThrottled);
  clock_.Advance(seconds(20));
  const base::Error error = GetError();
  EXPECT_EQ(error.kind(), ErrorKind::kThrottled);
  EXPECT_THAT(error.what(), HasSubstr("next try in 100 s"));
  ExpectPause(seconds(100));
}

TEST_F(TokenSourceTest, RetryAfterAsADateIsHonouredInItsThreeForms) {
  for (const char* date :
       {"Sun, 06 Nov 1994 08:51:17 GMT", "Sunday, 06-Nov-94 08:51:17 GMT", "Sun Nov  6 08:51:17 1994"}) {
    // Counted from the server's own Date, 100 s before: our clock says 2020.
    AnswerWithHeaders(503, date, "Sun, 06 Nov 1994 08:49:37 GMT");
    AnswerWithHeaders(503, date, "Sun, 06 Nov 1994 08:49:37 GMT");
    clock_.Advance(minutes(11));
    EXPECT_EQ(GetError().kind(), ErrorKind::kThrottled) << date;
    ExpectPause(seconds(100));
  }
}

TEST_F(TokenSourceTest, LongRetryAfterIsHonouredUpToADay) {
  for (const auto& [asked, hours] :
       {std::pair("7200", 2), std::pair("604800", 24), std::pair("Fri, 31 Dec 9999 23:59:59 GMT", 24)}) {
    AnswerWithHeaders(429, asked);
    AnswerWithHeaders(429, asked);
    clock_.Advance(std::chrono::hours(25));
    EXPECT_THAT(GetError().what(), HasSubstr("asks for a pause of " + std::to_string(hours * 3600) + " s"));
    const base::MonoTime before = clock_.Now();
    EXPECT_THAT(GetError().what(), HasSubstr("next try in " + std::to_string(hours * 3600) + " s"));
    EXPECT_EQ(clock_.Now(), before) << "nobody waits that long";
    ExpectPause(std::chrono::hours(hours));
  }
}

TEST_F(TokenSourceTest, DatesBeyondAllRangesAreItsEnds) {
  AnswerWithHeaders(503, "Fri, 31 Dec 9999 23:59:59 GMT", "Sat, 01 Jan 0100 00:00:00 GMT");
  EXPECT_THAT(GetError().what(), HasSubstr("asks for a pause of 86400 s"));
  EXPECT_GT(source_->GetStatus().clock_skew.value(), std::chrono::hours(24));
  clock_.Advance(std::chrono::hours(25));
  AnswerWithHeaders(503, "Sat, 01 Jan 0100 00:00:00 GMT", "Fri, 31 Dec 9999 23:59:59 GMT");
  EXPECT_THAT(GetError().what(), HasSubstr("asks for a pause of 1 s"));
  EXPECT_LT(source_->GetStatus().clock_skew.value(), -std::chrono::hours(24));
}

TEST_F(TokenSourceTest, TokenInHandIsUsedWhileTheEndpointIsLeftAlone) {
  http_.Answer(200, Grant("first"));
  AnswerWithHeaders(429, "7200");
  Get();
  clock_.Advance(seconds(3400));
  EXPECT_EQ(GetValue(), "first");
  EXPECT_EQ(GetValue(), "first");
  EXPECT_EQ(http_.count(), 2U);
}

TEST_F(TokenSourceTest, RetryAfterOfZeroOrInThePastIsASecond) {
  for (const char* value : {"0", "Sun, 06 Nov 1994 08:49:37 GMT"}) {
    AnswerWithHeaders(429, value);
    AnswerWithHeaders(429, value);
    clock_.Advance(minutes(11));
    GetError();
    ExpectPause(seconds(1));
  }
}

TEST_F(TokenSourceTest, ThrottleWithoutAUsableHeaderIsAMinute) {
  for (const std::optional<std::string>& value :
       {std::optional<std::string>(), std::optional<std::string>("soon"), std::optional<std::string>("-5"),
        std::optional<std::string>("Sun, 32 Foo 1994 08:49:37 GMT")}) {
    AnswerWithHeaders(429, value);
    AnswerWithHeaders(429, value);
    clock_.Advance(minutes(11));
    EXPECT_EQ(GetError().kind(), ErrorKind::kThrottled);
    ExpectPause(seconds(60));
  }
}

TEST_F(TokenSourceTest, ServerErrorsAreRetriedSoonAFewTimesThenLeftAloneForAMinute) {
  http_.Answer(503, "");
  EXPECT_EQ(GetError().kind(), ErrorKind::kServer);
  for (const int pause : {1, 2, 4, 60, 60, 60}) ExpectPause(seconds(pause));
}

TEST_F(TokenSourceTest, BackoffHasJitterAndStartsAnewAfterSuccess) {
  random_ = 0.5;
  http_.Answer(503, "");
  http_.Answer(503, "");
  http_.Answer(200, Grant("tok", R"("expires_in":0)"));
  http_.Answer(503, "");
  GetError();
  ExpectPause(milliseconds(1125));
  clock_.Advance(minutes(2));
  Get();
  clock_.Advance(seconds(5));
  GetError();
  ExpectPause(milliseconds(1125));
}

TEST_F(TokenSourceTest, NetworkErrorsKeepTheirKindAndBackOffForSecondsOnly) {
  size_t asked = 0;
  for (const ErrorKind kind : {ErrorKind::kNetwork, ErrorKind::kTls, ErrorKind::kTimeout}) {
    http_.Fail(kind);
    clock_.Advance(minutes(11));
    const base::Error error = GetError();
    EXPECT_EQ(error.kind(), kind);
    EXPECT_THAT(error.what(), HasSubstr("https://login.example.test/token"));
    EXPECT_EQ(GetError().kind(), kind);
    EXPECT_EQ(http_.count(), ++asked);  // The second was from memory.
  }
  for (int i = 0; i < 10; ++i) {
    clock_.Advance(seconds(10));
    GetError();
  }
  ExpectPause(seconds(10));
}

TEST_F(TokenSourceTest, EndpointThatHangsIsAFailureHoweverPatientTheCaller) {
  http_.Add([this](const base::Deadline& deadline, const base::WakeEvent&) -> net::HttpResponse {
    EXPECT_EQ(deadline.when(), clock_.Now() + seconds(30));
    throw base::Error(ErrorKind::kTimeout, "no answer");
  });
  EXPECT_EQ(GetError().kind(), ErrorKind::kTimeout);
  EXPECT_EQ(GetError().kind(), ErrorKind::kTimeout);
  EXPECT_EQ(http_.count(), 1U);  // Remembered.
}

TEST_F(TokenSourceTest, SecretIsReadAnewForEachRequest) {
  http_.Answer(200, Grant("tok", R"("expires_in":0)"));
  Get();
  read_secret_ = [] { return base::Secret("renewed secret"); };
  clock_.Advance(seconds(5));
  Get();
  EXPECT_EQ(http_.request(0).form.back().second, kSecret);
  EXPECT_EQ(http_.request(1).form.back().second, "renewed secret");
}

TEST_F(TokenSourceTest, UnreadableOrEmptySecretIsAConfigErrorThatIsRememberedForSecondsOnly) {
  http_.Answer(200, Grant("tok"));
  int reads = 0;
  read_secret_ = [&]() -> base::Secret {
    ++reads;
    throw base::Error(ErrorKind::kConfig, "cannot read /secret");
  };
  int expected = 0;
  for (const int pause : {1, 2, 4, 8, 10, 10}) {
    EXPECT_EQ(GetError().kind(), ErrorKind::kConfig);
    EXPECT_EQ(reads, ++expected);
    clock_.Advance(seconds(pause) - milliseconds(1));
    EXPECT_THAT(GetError().what(), HasSubstr("cannot read /secret"));
    EXPECT_EQ(reads, expected) << "a command is not run for each mailbox";
    clock_.Advance(milliseconds(1));
  }
  read_secret_ = [] { return base::Secret(); };
  EXPECT_EQ(GetError().kind(), ErrorKind::kConfig);
  EXPECT_EQ(http_.count(), 0U);
  EXPECT_EQ(source_->GetStatus().requests, 0U);
  read_secret_ = [] { return base::Secret(kSecret); };
  clock_.Advance(seconds(10));
  EXPECT_EQ(GetValue(), "tok");
}

TEST_F(TokenSourceTest, WhoMendsSomethingNeedNotWaitButAPauseThatTheServerAskedForStays) {
  source_->ForgetRefusal();
  read_secret_ = []() -> base::Secret { throw base::Error(ErrorKind::kConfig, "cannot read /secret"); };
  GetError();
  read_secret_ = [] { return base::Secret(kSecret); };
  source_->ForgetRefusal();
  http_.Answer(401, Refusal("invalid_client"));
  EXPECT_EQ(GetError().kind(), ErrorKind::kLoginRefused);
  source_->ForgetRefusal();
  AnswerWithHeaders(429, "120");
  EXPECT_EQ(GetError().kind(), ErrorKind::kThrottled);
  source_->ForgetRefusal();
  ExpectPause(seconds(120));
  EXPECT_EQ(http_.count(), 3U);
}

TEST_F(TokenSourceTest, CallerWhoseTimeIsUpDoesNotAsk) {
  http_.Answer(200, Grant("tok"));
  EXPECT_EQ(ErrorOf([&] { source_->Get(base::Deadline::At(clock_.Now()), wake_); }).kind(), ErrorKind::kTimeout);
  wake_.Set();
  EXPECT_EQ(GetError().kind(), ErrorKind::kCancelled);
  EXPECT_EQ(http_.count(), 0U);
}

TEST_F(TokenSourceTest, ManyThreadsAtOnceMakeOneRequest) {
  constexpr size_t kThreads = 64;
  std::promise<net::HttpResponse> answer;
  AnswerLater(answer.get_future().share());
  std::atomic<size_t> started{0};
  std::vector<std::future<std::string>> results;
  for (size_t i = 0; i < kThreads; ++i) {
    results.push_back(std::async(std::launch::async, [&] {
      ++started;
      return GetValue();
    }));
  }
  while (started < kThreads) std::this_thread::yield();
  ASSERT_TRUE(http_.AwaitRequests(1));
  answer.set_value(Ok(Grant("tok")));
  for (auto& result : results) EXPECT_EQ(result.get(), "tok");
  EXPECT_EQ(http_.count(), 1U);
}

// Threads that lead a flight, and join it once it is known to be under way.
class FlightTest : public TokenSourceTest {
 protected:
  // Whether the flight has been joined cannot be seen from outside; not having come back is near enough.
  static bool Waits(const std::future<base::Error>& future) {
    return future.wait_for(milliseconds(50)) == std::future_status::timeout;
  }
  std::future<base::Error> Start(const base::Deadline& deadline, const base::WakeEvent& wake) {
    return std::async(std::launch::async,
                      [this, deadline, &wake] { return ErrorOf([&] { source_->Get(deadline, wake); }); });
  }
};

TEST_F(FlightTest, FailureIsForAllWhoWait) {
  std::promise<net::HttpResponse> answer;
  AnswerLater(answer.get_future().share());
  auto leader = Start(base::Deadline::Never(), wake_);
  ASSERT_TRUE(http_.AwaitRequests(1));
  auto waiter = Start(base::Deadline::Never(), wake_);
  EXPECT_TRUE(Waits(waiter));
  net::HttpResponse refusal = Ok(Refusal("invalid_client"));
  refusal.status = 401;
  answer.set_value(refusal);
  EXPECT_EQ(leader.get().kind(), ErrorKind::kLoginRefused);
  EXPECT_EQ(waiter.get().kind(), ErrorKind::kLoginRefused);
  EXPECT_EQ(http_.count(), 1U);
}

TEST_F(FlightTest, WaiterThatLeavesDoesNotHurtTheOthers) {
  std::promise<net::HttpResponse> answer;
  AnswerLater(answer.get_future().share());
  auto leader = Start(base::Deadline::Never(), wake_);
  ASSERT_TRUE(http_.AwaitRequests(1));
  base::WakeEvent waiter_wake;
  auto waiter = Start(base::Deadline::Never(), waiter_wake);
  EXPECT_TRUE(Waits(waiter));
  waiter_wake.Set();
  EXPECT_EQ(waiter.get().kind(), ErrorKind::kCancelled);
  // One whose time is up as it comes, in a flight that goes on.
  EXPECT_EQ(Start(base::Deadline::At(clock_.Now()), wake_).get().kind(), ErrorKind::kTimeout);
  answer.set_value(Ok(Grant("tok")));
  EXPECT_STREQ(leader.get().what(), "no error");
}

TEST_F(FlightTest, LeaderThatLeavesIsReplacedByAWaiter) {
  HangUntilWoken();
  http_.Answer(200, Grant("tok"));
  base::WakeEvent leader_wake;
  auto leader = Start(base::Deadline::Never(), leader_wake);
  ASSERT_TRUE(http_.AwaitRequests(1));
  auto waiter = Start(base::Deadline::Never(), wake_);
  auto other = Start(base::Deadline::Never(), wake_);
  EXPECT_TRUE(Waits(waiter));
  EXPECT_TRUE(Waits(other));
  leader_wake.Set();
  EXPECT_EQ(leader.get().kind(), ErrorKind::kCancelled);
  EXPECT_STREQ(waiter.get().what(), "no error");
  EXPECT_STREQ(other.get().what(), "no error");
  EXPECT_EQ(http_.count(), 2U);
  EXPECT_EQ(source_->GetStatus().requests, 2U);
}

TEST_F(FlightTest, LeaderWhoseTimeIsUpIsReplacedAndNothingIsRemembered) {
  http_.Fail(ErrorKind::kTimeout);
  http_.Answer(200, Grant("tok"));
  EXPECT_EQ(Start(base::Deadline::At(clock_.Now() + seconds(5)), wake_).get().kind(), ErrorKind::kTimeout);
  EXPECT_EQ(GetValue(), "tok");
}

TEST_F(FlightTest, TokenWithoutLifetimeServesAllWhoWaitForIt) {
  std::promise<net::HttpResponse> answer;
  AnswerLater(answer.get_future().share());
  auto leader = Start(base::Deadline::Never(), wake_);
  ASSERT_TRUE(http_.AwaitRequests(1));
  auto waiter = Start(base::Deadline::Never(), wake_);
  EXPECT_TRUE(Waits(waiter));
  answer.set_value(Ok(Grant("tok", R"("expires_in":0)")));
  EXPECT_STREQ(leader.get().what(), "no error");
  EXPECT_STREQ(waiter.get().what(), "no error");
  EXPECT_EQ(http_.count(), 1U);
}

}  // namespace
}  // namespace mailboxfs::oauth
