// Programs that print tokens.
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
using ::testing::Not;

class TokenCommandTest : public ::testing::Test {
 protected:
  AccessToken Get() { return source_->Get(base::Deadline::Never(), wake_); }
  std::string GetFor(const std::string& output) {
    Restart(output);
    return std::string(Get().value.Reveal());
  }
  base::Error ErrorFor(const std::string& output) {
    Restart(output);
    return ErrorOf([this] { Get(); });
  }
  void Restart(const std::string& output) {
    output_ = output;
    source_ = MakeTokenSource(TokenCommand{[this](const base::Deadline&, const base::WakeEvent&) {
                                             ++runs_;
                                             if (error_) throw base::Error(*error_);
                                             return base::Secret(output_);
                                           },
                                           "pizauth"},
                              http_, clock_, [] { return 0.0; });
  }
  std::string Jwt(seconds lifetime) {
    const auto end = std::chrono::duration_cast<seconds>(clock_.WallNow().time_since_epoch() + lifetime).count();
    return base::Base64UrlEncode("{}") + "." + base::Base64UrlEncode(R"({"exp":)" + std::to_string(end) + "}") + ".x";
  }

  base::ManualClock clock_;
  base::WakeEvent wake_;
  testing::FakeHttpClient http_;
  std::string output_;
  std::optional<base::Error> error_;
  int runs_ = 0;
  std::unique_ptr<TokenSource> source_;
};

TEST_F(TokenCommandTest, OneLineIsTheToken) {
  EXPECT_EQ(GetFor("tok"), "tok");
  EXPECT_EQ(GetFor("\n  tok\r\n\n"), "tok");
}

TEST_F(TokenCommandTest, JsonHasItByOneOfItsNames) {
  EXPECT_EQ(GetFor(R"({"access_token":"tok","expires_in":100})"), "tok");
  EXPECT_EQ(Get().expires, clock_.Now() + seconds(100));
  EXPECT_EQ(
      GetFor("{\n \"accessToken\": \"tok\", \"expires_on\": \"" + std::to_string(50LL * 365 * 86400 + 200) + "\"\n}\n"),
      "tok");
  EXPECT_EQ(Get().expires, clock_.Now() + seconds(200));
  EXPECT_EQ(GetFor(R"({"token":"tok"})"), "tok");
}

TEST_F(TokenCommandTest, WhatIsNoTokenIsSaidAndNotShown) {
  for (const char* output :
       {"", " \n", "tok-1 tok-2", "tok-1\ntok-2", "tok-1\x01", "{\"expires_in\":1,\"x\":\"tok-1\"}",
        "{\"access_token\":\"tok-1", "[\"tok-1\"]\n[]", "{\"access_token\":\"tok-1\\r\\n\"}"}) {
    const base::Error error = ErrorFor(output);
    EXPECT_EQ(error.kind(), ErrorKind::kConfig) << output;
    EXPECT_THAT(error.what(), AllOf(HasSubstr("pizauth"), Not(HasSubstr("tok-1"))));
    EXPECT_EQ(source_->GetStatus().last_refusal.value().cause, "command-failed");
  }
}

TEST_F(TokenCommandTest, ATokenThatSaysHowLongItLivesIsKeptSoLong) {
  GetFor(Jwt(seconds(1000)));
  clock_.Advance(seconds(899));
  Get();
  EXPECT_EQ(runs_, 1);
  clock_.Advance(seconds(1));
  Get();
  EXPECT_EQ(runs_, 2);
}

TEST_F(TokenCommandTest, OfATokenOfUnknownLifeTheProgramIsAskedEachMinuteAndSessionsGoOn) {
  EXPECT_EQ(GetFor("one"), "one");
  EXPECT_EQ(Get().expires, base::MonoTime::max());
  EXPECT_EQ(source_->GetStatus().expires_in_seconds, 60);
  clock_.Advance(std::chrono::milliseconds(59'999));
  Get();
  EXPECT_EQ(runs_, 1);
  output_ = "two";
  clock_.Advance(std::chrono::milliseconds(1));
  EXPECT_EQ(Get().value.Reveal(), "two");
}

TEST_F(TokenCommandTest, TheOldTokenServesWhileTheProgramFails) {
  GetFor("one");
  clock_.Advance(seconds(60));
  error_ = base::Error(ErrorKind::kLoginRefused, "pizauth ended with status 1");
  EXPECT_EQ(Get().value.Reveal(), "one");
  EXPECT_EQ(runs_, 2);
  EXPECT_TRUE(source_->GetStatus().valid);
  EXPECT_THAT(source_->GetStatus().last_error, HasSubstr("status 1"));
  // Nobody takes it any more.
  EXPECT_TRUE(source_->Refused(Get()));
  clock_.Advance(seconds(60));
  EXPECT_EQ(ErrorOf([this] { Get(); }).kind(), ErrorKind::kLoginRefused);
}

TEST_F(TokenCommandTest, AProgramThatFailsIsNotRunAllTheTime) {
  for (const ErrorKind kind : {ErrorKind::kConfig, ErrorKind::kLoginRefused}) {
    runs_ = 0;
    error_ = base::Error(kind, "pizauth ended with status 1; try it by hand");
    const base::Error error = ErrorFor("");
    EXPECT_EQ(error.kind(), kind);
    EXPECT_STREQ(error.what(), "cannot get an access token from pizauth: pizauth ended with status 1; try it by hand");
    EXPECT_EQ(source_->GetStatus().last_refusal.value().cause, "command-failed");
    for (int i = 0; i < 120; ++i) {
      ErrorOf([this] { Get(); });
      clock_.Advance(seconds(1));
    }
    EXPECT_EQ(runs_, 5) << "after 1, 2, 4 and then 60 s";
  }
}

TEST_F(TokenCommandTest, APatientProgramIsTheCallersMatter) {
  error_ = base::Error(ErrorKind::kCancelled, "cancelled");
  EXPECT_EQ(ErrorFor("").kind(), ErrorKind::kCancelled);
  error_.reset();
  EXPECT_EQ(GetFor("tok"), "tok");
}

}  // namespace
}  // namespace mailboxfs::oauth
