#include "managed_identity.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>

#include "oauth_testing.h"

namespace mailboxfs::oauth {
namespace {

using base::ErrorKind;
using std::chrono::seconds;
using testing::ErrorOf;
using ::testing::HasSubstr;

// An hour passes with each look at it, so that nobody waits.
class HastyClock final : public base::ManualClock {
 public:
  base::MonoTime Now() const override {
    const_cast<HastyClock*>(this)->Advance(std::chrono::hours(1));
    return ManualClock::Now();
  }
};

class ManagedIdentityTest : public ::testing::Test {
 protected:
  static ManagedIdentity Identity() {
    return {"http://169.254.169.254/metadata/identity/oauth2/token", "https://outlook.office365.com", std::nullopt};
  }
  static std::string Answer() {
    return R"({"access_token":"tok","refresh_token":"","expires_in":"3599","expires_on":"1506484173",)"
           R"("not_before":"1506480273","resource":"https://outlook.office365.com","token_type":"Bearer"})";
  }
  TokenAnswer Ask(ManagedIdentityRequest& request, base::Duration patience) {
    return request.Ask(base::Deadline::After(clock_, patience), wake_);
  }

  base::ManualClock clock_;
  base::WakeEvent wake_;
  testing::FakeHttpClient http_;
};

TEST_F(ManagedIdentityTest, ItIsADirectGetWithTheHeaderThatTheServiceWants) {
  http_.Answer(200, Answer());
  ManagedIdentity grant = Identity();
  grant.identity = {"client_id", "4f5a&1"};
  const auto source = MakeTokenSource(grant, http_, clock_, [] { return 0.0; });
  const AccessToken token = source->Get(base::Deadline::Never(), wake_);
  EXPECT_EQ(token.value.Reveal(), "tok");
  EXPECT_EQ(token.expires, clock_.Now() + seconds(3599)) << "of the string";
  const net::HttpRequest request = http_.request(0);
  EXPECT_EQ(request.method, net::HttpRequest::Method::kGet);
  EXPECT_EQ(request.url,
            "http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01"
            "&resource=https%3A%2F%2Foutlook.office365.com&client_id=4f5a%261");
  EXPECT_TRUE(request.direct);
  EXPECT_THAT(request.headers, ::testing::ElementsAre(std::pair<std::string, std::string>("Metadata", "true")));
  EXPECT_TRUE(request.form.empty());
}

TEST_F(ManagedIdentityTest, ExpiresOnServesWhereExpiresInIsMissing) {
  const auto end = std::chrono::duration_cast<seconds>(clock_.WallNow().time_since_epoch()).count() + 1234;
  http_.Answer(200, R"({"access_token":"tok","expires_on":")" + std::to_string(end) + "\"}");
  const auto source = MakeTokenSource(Identity(), http_, clock_, [] { return 0.0; });
  EXPECT_EQ(source->Get(base::Deadline::Never(), wake_).expires, clock_.Now() + seconds(1234));
}

TEST_F(ManagedIdentityTest, AServiceThatIsNotReadyIsAskedAgainWithinTheSameCall) {
  HastyClock clock;
  for (const int status : {404, 410, 429, 500, 503}) http_.Answer(status, "");
  http_.Answer(200, Answer());
  ManagedIdentityRequest request(Identity(), http_, clock);
  const TokenAnswer answer = request.Ask(base::Deadline::Never(), wake_);
  EXPECT_TRUE(std::holds_alternative<TokenGrant>(answer.outcome));
  EXPECT_EQ(http_.count(), 6U);
}

TEST_F(ManagedIdentityTest, WhatTheDeadlineLeavesNoTimeForIsAPause) {
  http_.Answer(404, "");
  ManagedIdentityRequest request(Identity(), http_, clock_);
  // The first retry comes at once.
  EXPECT_EQ(std::get<TokenFailure>(Ask(request, seconds(1)).outcome).length, seconds(2));
  EXPECT_EQ(http_.count(), 2U);
  for (const int pause : {6, 14, 30, 30}) {
    const TokenAnswer answer = Ask(request, seconds(1));
    const auto& failure = std::get<TokenFailure>(answer.outcome);
    EXPECT_EQ(failure.pause, Pause::kFixed);
    EXPECT_EQ(failure.length, seconds(pause));
    EXPECT_EQ(failure.refusal.value().cause, "not-found");
    EXPECT_THAT(failure.error.what(), HasSubstr("no managed identity, or not yet"));
  }
  http_.Answer(200, Answer());
  http_.Answer(404, "");
  Ask(request, seconds(1));
  EXPECT_EQ(std::get<TokenFailure>(Ask(request, seconds(1)).outcome).length, seconds(2)) << "from the beginning";
}

TEST_F(ManagedIdentityTest, ALongerRetryAfterIsHonoured) {
  net::HttpResponse response;
  response.status = 429;
  response.retry_after = "45";
  http_.Answer(response);
  ManagedIdentityRequest request(Identity(), http_, clock_);
  EXPECT_EQ(std::get<TokenFailure>(Ask(request, seconds(40)).outcome).length, seconds(45));
  EXPECT_EQ(http_.count(), 1U);
}

TEST_F(ManagedIdentityTest, WakeEndsTheWait) {
  http_.Add([this](const base::Deadline&, const base::WakeEvent&) {
    wake_.Set();
    net::HttpResponse response;
    response.status = 404;
    return response;
  });
  ManagedIdentityRequest request(Identity(), http_, clock_);
  EXPECT_EQ(ErrorOf([&] { Ask(request, seconds(30)); }).kind(), ErrorKind::kCancelled);
}

TEST_F(ManagedIdentityTest, OtherRefusalsAreNotRepeatedAndSayWhatToDo) {
  http_.Answer(400, R"({"error":"invalid_request","error_description":"Identity not found"})");
  const auto source = MakeTokenSource(Identity(), http_, clock_, [] { return 0.0; });
  const base::Error error = ErrorOf([&] { source->Get(base::Deadline::Never(), wake_); });
  EXPECT_EQ(error.kind(), ErrorKind::kLoginRefused);
  EXPECT_THAT(error.what(), HasSubstr("Identity not found; assign the identity"));
  EXPECT_EQ(http_.count(), 1U);
}

TEST_F(ManagedIdentityTest, WhereThereIsNoServiceThatIsSaidSoon) {
  for (const ErrorKind kind : {ErrorKind::kNetwork, ErrorKind::kTimeout}) {
    http_.Add([this, kind](const base::Deadline& deadline, const base::WakeEvent&) -> net::HttpResponse {
      EXPECT_EQ(deadline.when(), clock_.Now() + seconds(10));
      throw base::Error(kind, "no answer");
    });
    const auto source = MakeTokenSource(Identity(), http_, clock_, [] { return 0.0; });
    const base::Error error = ErrorOf([&] { source->Get(base::Deadline::After(clock_, seconds(20)), wake_); });
    EXPECT_EQ(error.kind(), kind);
    EXPECT_THAT(error.what(), HasSubstr("this machine has no managed identity, or its metadata service"));
    EXPECT_THAT(source->GetStatus().last_error, HasSubstr("no managed identity")) << "an outcome for all who wait";
  }
}

}  // namespace
}  // namespace mailboxfs::oauth
