#include "mailboxfs/mail/probe.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "dialogue.h"

namespace mailboxfs::mail {
namespace {

using base::ErrorKind;
using testing::Dialogue;
using ::testing::HasSubstr;
using ::testing::Not;
using Layer = ProbeReport::Layer;
using Trouble = ProbeReport::Trouble;

constexpr const char* kLogin = R"(
  S: * OK [CAPABILITY IMAP4rev1 AUTH=XOAUTH2 SASL-IR] ready
  C: A1 AUTHENTICATE XOAUTH2 {X1}
  S: A1 OK [CAPABILITY IMAP4rev1] in
  C: A2 LIST "" ""
  S: A2 OK done
  C: A3 LIST "" "*"
  S: * LIST () "/" Sent
  S: * LIST () "/" Inbox
  S: A3 OK done
  C: A4 EXAMINE Inbox
)";

class ProbeTest : public ::testing::Test {
 protected:
  ProbeTest() { d_.options.timeouts.retry = base::Duration::zero(); }
  void TearDown() override { d_.connector.ExpectAllPlayed(); }
  ProbeReport Probe(const std::string& script) {
    d_.AddScript(script);
    return ProbeMailbox(d_.options, d_.environment, wake_);
  }
  Dialogue d_;
  base::WakeEvent wake_;
};

TEST_F(ProbeTest, ReadsOneMessage) {
  const ProbeReport report = Probe(R"(
    S: * OK [CAPABILITY IMAP4rev1 AUTH=XOAUTH2 SASL-IR] ready
    C: A1 AUTHENTICATE XOAUTH2 {X1}
    S: A1 OK [CAPABILITY IMAP4rev1 IDLE ID] in
    C: A2 LIST "" ""
    S: A2 OK done
    C: A3 ID ("name" "mailboxfs" "version" "{VERSION}")
    S: * ID ("name" "Dovecot")
    S: A3 OK done
    C: A4 LIST "" "*"
    S: * LIST () "/" Sent
    S: * LIST () "/" Inbox
    S: A4 OK done
    C: A5 EXAMINE Inbox
    S: * 1 EXISTS
    S: * OK [UIDVALIDITY 7] ok
    S: A5 OK done
    C: A6 FETCH 1 (UID RFC822.SIZE)
    S: * 1 FETCH (RFC822.SIZE 19189 UID 33)
    S: A6 OK done
    C: A7 UID FETCH 33 (UID BODY.PEEK[])
    S: * 1 FETCH (UID 33 BODY[] {5}
    S| hello
    S: )
    S: A7 OK done
    C: A8 IDLE
    S: + idling
    ! silence
    C: DONE
    S: A8 OK done
    C: A9 LOGOUT
    S: * BYE bye
    S: A9 OK done
  )");
  EXPECT_EQ(report.failed_at, Layer::kDone);
  EXPECT_FALSE(report.error) << report.error->what();
  EXPECT_EQ(report.trouble, Trouble::kNone);
  EXPECT_EQ(report.greeting, "ready");
  EXPECT_EQ(report.server, "Dovecot");
  EXPECT_EQ(report.mechanism, "XOAUTH2");
  EXPECT_EQ(report.capabilities, (std::vector<std::string>{"IMAP4REV1", "IDLE", "ID"}));
  EXPECT_EQ(report.profile->name, "dovecot");
  EXPECT_EQ(report.logins, 1U);
  EXPECT_EQ(report.connected, 1U);
  EXPECT_EQ(report.folders, 2U);
  EXPECT_EQ(report.inbox_messages, 1U);
  ASSERT_EQ(report.samples.size(), 1U);
  EXPECT_EQ(report.samples[0].uid, 33U);
  EXPECT_EQ(report.samples[0].size, 5U);
  EXPECT_EQ(report.samples[0].estimate, 19189U);
  EXPECT_EQ(report.idle, true);
  EXPECT_EQ(d_.budget.in_use(), 0U);
}

TEST_F(ProbeTest, ReadsSmallMessagesSpreadOverTheNewest) {
  std::string script = std::string(kLogin) + "S: * 300 EXISTS\nS: * OK [UIDVALIDITY 7] ok\nS: A4 OK done\n" +
                       "C: A5 FETCH 101:300 (UID RFC822.SIZE)\n";
  for (int n = 101; n <= 300; ++n) {
    // The even ones are too large by far.
    const std::string size = n % 2 == 0 ? "2000000" : "3";
    script += "S: * " + std::to_string(n) + " FETCH (UID " + std::to_string(1000 + n) + " RFC822.SIZE " + size + ")\n";
  }
  script += "S: A5 OK done\n";
  int tag = 6;
  for (const int n : {101, 149, 199, 249, 299}) {
    script += "C: A" + std::to_string(tag) + " UID FETCH " + std::to_string(1000 + n) + " (UID BODY.PEEK[])\n";
    script += "S: * " + std::to_string(n) + " FETCH (UID " + std::to_string(1000 + n) + " BODY[] {3}\nS| abc\nS: )\n";
    script += "S: A" + std::to_string(tag++) + " OK done\n";
  }
  script += "C: A11 LOGOUT\nS: A11 OK done\n";
  const ProbeReport report = Probe(script);
  EXPECT_EQ(report.failed_at, Layer::kDone) << report.error->what();
  EXPECT_EQ(report.samples.size(), 5U);
  EXPECT_EQ(report.idle, std::nullopt);
}

constexpr const char* kTwoMessages = R"(
  S: * 2 EXISTS
  S: * OK [UIDVALIDITY 7] ok
  S: A4 OK done
  C: A5 FETCH 1:2 (UID RFC822.SIZE)
  S: * 1 FETCH (UID 3 RFC822.SIZE 5)
  S: * 2 FETCH (UID 4 RFC822.SIZE 5)
  S: A5 OK done
  C: A6 UID FETCH 3 (UID BODY.PEEK[])
)";

TEST_F(ProbeTest, MessageThatCannotBeReadIsNamedAndTheOthersAreRead) {
  const ProbeReport report = Probe(std::string(kLogin) + kTwoMessages + R"(
    S: A6 OK done
    C: A7 EXAMINE Inbox
    S: * 2 EXISTS
    S: * OK [UIDVALIDITY 7] ok
    S: A7 OK done
    C: A8 UID FETCH 3 (UID BODY.PEEK[])
    S: A8 OK done
    C: A9 UID FETCH 3 (UID FLAGS)
    S: * 1 FETCH (UID 3 FLAGS ())
    S: A9 OK done
    C: A10 UID FETCH 4 (UID BODY.PEEK[])
    S: * 2 FETCH (UID 4 BODY[] {5}
    S| hello
    S: )
    S: A10 OK done
    C: A11 LOGOUT
    S: A11 OK done
  )");
  EXPECT_EQ(report.failed_at, Layer::kDone);
  ASSERT_EQ(report.samples.size(), 2U);
  EXPECT_EQ(report.samples[0].uid, 3U);
  EXPECT_FALSE(report.samples[0].size);
  EXPECT_THAT(report.samples[0].problem, HasSubstr("sends no body"));
  EXPECT_EQ(report.samples[1].size, 5U);
}

TEST_F(ProbeTest, MessageThatIsLargerThanToldIsNotReadToItsEnd) {
  const ProbeReport report =
      Probe(std::string(kLogin) + kTwoMessages + "S: * 1 FETCH (UID 3 BODY[] {1048577}\nS| first bytes\n");
  EXPECT_EQ(report.failed_at, Layer::kDone);
  EXPECT_FALSE(report.error);
  EXPECT_TRUE(report.samples.empty()) << "it can be read, just not here";
  EXPECT_EQ(report.cut_short, "the server sends 1048577 bytes for UID 3, for which it told 5");
}

TEST_F(ProbeTest, SamplesThatDribbleAreGivenUp) {
  const base::MonoTime begin = d_.clock.Now();
  d_.connector.OnHook("wait", [this] { d_.clock.Advance(std::chrono::seconds(20)); });
  const ProbeReport report = Probe(std::string(kLogin) + kTwoMessages + R"(
    S: * 1 FETCH (UID 3 BODY[] {5}
    S| h
    ! wait
    S| e
    ! wait
    S| l
    ! silence
  )");
  EXPECT_EQ(d_.clock.Now() - begin, std::chrono::seconds(60)) << "no matter when the last byte came";
  EXPECT_EQ(report.failed_at, Layer::kDone);
  EXPECT_FALSE(report.error);
  EXPECT_TRUE(report.samples.empty());
  EXPECT_THAT(report.cut_short, HasSubstr("60 s"));
}

// Before the time is over, silence is what it always was.
TEST_F(ProbeTest, SamplesThatDoNotComeAreAFailure) {
  const ProbeReport report = Probe(std::string(kLogin) + kTwoMessages + "! silence\n");
  EXPECT_EQ(report.failed_at, Layer::kMessage);
  ASSERT_TRUE(report.error);
  EXPECT_EQ(report.error->kind(), ErrorKind::kTimeout);
}

TEST_F(ProbeTest, EmptyInboxIsFine) {
  const ProbeReport report = Probe(std::string(kLogin) + R"(
    S: * 0 EXISTS
    S: * OK [UIDVALIDITY 7] ok
    S: A4 OK done
    C: A5 LOGOUT
    S: A5 OK done
  )");
  EXPECT_EQ(report.failed_at, Layer::kDone);
  EXPECT_TRUE(report.samples.empty());
}

TEST_F(ProbeTest, NamesTheLayerThatFailed) {
  EXPECT_EQ(Probe("! refuse").failed_at, Layer::kConnect);
  const ProbeReport listing = Probe(R"(
    S: * OK [CAPABILITY IMAP4rev1 AUTH=XOAUTH2 SASL-IR] ready
    C: A1 AUTHENTICATE XOAUTH2 {X1}
    S: A1 OK [CAPABILITY IMAP4rev1] in
    C: A2 LIST "" ""
    S: A2 OK done
    C: A3 LIST "" "*"
    S: A3 NO no
  )");
  EXPECT_EQ(listing.failed_at, Layer::kFolders);
  ASSERT_TRUE(listing.error);
  EXPECT_EQ(listing.error->kind(), ErrorKind::kServer);
  EXPECT_EQ(listing.trouble, Trouble::kNone);
  EXPECT_EQ(Probe(std::string(kLogin) + "S: A4 NO no\n").failed_at, Layer::kMessage);
}

// The answers to a login, reference "Authentication results".
TEST_F(ProbeTest, SaysWhyALoginFailed) {
  struct Case {
    std::string answer;
    Trouble trouble;
  };
  const std::string greeting = "S: * OK [CAPABILITY IMAP4rev1 AUTH=XOAUTH2 SASL-IR] ready\n";
  const std::string login = greeting + "C: A1 AUTHENTICATE XOAUTH2 {X1}\n";
  for (const auto& [script, trouble] : {
           Case{login + "S: A1 NO Server Unavailable. 15\n", Trouble::kUnavailable},
           Case{login + "S: Server Unavailable.\n", Trouble::kUnavailable},
           Case{login + "S: A1 NO [UNAVAILABLE] Maximum number of connections from user+IP exceeded\n",
                Trouble::kTooMany},
           Case{login + "S: A1 BAD Request is throttled. Suggested Backoff Time: 2000 milliseconds\n"
                        "C: A2 LOGOUT\nS: A2 OK bye\n",
                Trouble::kThrottled},
           Case{login + "S: * BYE Connection closed. 14\n", Trouble::kClosed},
           Case{login + "! close\n", Trouble::kClosed},
           Case{"S: * BYE Connection closed. 14\n! close\n", Trouble::kClosed},
           Case{"! close\n", Trouble::kClosed},
           Case{"S: * BYE [ALERT] Too many simultaneous connections. (Failure)\n! close\n", Trouble::kTooMany},
           Case{"S: HTTP/1.1 400 Bad Request\n", Trouble::kNotImap},
           Case{"S: * OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] ready\n", Trouble::kNoTokenLogin},
       }) {
    const ProbeReport report = Probe(script);
    EXPECT_EQ(report.trouble, trouble) << script;
    EXPECT_TRUE(report.failed_at == Layer::kLogin || report.failed_at == Layer::kGreeting) << script;
    EXPECT_EQ(report.pause > base::Duration::zero(), trouble == Trouble::kThrottled) << script;
    EXPECT_EQ(report.logins, 0U) << script;
  }
}

TEST_F(ProbeTest, RefusedTokenIsARefusal) {
  d_.AddScript(R"(
    S: * OK [CAPABILITY IMAP4rev1 AUTH=XOAUTH2 SASL-IR] ready
    C: A1 AUTHENTICATE XOAUTH2 {X1}
    S: A1 NO AUTHENTICATE failed.
  )");
  const ProbeReport report = Probe(R"(
    S: * OK [CAPABILITY IMAP4rev1 AUTH=XOAUTH2 SASL-IR] ready
    C: A1 AUTHENTICATE XOAUTH2 {X2}
    S: A1 NO AUTHENTICATE failed.
  )");
  EXPECT_EQ(report.failed_at, Layer::kLogin);
  EXPECT_EQ(report.trouble, Trouble::kRefused);
}

TEST_F(ProbeTest, PasswordsThatAreNotTakenAndThoseThatAreWrong) {
  d_.options.login.tokens = nullptr;
  d_.options.login.password = [] { return base::Secret("sesame"); };
  EXPECT_EQ(Probe("S: * OK [CAPABILITY IMAP4rev1 LOGINDISABLED] ready\n").trouble, Trouble::kNoPasswordLogin);
  EXPECT_EQ(Probe("S: * OK [CAPABILITY IMAP4rev1] ready\nC* \nS: A1 NO LOGIN failed.\n").trouble, Trouble::kRefused);
}

constexpr const char* kNotConnected = R"(
  S: * OK [CAPABILITY IMAP4rev1 AUTH=XOAUTH2 SASL-IR] ready
  C: A1 AUTHENTICATE XOAUTH2 {X1}
  S: A1 OK [CAPABILITY IMAP4rev1] AUTHENTICATE completed.
  C: A2 LIST "" ""
  S: A2 BAD User is authenticated but not connected.
)";

constexpr const char* kConnected = R"(
  S: * OK [CAPABILITY IMAP4rev1 AUTH=XOAUTH2 SASL-IR] ready
  C: A1 AUTHENTICATE XOAUTH2 {X1}
  S: A1 OK [CAPABILITY IMAP4rev1] AUTHENTICATE completed.
  C: A2 LIST "" ""
  S: A2 OK done
)";

TEST_F(ProbeTest, MailboxThatIsNeverOpenedIsTriedFiveTimes) {
  for (int i = 0; i < 4; ++i) d_.AddScript(kNotConnected);
  const ProbeReport report = Probe(kNotConnected);
  EXPECT_EQ(report.failed_at, Layer::kLogin);
  EXPECT_EQ(report.trouble, Trouble::kNotConnected);
  EXPECT_EQ(report.logins, 5U);
  EXPECT_EQ(report.connected, 0U);
  ASSERT_TRUE(report.error);
  EXPECT_EQ(report.error->kind(), ErrorKind::kLoginRefused);
  EXPECT_THAT(report.error->what(), HasSubstr("FullAccess"));
  EXPECT_THAT(report.error->what(), Not(HasSubstr("attempt")));
}

TEST_F(ProbeTest, MailboxThatIsNotOpenedNowAndThenIsCountedAndChecked) {
  const std::string logout = std::string(kConnected) + "C: A3 LOGOUT\nS: A3 OK done\n";
  d_.AddScript(kNotConnected);
  d_.AddScript(logout);
  d_.AddScript(kNotConnected);
  d_.AddScript(logout);
  const ProbeReport report = Probe(std::string(kConnected) + "C: A3 LIST \"\" \"*\"\nS: A3 NO no\n");
  EXPECT_EQ(report.logins, 5U);
  EXPECT_EQ(report.connected, 3U);
  EXPECT_EQ(report.failed_at, Layer::kFolders) << "the checks go on";
}

TEST_F(ProbeTest, LoginsGoOnUntilOneOpensTheMailbox) {
  const std::string logout = std::string(kConnected) + "C: A3 LOGOUT\nS: A3 OK done\n";
  d_.AddScript(kNotConnected);
  d_.AddScript(logout);
  for (int i = 0; i < 4; ++i) d_.AddScript(kNotConnected);
  const ProbeReport report = Probe(std::string(kConnected) + "C: A3 LIST \"\" \"*\"\nS: A3 NO no\n");
  EXPECT_EQ(report.logins, 7U);
  EXPECT_EQ(report.connected, 2U);
  EXPECT_EQ(report.failed_at, Layer::kFolders);
}

// Said already in the answer to AUTHENTICATE.
TEST_F(ProbeTest, NotConnectedAtOnceIsTheSame) {
  for (int i = 0; i < 5; ++i) {
    d_.AddScript(R"(
      S: * OK [CAPABILITY IMAP4rev1 AUTH=XOAUTH2 SASL-IR] ready
      C: A1 AUTHENTICATE XOAUTH2 {X1}
      S: A1 BAD User is authenticated but not connected.
    )");
  }
  const ProbeReport report = ProbeMailbox(d_.options, d_.environment, wake_);
  EXPECT_EQ(report.trouble, Trouble::kNotConnected);
  EXPECT_EQ(report.logins, 5U);
}

TEST_F(ProbeTest, OtherTroubleAfterAnUnopenedMailboxEndsTheProbe) {
  d_.AddScript(kNotConnected);
  const ProbeReport report = Probe("S: * BYE busy\n");
  EXPECT_EQ(report.failed_at, Layer::kGreeting);
  EXPECT_EQ(report.logins, 1U);
}

TEST_F(ProbeTest, NoPlaceForOneMoreConnectionIsToldApart) {
  d_.options.timeouts.connect = base::Duration::zero();
  std::vector<std::unique_ptr<ConnectionBudget::Place>> places;
  for (size_t i = 0; i < d_.budget.limit(); ++i) {
    places.push_back(
        d_.budget.Acquire(d_.clock, base::Deadline::After(d_.clock, std::chrono::seconds(1)), [] { return false; }));
  }
  const ProbeReport report = ProbeMailbox(d_.options, d_.environment, wake_);
  EXPECT_EQ(report.trouble, Trouble::kAllInUse);
  EXPECT_EQ(report.failed_at, Layer::kConnect);
}

TEST_F(ProbeTest, WakeEndsIt) {
  wake_.Set();
  const ProbeReport report = ProbeMailbox(d_.options, d_.environment, wake_);
  ASSERT_TRUE(report.error);
  EXPECT_EQ(report.error->kind(), ErrorKind::kCancelled);
}

TEST_F(ProbeTest, TokenTroubleHasALayerOfItsOwn) {
  class NoToken : public oauth::TokenSource {
    oauth::AccessToken Get(const base::Deadline& /*d*/, const base::WakeEvent& /*w*/) override {
      throw base::Error(ErrorKind::kLoginRefused, "AADSTS7000215");
    }
    void Invalidate(const oauth::AccessToken& /*t*/) override {}
    oauth::TokenStatus GetStatus() const override { return {}; }
  };
  d_.options.login.tokens = std::make_shared<NoToken>();
  const ProbeReport report = Probe("S: * OK [CAPABILITY IMAP4rev1 AUTH=XOAUTH2 SASL-IR] ready\n");
  EXPECT_EQ(report.failed_at, Layer::kToken);
  EXPECT_EQ(report.error->kind(), ErrorKind::kLoginRefused);
  EXPECT_EQ(report.trouble, Trouble::kNone);
}

}  // namespace
}  // namespace mailboxfs::mail
