// What the log says, and how often.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>

#include "login_file.h"
#include "mailboxfs/base/log.h"
#include "oauth_testing.h"
#include "rsa_testing.h"

namespace mailboxfs::oauth {
namespace {

using std::chrono::hours;
using std::chrono::seconds;
using testing::ErrorOf;
using testing::Gives;
using testing::Grant;
using ::testing::HasSubstr;
using ::testing::Not;

class WarningsTest : public ::testing::Test {
 protected:
  WarningsTest() {
    ::testing::internal::CaptureStderr();
    base::InitLog({.level = base::LogLevel::kTrace});
  }
  ~WarningsTest() override {
    if (capturing_) TakeLog();
  }
  std::string TakeLog() {
    base::InitLog({});
    capturing_ = false;
    return ::testing::internal::GetCapturedStderr();
  }
  static size_t Count(const std::string& text, const std::string& words) {
    size_t count = 0;
    for (size_t at = 0; (at = text.find(words, at)) != std::string::npos; at += words.size()) ++count;
    return count;
  }
  void Ask(TokenSource& source) {
    clock_.Advance(seconds(10));
    ErrorOf([&] { source.Get(base::Deadline::Never(), wake_); });
  }

  base::ManualClock clock_;
  base::WakeEvent wake_;
  testing::FakeHttpClient http_;
  bool capturing_ = true;
};

TEST_F(WarningsTest, AClockThatIsWrongIsSaidOnce) {
  net::HttpResponse response;
  response.status = 200;
  response.body = Grant("tok", R"("expires_in":0)");
  response.date = "Fri, 20 Dec 2019 02:00:00 GMT";
  http_.Answer(response);
  const auto source = MakeTokenSource(testing::Credentials("https://x.test/token", ClientSecret{Gives("s")}), http_,
                                      clock_, [] { return 0.0; });
  for (int i = 0; i < 5; ++i) Ask(*source);
  EXPECT_EQ(http_.count(), 5U);
  const std::string log = TakeLog();
  EXPECT_EQ(Count(log, "this machine's clock is 1 h 59 min"), 1U) << log;
}

TEST_F(WarningsTest, ACertificateThatEndsSoonIsSaidOnceADay) {
  // It has a day left, by the machine's clock.
  const testing::KeyPair& pair = testing::SharedPair();
  clock_.Advance(std::chrono::duration_cast<base::Duration>(std::chrono::system_clock::now() - clock_.WallNow()));
  const ClientCertificate certificate{Gives(pair.CertificatePem()), Gives(pair.KeyPem()), nullptr,
                                      SigningAlgorithm::kPs256};
  const CertificateFacts facts = DescribeCertificate(certificate);
  EXPECT_LT(std::chrono::abs(facts.not_after - clock_.WallNow() - hours(24)), hours(1));
  EXPECT_LT(std::chrono::abs(clock_.WallNow() - facts.not_before - hours(1)), hours(1));
  EXPECT_EQ(facts.sha256, base::AsciiUpper(base::HexEncode(pair.Thumbprint())));
  http_.Answer(200, Grant("tok", R"("expires_in":0)"));
  const auto source =
      MakeTokenSource(testing::Credentials("https://x.test/token", certificate), http_, clock_, [] { return 0.0; });
  for (int i = 0; i < 5; ++i) Ask(*source);
  clock_.Advance(hours(24));
  Ask(*source);
  const std::string log = TakeLog();
  EXPECT_EQ(Count(log, "the certificate of client client expires in 0 days"), 1U) << log;
  EXPECT_EQ(Count(log, "the certificate of client client has expired"), 1U) << log;
}

TEST_F(WarningsTest, ACertificateForEverHasTimeLeft) {
  testing::KeyPair pair;
  pair.ExpireAt("99991231235959Z");
  const ClientCertificate certificate{Gives(pair.CertificatePem()), Gives(pair.KeyPem()), nullptr,
                                      SigningAlgorithm::kPs256};
  EXPECT_GT(DescribeCertificate(certificate).not_after, std::chrono::system_clock::now() + hours(24 * 365 * 100));
  http_.Answer(200, Grant("tok"));
  const auto source =
      MakeTokenSource(testing::Credentials("https://x.test/token", certificate), http_, clock_, [] { return 0.0; });
  Ask(*source);
  EXPECT_THAT(TakeLog(), Not(HasSubstr("certificate")));
}

TEST_F(WarningsTest, ACertificateThatHasTimeLeftIsNoNews) {
  const testing::KeyPair& pair = testing::SharedPair();
  const auto now = std::chrono::system_clock::now() - hours(24 * 40);
  clock_.Advance(std::chrono::duration_cast<base::Duration>(now - clock_.WallNow()));
  http_.Answer(200, Grant("tok"));
  const auto source = MakeTokenSource(
      testing::Credentials("https://x.test/token", ClientCertificate{Gives(pair.CertificatePem()), Gives(pair.KeyPem()),
                                                                     nullptr, SigningAlgorithm::kPs256}),
      http_, clock_, [] { return 0.0; });
  Ask(*source);
  EXPECT_THAT(TakeLog(), Not(HasSubstr("certificate")));
}

TEST_F(WarningsTest, ALoginThatCannotBeStoredIsAnErrorOnceAndWithoutTheToken) {
  const testing::TemporaryDirectory directory;
  RefreshToken grant;
  grant.authority.token_endpoint = "https://x.test/token";
  grant.client.id = "client";
  grant.file = directory.Path("logins/a.json");
  grant.initial = Gives("s3cret-0");
  grant.remedy = "run: mailboxfs login a";
  std::filesystem::create_directories(grant.file + ".tmp/x");
  for (int i = 1; i <= 4; ++i) {
    http_.Answer(200, R"({"access_token":"tok","expires_in":0,"refresh_token":"s3cret-)" + std::to_string(i) + "\"}");
  }
  http_.Answer(400, testing::Refusal("invalid_grant"));
  auto source = MakeTokenSource(grant, http_, clock_, [] { return 0.0; });
  for (int i = 0; i < 5; ++i) Ask(*source);
  source.reset();
  const std::string log = TakeLog();
  EXPECT_EQ(Count(log, "is in memory only"), 1U) << log;
  EXPECT_THAT(log, Not(HasSubstr("s3cret")));
  EXPECT_THAT(log, Not(HasSubstr("tok ")));
}

TEST_F(WarningsTest, ARefreshTokenThatIsLostInTheEndIsAnError) {
  const testing::TemporaryDirectory directory;
  RefreshToken grant;
  grant.authority.token_endpoint = "https://x.test/token";
  grant.client = {"client", NoAuthentication{}};
  grant.file = directory.Path("login.json");
  grant.initial = Gives("r1");
  std::filesystem::create_directories(grant.file + ".tmp/x");
  http_.Answer(200, Grant("tok", R"("refresh_token":"r2")"));
  auto source = MakeTokenSource(grant, http_, clock_, [] { return 0.0; });
  Ask(*source);
  source.reset();
  const std::string log = TakeLog();
  EXPECT_THAT(log, HasSubstr("is in memory only"));
  EXPECT_THAT(log, ::testing::ContainsRegex("error.*refresh token is lost"));
}

}  // namespace
}  // namespace mailboxfs::oauth
