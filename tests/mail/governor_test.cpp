// What all mailboxes of an account keep to.
#include "mailboxfs/mail/governor.h"

#include "mailboxfs/model/server_profile.h"
#include "source_fixture.h"

namespace mailboxfs::mail {
namespace {

using base::Error;
using base::ErrorKind;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;
using testing::Download;
using testing::FakeServer;
using ::testing::HasSubstr;
using testing::SourceTest;

class GovernorTest : public ::testing::Test {
 protected:
  // The next process's, an hour of whose clock is another one's, too.
  void Restart() {
    governor_->Flush();
    governor_ = std::make_unique<Governor>(
        clock_, [] { return 0.0; }, saved_, Save());
  }
  std::function<void(const Governor::Memory&)> Save() {
    return [this](const Governor::Memory& memory) { saved_ = memory; };
  }

  base::ManualClock clock_;
  Governor::Memory saved_;
  std::unique_ptr<Governor> governor_ = std::make_unique<Governor>(
      clock_, [] { return 0.0; }, Governor::Memory(), Save());
};

TEST_F(GovernorTest, PauseOutlivesTheProcess) {
  EXPECT_EQ(governor_->Pause(Error(ErrorKind::kThrottled, "slow down"), seconds(90)), seconds(90));
  governor_->Publish(nullptr);
  clock_.Advance(seconds(10));
  Restart();
  EXPECT_GE(governor_->PauseLeft(), seconds(79));
  EXPECT_LE(governor_->PauseLeft(), seconds(81));
  EXPECT_STREQ(governor_->pause_reason()->what(), "slow down");
  clock_.Advance(seconds(81));
  EXPECT_EQ(governor_->PauseLeft(), base::Duration::zero());
  EXPECT_EQ(governor_->pause_reason(), std::nullopt);
}

TEST_F(GovernorTest, ClockThatWasSetBackMakesNoPauseOfYears) {
  saved_.paused_until = int64_t{1} << 40U;
  Restart();
  EXPECT_LE(governor_->PauseLeft(), minutes(11));
}

TEST_F(GovernorTest, AShorterPauseDoesNotEndALongerOne) {
  governor_->Pause(Error(ErrorKind::kThrottled, "long"), seconds(90));
  EXPECT_EQ(governor_->Pause(Error(ErrorKind::kThrottled, "short"), seconds(1)), seconds(90));
  EXPECT_STREQ(governor_->pause_reason()->what(), "long");
}

TEST_F(GovernorTest, VolumeIsCountedByTheDayAndKept) {
  governor_->SetDailyLimit(1000);
  governor_->OnReceived(999);
  EXPECT_EQ(governor_->VolumeSpent(), std::nullopt);
  governor_->OnReceived(1);
  EXPECT_EQ(governor_->VolumeSpent()->kind(), ErrorKind::kThrottled);
  EXPECT_THAT(governor_->VolumeSpent()->what(), HasSubstr("00:00 UTC"));
  Restart();
  governor_->SetDailyLimit(1000);
  EXPECT_TRUE(governor_->VolumeSpent());
  clock_.Advance(hours(24));
  EXPECT_EQ(governor_->VolumeSpent(), std::nullopt);
  governor_->OnReceived(1);
  EXPECT_EQ(governor_->memory().day_octets, 1U);
}

TEST_F(GovernorTest, OneWrongSizeIsEnough) {
  governor_->OnSize(true);
  EXPECT_TRUE(governor_->SizesHold());
  governor_->OnSize(false);
  governor_->OnSize(true);
  EXPECT_FALSE(governor_->SizesHold());
  Restart();
  EXPECT_FALSE(governor_->SizesHold());
}

TEST_F(GovernorTest, LoginsBeginWithFewAtATime) {
  EXPECT_EQ(governor_->turns().limit(), 2U);
  for (int i = 0; i < 10; ++i) governor_->OnConnected();
  EXPECT_EQ(governor_->turns().limit(), 16U);
  governor_->OnConnectFailed();
  EXPECT_EQ(governor_->turns().limit(), 2U);
}

// Two mailboxes of one account.
class AccountTest : public SourceTest {
 protected:
  AccountTest() {
    options_.governor = std::make_shared<Governor>(
        clock_, [] { return 0.0; }, Governor::Memory(), nullptr);
    one_ = MakeSource("test/one");
    two_ = MakeSource("test/two");
  }
  void AnswerBodies(const std::string& answer) {
    server_.SetHook([answer](const FakeServer::Command& command) -> std::optional<std::string> {
      if (!command.text.starts_with("UID FETCH 1 ")) return std::nullopt;
      return command.tag + " " + answer + "\r\n";
    });
  }
  std::unique_ptr<model::MailSource> one_, two_;
};

TEST_F(AccountTest, LongPauseHoldsForAllMailboxes) {
  EXPECT_EQ(FetchFrom(*two_, 2).outcome.WaitKind(), "");
  AnswerBodies("BAD Request is throttled. Suggested Backoff Time: 92415 milliseconds");
  EXPECT_EQ(FetchFrom(*one_, 1).outcome.WaitKind(), "throttled");
  const size_t asked = server_.Count("UID FETCH");
  EXPECT_EQ(FetchFrom(*two_, 3).outcome.WaitKind(), "throttled");
  EXPECT_EQ(server_.Count("UID FETCH"), asked);
  EXPECT_EQ(two_->GetStatus().state, "backing off");
  clock_.Advance(seconds(93));
  EXPECT_EQ(FetchFrom(*two_, 3).outcome.WaitKind(), "");
}

TEST_F(AccountTest, LongPauseEndsWhatWaitsInOtherMailboxes) {
  AnswerBodies("BAD Request is throttled. Suggested Backoff Time: 1000 milliseconds");
  const Download waiting = FetchFrom(*one_, 1);
  ASSERT_TRUE(Eventually([&] { return one_->GetStatus().state == "backing off"; }));
  options_.governor->Pause(Error(ErrorKind::kThrottled, "much longer"), minutes(5));
  options_.governor->Publish(nullptr);
  EXPECT_EQ(waiting.outcome.WaitKind(), "throttled");
}

TEST_F(AccountTest, ShortPauseIsWaitedOutByAllMailboxes) {
  EXPECT_EQ(FetchFrom(*two_, 2).outcome.WaitKind(), "");
  AnswerBodies("NO Request is throttled. Suggested Backoff Time: 2000 milliseconds");
  const Download throttled = FetchFrom(*one_, 1);
  ASSERT_TRUE(Eventually([&] { return two_->GetStatus().state == "backing off"; }));
  const Download other = FetchFrom(*two_, 3);
  EXPECT_EQ(other.outcome.calls(), 0);
  EXPECT_EQ(server_.Count(BodyCommand(3)), 0U);
  server_.SetHook(nullptr);
  clock_.Advance(seconds(3));
  EXPECT_EQ(other.outcome.WaitKind(), "");
  EXPECT_EQ(throttled.outcome.WaitKind(), "");
}

// Both while the other mailbox is being told of the pause, and after a command that was under way.
TEST_F(AccountTest, PauseHoldsBackWhoIsLoggingInOrListing) {
  const Error throttled(ErrorKind::kThrottled, "throttled");
  server_.Hold("AUTHENTICATE");
  const Download first = FetchFrom(*one_, 1);
  ASSERT_TRUE(server_.WaitFor("AUTHENTICATE"));
  options_.governor->Pause(throttled, seconds(2));
  server_.Release();
  ASSERT_TRUE(server_.WaitFor("LOGOUT")) << "it says goodbye instead of going on";
  EXPECT_EQ(server_.Count(""), 2U);
  clock_.Advance(seconds(3));
  EXPECT_EQ(first.outcome.WaitKind(), "");
  server_.Hold("EXAMINE");
  testing::Outcome listed;
  const auto sink = std::make_shared<testing::RecordingRefreshSink>();
  const auto task = one_->Refresh({"Other", {}, true}, sink, model::Priority::kWaiting, listed.Callback());
  ASSERT_TRUE(server_.WaitFor("EXAMINE Other"));
  const size_t fetches = server_.Count("UID FETCH");
  options_.governor->Pause(throttled, seconds(2));
  server_.Release();
  ASSERT_TRUE(Eventually([&] { return one_->GetStatus().queued == 1; })) << "it waits";
  EXPECT_EQ(server_.Count("UID FETCH"), fetches);
  clock_.Advance(seconds(3));
  EXPECT_EQ(listed.WaitKind(), "");
  EXPECT_EQ(sink->added.size(), 10U);
}

TEST_F(AccountTest, UnreachableServerIsTriedByOneMailboxOnly) {
  server_.FailConnects(Error(ErrorKind::kNetwork, "connection refused"));
  EXPECT_EQ(FetchFrom(*one_, 1).outcome.WaitKind(), "network");
  const Download other = FetchFrom(*two_, 1);
  EXPECT_EQ(other.outcome.calls(), 1) << "at once";
  EXPECT_EQ(other.outcome.WaitKind(), "network");
  server_.FailConnects(std::nullopt);
  clock_.Advance(minutes(1));
  ASSERT_TRUE(Eventually([&] { return one_->GetStatus().connections == 1; }));
  EXPECT_EQ(FetchFrom(*two_, 1).outcome.WaitKind(), "");
}

TEST_F(AccountTest, WhoeverProbesMayBeUnmounted) {
  server_.FailConnects(Error(ErrorKind::kNetwork, "connection refused"));
  EXPECT_EQ(FetchFrom(*one_, 1).outcome.WaitKind(), "network");
  one_.reset();
  server_.FailConnects(std::nullopt);
  EXPECT_EQ(FetchFrom(*two_, 1).outcome.WaitKind(), "") << "the next that comes tries";
}

TEST_F(AccountTest, SpentVolumeKeepsBodiesAwayAndNotListings) {
  EXPECT_EQ(FetchFrom(*one_, 1).outcome.WaitKind(), "");
  options_.profile.daily_octets = 1;
  two_ = MakeSource("test/two");
  EXPECT_EQ(FetchFrom(*two_, 2).outcome.WaitKind(), "throttled");
  EXPECT_EQ(server_.Count(BodyCommand(2)), 0U) << "not even one, though the limit was known with the login only";
  EXPECT_EQ(FetchFrom(*two_, 2).outcome.calls(), 1) << "at once";
  testing::Outcome listed;
  const auto sink = std::make_shared<testing::RecordingRefreshSink>();
  const auto task = two_->Refresh({"INBOX", {}, true}, sink, model::Priority::kWaiting, listed.Callback());
  EXPECT_EQ(listed.WaitKind(), "");
}

std::string Recognized(const std::string& greeting, const std::vector<std::string>& capabilities = {}) {
  return std::string(model::RecognizeServer(greeting, "", capabilities).name);
}

TEST(ServerProfileTest, IsRecognisedByWhatTheServerSays) {
  EXPECT_EQ(Recognized("The Microsoft Exchange IMAP4 service is ready. [QgBZAA==]"), "exchange");
  EXPECT_EQ(Recognized("Microsoft Exchange IMAP4 service ready. 1-2 (tcpproxy/15.21.0406.000 BACKENDAUTHENTICATE)"),
            "exchange");
  EXPECT_EQ(Recognized("ready", {"IMAP4rev1", "CLIENTACCESSRULES"}), "exchange");
  EXPECT_EQ(Recognized("Gimap ready for requests from 192.0.2.1 a1"), "gmail");
  EXPECT_EQ(Recognized("hi", {"X-GM-EXT-1"}), "gmail");
  EXPECT_EQ(Recognized("Dovecot ready."), "dovecot");
  EXPECT_EQ(Recognized("(2109B29-d3afe4d5aba6) pv33p00im-iscream021.me.com"), "icloud");
  EXPECT_EQ(Recognized("pv50p00im-a0102 2507B20", {"IMAP4rev1", "XAPPLELITERAL"}), "icloud");
  EXPECT_EQ(Recognized("ready", {"IMAP4rev1", "XAPPLEPUSHSERVICE"}), "generic") << "others have that, too";
  EXPECT_EQ(Recognized("IMAP4 ready"), "generic");
  EXPECT_EQ(model::RecognizeServer("ready", "Dovecot 2.3", {}).name, "dovecot");
  for (const char* name : {"exchange", "gmail", "yahoo", "icloud", "zoho", "dovecot", "cyrus", "generic"}) {
    ASSERT_NE(model::FindProfile(name), nullptr);
    EXPECT_THAT(model::ProfileNames(), HasSubstr(name));
  }
  EXPECT_EQ(model::FindProfile("nonsense"), nullptr);
}

TEST(ServerProfileTest, WordsAreWhole) {
  EXPECT_TRUE(model::HasWord("ENABLE IMAP4REV2", "IMAP4REV2"));
  EXPECT_FALSE(model::HasWord("ENABLE IMAP4REV2", "IMAP4"));
  EXPECT_FALSE(model::HasWord("", "IMAP4"));
}

}  // namespace
}  // namespace mailboxfs::mail
