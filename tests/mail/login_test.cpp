#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "dialogue.h"
#include "mailboxfs/base/log.h"

namespace mailboxfs::mail {
namespace {

using base::Error;
using base::ErrorKind;
using testing::Caught;
using testing::Dialogue;
using ::testing::HasSubstr;
using ::testing::Not;

class LoginTest : public ::testing::Test {
 protected:
  void UsePassword() {
    d_.options.login.tokens = nullptr;
    d_.options.login.password = [] { return base::Secret("secret"); };
  }
  Error OpenFails() {
    return Caught([this] { d_.Open(); });
  }
  void TearDown() override { d_.connector.ExpectAllPlayed(); }

  Dialogue d_;
};

TEST_F(LoginTest, ExchangeLoginAsksForCapabilitiesIntroducesItselfAndProbes) {
  d_.AddScript(R"(
    S: * OK The Microsoft Exchange IMAP4 service is ready. [QgBZADUAUABS]
    C: A1 CAPABILITY
    S: * CAPABILITY IMAP4 IMAP4rev1 AUTH=XOAUTH2 LOGINDISABLED SASL-IR UIDPLUS MOVE ID UNSELECT CHILDREN IDLE NAMESPACE LITERAL+
    S: A1 OK CAPABILITY completed.
    C: A2 AUTHENTICATE XOAUTH2 {X1}
    S: A2 OK AUTHENTICATE completed.
    C: A3 CAPABILITY
    S: * CAPABILITY IMAP4 IMAP4rev1 ENABLE IMAP4rev2 ID IDLE NAMESPACE BACKENDAUTHENTICATE
    S: A3 OK CAPABILITY completed.
    C: A4 NAMESPACE
    S: * NAMESPACE (("" "/")) NIL NIL
    S: A4 OK NAMESPACE completed.
    C: A5 ID ("name" "mailboxfs" "version" "{VERSION}")
    S: * ID ("name" "Microsoft.Exchange.Imap4.Imap4Server" "version" "15.20")
    S: A5 OK ID completed
  )");
  const auto connection = d_.Open();
  EXPECT_EQ(d_.trace.mechanism, "XOAUTH2");
  EXPECT_EQ(connection->profile().name, "exchange");
  EXPECT_EQ(connection->server(), "Microsoft.Exchange.Imap4.Imap4Server 15.20");
  EXPECT_FALSE(connection->Has("LOGINDISABLED")) << "capabilities from before the login are void";
}

TEST_F(LoginTest, OneByteAtATimeChangesNothing) {
  d_.AddScript(R"(
    S: * OK [CAPABILITY IMAP4rev1 AUTH=XOAUTH2] ready
    C: A1 AUTHENTICATE XOAUTH2
    S: +
    C: {X1}
    S: A1 OK [CAPABILITY IMAP4rev1] in
    C: A2 LIST "" ""
    S: A2 OK done
  )",
               1);
  EXPECT_NE(d_.Open(), nullptr);
}

TEST_F(LoginTest, PrefersOAuthBearerAndTakesGmailsUntaggedCapabilities) {
  d_.AddScript(R"(
    S: * OK Gimap ready for requests from 192.0.2.1 a1
    C: A1 CAPABILITY
    S: * CAPABILITY IMAP4rev1 SASL-IR AUTH=XOAUTH2 AUTH=PLAIN AUTH=OAUTHBEARER
    S: A1 OK Thats all she wrote! a1
    C: A2 AUTHENTICATE OAUTHBEARER {O1}
    S: * CAPABILITY IMAP4rev1 UIDPLUS ENABLE CONDSTORE
    S: A2 OK user@example.org authenticated (Success)
    C: A3 LIST "" ""
    S: A3 OK Success
  )");
  EXPECT_TRUE(d_.Open()->Has("CONDSTORE"));
  EXPECT_EQ(d_.trace.mechanism, "OAUTHBEARER");
}

TEST_F(LoginTest, WithoutTokenMechanismSaysWhatIsOffered) {
  d_.AddScript("S: * OK [CAPABILITY IMAP4rev1 AUTH=PLAIN AUTH=CRAM-MD5] ready");
  const Error error = OpenFails();
  EXPECT_EQ(error.kind(), ErrorKind::kUnsupported);
  EXPECT_THAT(error.what(), HasSubstr("PLAIN, CRAM-MD5"));
}

TEST_F(LoginTest, BadToInitialResponseIsTriedInTwoSteps) {
  d_.AddScript(R"(
    S: * OK [CAPABILITY IMAP4rev1 AUTH=XOAUTH2 SASL-IR] ready
    C: A1 AUTHENTICATE XOAUTH2 {X1}
    S: A1 BAD Command Error. 12
    C: A2 AUTHENTICATE XOAUTH2
    S: + go on
    C: {X1}
    S: A2 OK [CAPABILITY IMAP4rev1] in
    C: A3 LIST "" ""
    S: A3 OK done
  )");
  EXPECT_NE(d_.Open(), nullptr);
}

TEST_F(LoginTest, BadTwiceIsARefusal) {
  const char* script = R"(
    S: * OK [CAPABILITY IMAP4rev1 AUTH=XOAUTH2 SASL-IR] ready
    C: A1 AUTHENTICATE XOAUTH2 {X1}
    S: A1 BAD Command Error. 12
    C: A2 AUTHENTICATE XOAUTH2
    S: A2 BAD Command Error. 12
  )";
  d_.AddScript(script);
  std::string second = script;
  second.replace(second.find("{X1}"), 4, "{X2}");
  d_.AddScript(second);
  EXPECT_EQ(OpenFails().kind(), ErrorKind::kLoginRefused);
}

TEST_F(LoginTest, LongTokenIsNotSentAsInitialResponse) {
  class LongToken : public oauth::TokenSource {
    oauth::AccessToken Get(const base::Deadline& /*d*/, const base::WakeEvent& /*w*/) override {
      return {base::Secret(std::string(6000, 'a')), base::MonoTime::max()};
    }
    void Invalidate(const oauth::AccessToken& /*t*/) override {}
    oauth::TokenStatus GetStatus() const override { return {}; }
  };
  d_.options.login.tokens = std::make_shared<LongToken>();
  d_.AddScript(R"(
    S: * OK [CAPABILITY IMAP4rev1 AUTH=XOAUTH2 SASL-IR] ready
    C: A1 AUTHENTICATE XOAUTH2
    ! stop
    ! silence
  )");
  d_.connector.OnHook("stop", [this] { d_.signals.stop.Set(); });
  EXPECT_EQ(OpenFails().kind(), ErrorKind::kCancelled);
  d_.connector.Forget();
}

// A renewal that found an endpoint hanging gives the old token in the end.
TEST_F(LoginTest, TheServerHasItsTimeHoweverLongTheTokenTook) {
  class SlowToken : public oauth::TokenSource {
   public:
    explicit SlowToken(base::ManualClock& clock) : clock_(clock) {}
    oauth::AccessToken Get(const base::Deadline& /*d*/, const base::WakeEvent& /*w*/) override {
      clock_.Advance(std::chrono::seconds(70));
      return {base::Secret("token1"), base::MonoTime::max()};
    }
    void Invalidate(const oauth::AccessToken& /*t*/) override {}
    oauth::TokenStatus GetStatus() const override { return {}; }

   private:
    base::ManualClock& clock_;
  };
  d_.options.login.tokens = std::make_shared<SlowToken>(d_.clock);
  d_.options.timeouts.login = std::chrono::seconds(60);
  d_.AddScript(R"(
    S: * OK [CAPABILITY IMAP4rev1 AUTH=XOAUTH2 SASL-IR] ready
    C: A1 AUTHENTICATE XOAUTH2 {X1}
    ! silence
  )");
  const base::MonoTime begun = d_.clock.Now();
  EXPECT_EQ(OpenFails().kind(), ErrorKind::kTimeout);
  EXPECT_GE(d_.clock.Now() - begun, std::chrono::seconds(70 + 30)) << "not at once";
}

TEST_F(LoginTest, XOAuth2FailureChallengeIsAnsweredWithAnEmptyLine) {
  for (const char* token : {"{X1}", "{X2}"}) {
    d_.AddScript(std::string(R"(
      S: * OK [CAPABILITY IMAP4rev1 AUTH=XOAUTH2 SASL-IR] Dovecot ready.
      C: A1 AUTHENTICATE XOAUTH2 )") +
                 token + R"(
      S: + eyJzdGF0dXMiOiI0MDEiLCJzY2hlbWVzIjoiYmVhcmVyIiwic2NvcGUiOiJtYWlsIn0=
      C:
      S: A1 NO [AUTHENTICATIONFAILED] Authentication failed.
    )");
  }
  const Error error = OpenFails();
  EXPECT_EQ(error.kind(), ErrorKind::kLoginRefused);
  EXPECT_THAT(error.what(), HasSubstr("NO [AUTHENTICATIONFAILED] Authentication failed."));
  EXPECT_THAT(error.what(), HasSubstr("401"));
  EXPECT_THAT(error.what(), Not(HasSubstr("token2")));
  EXPECT_EQ(d_.tokens->invalidated(), 1U) << "a second token is not to blame for the same refusal";
}

// Knows what a real source knows of its token, and says what the test wants.
class JudgingTokens : public oauth::TokenSource {
 public:
  oauth::AccessToken Get(const base::Deadline& /*d*/, const base::WakeEvent& /*w*/) override {
    return {base::Secret("token1"), base::MonoTime::max()};
  }
  void Accepted(const oauth::AccessToken& /*t*/) override { ++accepted; }
  bool Refused(const oauth::AccessToken& /*t*/) override {
    ++refused;
    return false;
  }
  void Invalidate(const oauth::AccessToken& /*t*/) override { ADD_FAILURE() << "nobody said that it is dead"; }
  oauth::TokenStatus GetStatus() const override { return {}; }

  int accepted = 0;
  int refused = 0;
};

TEST_F(LoginTest, RefusedTokenThatTheSourceKeepsIsNotTriedAgain) {
  const auto tokens = std::make_shared<JudgingTokens>();
  d_.options.login.tokens = tokens;
  d_.AddScript(R"(
    S: * OK [CAPABILITY IMAP4rev1 AUTH=XOAUTH2 SASL-IR] ready
    C: A1 AUTHENTICATE XOAUTH2 {X1}
    S: A1 NO AUTHENTICATE failed.
  )");
  EXPECT_EQ(OpenFails().kind(), ErrorKind::kLoginRefused);
  EXPECT_EQ(tokens->refused, 1);
  EXPECT_EQ(tokens->accepted, 0);
}

TEST_F(LoginTest, TokenIsAcceptedEvenIfTheMailboxIsNotOpened) {
  const auto tokens = std::make_shared<JudgingTokens>();
  d_.options.login.tokens = tokens;
  d_.AddScript(R"(
    S: * OK [CAPABILITY IMAP4rev1 AUTH=XOAUTH2 SASL-IR] ready
    C: A1 AUTHENTICATE XOAUTH2 {X1}
    S: A1 OK [CAPABILITY IMAP4rev1] AUTHENTICATE completed.
    C: A2 LIST "" ""
    S: A2 BAD User is authenticated but not connected.
  )");
  EXPECT_EQ(OpenFails().kind(), ErrorKind::kServer);
  EXPECT_EQ(tokens->accepted, 1);
  EXPECT_EQ(tokens->refused, 0);
}

TEST_F(LoginTest, OAuthBearerFailureChallengeIsAnsweredWithControlA) {
  d_.AddScript(R"(
    S: * OK [CAPABILITY IMAP4rev1 AUTH=OAUTHBEARER SASL-IR] Dovecot ready.
    C: A1 AUTHENTICATE OAUTHBEARER {O1}
    S: + eyJzdGF0dXMiOiJpbnZhbGlkX3Rva2VuIiwic2NvcGUiOiJtYWlsIn0=
    C: AQ==
    S: A1 NO [AUTHENTICATIONFAILED] Authentication failed.
  )");
  d_.AddScript(R"(
    S: * OK [CAPABILITY IMAP4rev1 AUTH=OAUTHBEARER SASL-IR] Dovecot ready.
    C: A1 AUTHENTICATE OAUTHBEARER {O2}
    S: A1 OK [CAPABILITY IMAP4rev1] in
    C: A2 LIST "" ""
    S: A2 OK done
  )");
  EXPECT_NE(d_.Open(), nullptr) << "a refused token is replaced once, on a fresh connection";
  EXPECT_EQ(d_.tokens->invalidated(), 1U);
}

TEST_F(LoginTest, EmptyChallengeAfterInitialResponseGetsTheResponse) {
  d_.AddScript(R"(
    S: * OK [CAPABILITY IMAP4rev1 AUTH=XOAUTH2 SASL-IR] ready
    C: A1 AUTHENTICATE XOAUTH2 {X1}
    S: +
    C: {X1}
    S: A1 OK [CAPABILITY IMAP4rev1] in
    C: A2 LIST "" ""
    S: A2 OK done
  )");
  EXPECT_NE(d_.Open(), nullptr);
}

TEST_F(LoginTest, EndlessChallengesAreAProtocolError) {
  d_.AddScript(R"(
    S: * OK [CAPABILITY IMAP4rev1 AUTH=XOAUTH2] ready
    C: A1 AUTHENTICATE XOAUTH2
    S: + a
    C: {X1}
    S: + b
    C:
    S: + c
    C:
    S: + d
    C:
    S: + e
  )");
  EXPECT_EQ(OpenFails().kind(), ErrorKind::kProtocol);
}

TEST_F(LoginTest, ServerTroubleIsNotARefusal) {
  for (const char* answer :
       {"NO Server Unavailable. 15", "NO [UNAVAILABLE] Temporary authentication failure.",
        "NO [ALERT] Too many simultaneous connections. (Failure)", "NO [LIMIT] full", "NO [INUSE] locked",
        "NO [UNAVAILABLE] Maximum number of connections from user+IP exceeded (mail_max_userip_connections=10)"}) {
    d_.AddScript(std::string("S: * OK [CAPABILITY IMAP4rev1 AUTH=XOAUTH2 SASL-IR] ready\n"
                             "C: A1 AUTHENTICATE XOAUTH2 {X1}\nS: A1 ") +
                 answer);
    EXPECT_EQ(OpenFails().kind(), ErrorKind::kServer) << answer;
  }
  EXPECT_EQ(d_.tokens->invalidated(), 0U);
}

TEST_F(LoginTest, CodesThatSpeakOfTheLoginCountForMoreThanTheText) {
  UsePassword();
  for (const char* answer :
       {"NO [AUTHENTICATIONFAILED] Invalid credentials. Please try again.",
        "NO [AUTHORIZATIONFAILED] Temporarily not yours", "NO [EXPIRED] Too many days: try again with a new one",
        "NO [PRIVACYREQUIRED] try again with TLS", "NO [CONTACTADMIN] Too many invalid logins"}) {
    d_.AddScript(std::string("S: * OK [CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR] ready\n"
                             "C: A1 AUTHENTICATE PLAIN {P}\nS: A1 ") +
                 answer);
    EXPECT_EQ(OpenFails().kind(), ErrorKind::kLoginRefused) << answer;
  }
}

TEST_F(LoginTest, TaglessServerUnavailableIsLikeALostConnection) {
  d_.AddScript(R"(
    S: * OK [CAPABILITY IMAP4rev1 AUTH=XOAUTH2 SASL-IR] ready
    C: A1 AUTHENTICATE XOAUTH2 {X1}
    S: Server Unavailable.
  )");
  const Error error = OpenFails();
  EXPECT_EQ(error.kind(), ErrorKind::kNetwork);
  EXPECT_THAT(error.what(), HasSubstr("Server Unavailable"));
}

TEST_F(LoginTest, ByeAsGreetingIsServerTrouble) {
  d_.AddScript("S: * BYE Connection closed. 14\n! close");
  const Error error = OpenFails();
  EXPECT_EQ(error.kind(), ErrorKind::kServer);
  EXPECT_THAT(error.what(), HasSubstr("Connection closed. 14"));
}

TEST_F(LoginTest, GreetingThatIsNoneIsAProtocolError) {
  d_.AddScript("S: HTTP/1.1 400 Bad Request");
  EXPECT_EQ(OpenFails().kind(), ErrorKind::kProtocol);
  d_.AddScript("S: * NO go away");
  EXPECT_EQ(OpenFails().kind(), ErrorKind::kProtocol);
  d_.AddScript("S: * 5 EXISTS");
  EXPECT_EQ(OpenFails().kind(), ErrorKind::kProtocol);
}

TEST_F(LoginTest, SilenceEndsAtTheStallTime) {
  d_.AddScript("! silence");
  const base::MonoTime start = d_.clock.Now();
  EXPECT_EQ(OpenFails().kind(), ErrorKind::kTimeout);
  EXPECT_EQ(d_.clock.Now() - start, d_.options.timeouts.stall);
}

TEST_F(LoginTest, DripFeedingEndsAtTheLoginTime) {
  std::string script = "S: * OK [CAPABILITY IMAP4rev1 AUTH=XOAUTH2 SASL-IR] ready\nC: A1 AUTHENTICATE XOAUTH2 {X1}\n";
  for (int i = 0; i < 10; ++i) script += "! wait\nS: * OK patience\n";
  d_.AddScript(script);
  d_.connector.OnHook("wait", [this] { d_.clock.Advance(std::chrono::seconds(20)); });
  d_.options.timeouts.login = std::chrono::seconds(60);
  EXPECT_EQ(OpenFails().kind(), ErrorKind::kTimeout);
  d_.connector.Forget();
}

TEST_F(LoginTest, ThrottlingAtLoginTellsThePause) {
  d_.AddScript(R"(
    S: * OK [CAPABILITY IMAP4rev1 AUTH=XOAUTH2 SASL-IR] ready
    C: A1 AUTHENTICATE XOAUTH2 {X1}
    S: A1 BAD Request is throttled. Suggested Backoff Time: 92415 milliseconds
    C: A2 LOGOUT
    S: A2 OK bye
  )");
  EXPECT_EQ(OpenFails().kind(), ErrorKind::kThrottled);
  EXPECT_EQ(d_.mailbox.TakePause(), std::chrono::milliseconds(92415));
}

TEST_F(LoginTest, NotConnectedIsTransientTwiceThenNamesTheCauses) {
  const char* script = R"(
    S: * OK [CAPABILITY IMAP4rev1 AUTH=XOAUTH2 SASL-IR NAMESPACE] The Microsoft Exchange IMAP4 service is ready.
    C: A1 AUTHENTICATE XOAUTH2 {X1}
    S: A1 OK AUTHENTICATE completed.
    C: A2 CAPABILITY
    S: A2 BAD User is authenticated but not connected.
    C: A3 NAMESPACE
    S: A3 BAD User is authenticated but not connected.
  )";
  for (int i = 0; i < 3; ++i) d_.AddScript(script);
  EXPECT_EQ(OpenFails().kind(), ErrorKind::kServer);
  EXPECT_EQ(OpenFails().kind(), ErrorKind::kServer);
  const Error error = OpenFails();
  EXPECT_EQ(error.kind(), ErrorKind::kLoginRefused);
  EXPECT_THAT(error.what(), HasSubstr("FullAccess"));
  EXPECT_THAT(error.what(), HasSubstr("IMAP is disabled"));
  EXPECT_THAT(error.what(), HasSubstr("alias"));
}

TEST_F(LoginTest, SuccessResetsTheNotConnectedCount) {
  d_.mailbox.CountNotConnected();
  d_.mailbox.CountNotConnected();
  d_.OpenReady("");
  EXPECT_EQ(d_.mailbox.CountNotConnected(), 1U);
}

TEST_F(LoginTest, RefusedNamespaceIsFollowedByList) {
  d_.AddScript(R"(
    S: * PREAUTH [CAPABILITY IMAP4rev1 NAMESPACE] hello
    C: A1 NAMESPACE
    S: A1 NO not for you
    C: A2 LIST "" ""
    S: A2 OK done
  )");
  EXPECT_NE(d_.Open(), nullptr);
}

TEST_F(LoginTest, ServerThatLogsUsInByItselfShowsNothing) {
  d_.options.endpoint.tls = net::Tls::kImplicit;
  d_.AddScript("S: * PREAUTH [CAPABILITY IMAP4rev1] hello");
  const Error error = OpenFails();
  EXPECT_EQ(error.kind(), ErrorKind::kLoginRefused);
  EXPECT_THAT(error.what(), HasSubstr("PREAUTH"));
}

TEST_F(LoginTest, PasswordUsesPlainWithInitialResponse) {
  UsePassword();
  d_.AddScript(R"(
    S: * OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN AUTH=LOGIN] Dovecot ready.
    C: A1 AUTHENTICATE PLAIN {P}
    S: A1 OK [CAPABILITY IMAP4rev1] Logged in
    C: A2 LIST "" ""
    S: A2 OK done
  )");
  EXPECT_NE(d_.Open(), nullptr);
}

TEST_F(LoginTest, PasswordFallsBackToLoginQuoted) {
  UsePassword();
  d_.options.login.password = [] { return base::Secret("se\"cr et"); };
  d_.AddScript(R"(
    S: * OK [CAPABILITY IMAP4rev1] ready
    C: A1 LOGIN "user@example.org" "se\"cr et"
    S: A1 OK [CAPABILITY IMAP4rev1] in
    C: A2 LIST "" ""
    S: A2 OK done
  )");
  EXPECT_NE(d_.Open(), nullptr);
  EXPECT_EQ(d_.trace.mechanism, "LOGIN");
}

TEST_F(LoginTest, LoginDisabledIsRespected) {
  UsePassword();
  d_.AddScript("S: * OK [CAPABILITY IMAP4rev1 LOGINDISABLED AUTH=XOAUTH2] ready");
  const Error error = OpenFails();
  EXPECT_EQ(error.kind(), ErrorKind::kUnsupported);
  EXPECT_THAT(error.what(), HasSubstr("XOAUTH2"));
}

TEST_F(LoginTest, RefusedPasswordIsNotTriedAgain) {
  UsePassword();
  d_.AddScript(R"(
    S: * OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN] ready
    C: A1 AUTHENTICATE PLAIN {P}
    S: A1 NO [AUTHENTICATIONFAILED] wrong
  )");
  const Error error = OpenFails();
  EXPECT_EQ(error.kind(), ErrorKind::kLoginRefused);
  EXPECT_THAT(error.what(), Not(HasSubstr("secret")));
}

TEST_F(LoginTest, NonAsciiPasswordGoesAsLiteral) {
  UsePassword();
  d_.options.login.password = [] { return base::Secret("p\xC3\xA4"); };
  d_.AddScript(R"(
    S: * OK [CAPABILITY IMAP4rev1] ready
    C: A1 LOGIN "user@example.org" {3}
    S: + go
    C: pä
    S: A1 OK [CAPABILITY IMAP4rev1] in
    C: A2 LIST "" ""
    S: A2 OK done
  )");
  EXPECT_NE(d_.Open(), nullptr);
}

TEST_F(LoginTest, LostConnectionIsNetworkTrouble) {
  d_.AddScript("S: * OK [CAPABILITY IMAP4rev1 AUTH=XOAUTH2 SASL-IR] ready\nC: A1 AUTHENTICATE XOAUTH2 {X1}\n! close");
  EXPECT_EQ(OpenFails().kind(), ErrorKind::kNetwork);
}

TEST_F(LoginTest, StopEndsTheLogin) {
  d_.AddScript("! stop");
  d_.connector.OnHook("stop", [this] { d_.signals.stop.Set(); });
  EXPECT_EQ(OpenFails().kind(), ErrorKind::kCancelled);
}

TEST_F(LoginTest, NoCredentialReachesTheLog) {
  ::testing::internal::CaptureStderr();
  base::InitLog({.level = base::LogLevel::kTrace});
  UsePassword();
  d_.AddScript(R"(
    S: * OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] ready
    C: A1 AUTHENTICATE PLAIN
    S: +
    C: {P}
    S: A1 OK [CAPABILITY IMAP4rev1] in
    C: A2 LIST "" ""
    S: A2 OK done
  )");
  d_.Open();
  base::InitLog({});
  const std::string log = ::testing::internal::GetCapturedStderr();
  EXPECT_THAT(log, HasSubstr("LIST")) << "the log must have caught something";
  EXPECT_THAT(log, Not(HasSubstr("AHVzZXJAZXhhbXBsZS5vcmcAc2VjcmV0")));
  EXPECT_THAT(log, Not(HasSubstr("secret")));
}

// Base64 of "user@example.org" and "secret", and parts of it that mean something.
constexpr const char* kPlainParts[] = {"AHVzZXJAZXhhbXBsZS5vcmcAc2VjcmV0", "c2VjcmV0", "ZXhhbXBsZS5v", "secret"};

void ExpectNoPartOfTheLogin(std::string_view text) {
  for (const char* part : kPlainParts) EXPECT_THAT(std::string(text), Not(HasSubstr(part)));
}

TEST_F(LoginTest, EchoingServerIsNotQuoted) {
  UsePassword();
  const std::string start = "S: * OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN] ready\nC: A1 AUTHENTICATE PLAIN {P}\n";
  for (const char* echo : {"A1 AUTHENTICATE PLAIN {P}", "A1 AUTHENTICATE PLAIN AHVzZXJAZXhhbXBsZS5v",
                           "AHVzZXJAZXhhbXBsZS5vcmcAc2VjcmV0 OK", "* LIST (secret"}) {
    d_.AddScript(start + "S: " + echo);
    const Error error = OpenFails();
    EXPECT_EQ(error.kind(), ErrorKind::kProtocol) << echo;
    EXPECT_THAT(error.what(), HasSubstr("AUTHENTICATE is not what IMAP allows; it is not quoted"));
    ExpectNoPartOfTheLogin(error.what());
  }
}

TEST_F(LoginTest, EchoOfAPasswordInTwoStepsIsNotQuoted) {
  UsePassword();
  d_.AddScript(R"(
    S: * OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] ready
    C: A1 AUTHENTICATE PLAIN
    S: +
    C: {P}
    S: {P}
  )");
  const Error error = OpenFails();
  EXPECT_EQ(error.kind(), ErrorKind::kProtocol);
  ExpectNoPartOfTheLogin(error.what());
}

TEST_F(LoginTest, ErrorsAfterTheLoginQuoteAgain) {
  d_.AddScript("S: * PREAUTH [CAPABILITY IMAP4rev1] hello\nC: A1 LIST \"\" \"\"\nS: nonsense");
  EXPECT_THAT(OpenFails().what(), HasSubstr("nonsense"));
}

TEST_F(LoginTest, WordsOfAServerThatRepeatTheLoginAreNotShown) {
  ::testing::internal::CaptureStderr();
  base::InitLog({.level = base::LogLevel::kTrace});
  UsePassword();
  const std::string start = "S: * OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN] ready\nC: A1 AUTHENTICATE PLAIN {P}\n";
  std::string texts;
  for (const char* answer :
       {"* BYE not understood: A1 AUTHENTICATE PLAIN {P}",
        "* BYE not understood: A1 AUTHENTICATE PLAIN AHVzZXJAZXhhbXBsZS5v",
        "* BYE [AHVzZXJAZXhhbXBsZS5vcmcAc2VjcmV0] what?",
        "* NO [ALERT] what is {P}?\nS: A1 NO [LIMIT] AZXhhbXBsZS5vcmcAc2Vjcm",
        "A1 NO [BADCHARSET (ZXhhbXBsZS5vcmcAc2VjcmV0)] wrong", "A1 NO tail: mcAc2VjcmV0",
        "A1 BAD [UNAVAILABLE] unknown: ahvzzxjazxhhbxbszs5v\nC: A2 AUTHENTICATE PLAIN\nS: A2 NO the user's secret"}) {
    d_.AddScript(start + "S: " + answer);
    const Error error = OpenFails();
    EXPECT_NE(error.kind(), ErrorKind::kProtocol) << answer;
    texts += std::string(error.what()) + "\n";
  }
  base::InitLog({});
  texts += ::testing::internal::GetCapturedStderr();
  EXPECT_THAT(texts, HasSubstr("repeats a part of the login"));
  EXPECT_THAT(texts, HasSubstr("asks to show this")) << "the log must have caught something";
  ExpectNoPartOfTheLogin(texts);
  EXPECT_THAT(texts, Not(HasSubstr("ahvzzxjazxhhbxbszs5v")));
}

TEST_F(LoginTest, EscapedPasswordIsNotShown) {
  UsePassword();
  d_.options.login.password = [] { return base::Secret(R"(a"b"c"d)"); };
  d_.AddScript(R"(
    S: * OK [CAPABILITY IMAP4rev1] ready
    C: A1 LOGIN "user@example.org" "a\"b\"c\"d"
    S: A1 NO unknown command: LOGIN "user@example.org" "a\"b\"c\"d"
  )");
  EXPECT_THAT(OpenFails().what(), HasSubstr("NO [not quoted: it repeats a part of the login]"));
}

TEST_F(LoginTest, FailureChallengeThatRepeatsTheLoginIsNotShown) {
  UsePassword();
  for (const char* challenge : {"AHVzZXJAZXhhbXBsZS5vcmcAc2VjcmV0", "what is AHVzZXJAZXhhbXBsZS5vcmcAc2Vjcm?"}) {
    d_.AddScript(std::string(R"(
      S: * OK [CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR] ready
      C: A1 AUTHENTICATE PLAIN {P}
      S: + )") + challenge +
                 R"(
      C: *
      S: A1 NO no
    )");
    ExpectNoPartOfTheLogin(OpenFails().what());
  }
}

TEST_F(LoginTest, RefusedCompressionIsNoError) {
  d_.AddScript(R"(
    S: * PREAUTH [CAPABILITY IMAP4rev1 COMPRESS=DEFLATE] hello
    C: A1 LIST "" ""
    S: A1 OK done
    C: A2 COMPRESS DEFLATE
    S: A2 NO [COMPRESSIONACTIVE] already
    C: A3 LIST "" "*"
    S: * LIST () "/" INBOX
    S: A3 OK done
  )");
  EXPECT_EQ(d_.Open()->ListFolders({}).size(), 1U);
}

TEST_F(LoginTest, UnwantedCompressionIsNotAskedFor) {
  d_.options.compress = false;
  EXPECT_NE(d_.OpenReady("", "IMAP4rev1 COMPRESS=DEFLATE"), nullptr);
}

TEST_F(LoginTest, CompressionStartsRightAfterTheOk) {
  // The first DEFLATE octets ("* OK compressed from here") come together with the tagged OK.
  d_.AddScript(R"(
      S: * PREAUTH [CAPABILITY IMAP4rev1 COMPRESS=DEFLATE] hello
      C: A1 LIST "" ""
      S: A1 OK done
      C: A2 COMPRESS DEFLATE
      S: A2 OK go
      S| \xd2\x52\xf0\xf7\x56\x48\xce\xcf\x2d\x28\x4a\x2d\x2e\x4e\x4d\x51\x48\x2b\xca\xcf\x55\xc8\x48\x2d\x4a\xe5\xe5\x02\x00\x00\x00\xff\xff
      C* its command, compressed
      S| \xd2\x52\xf0\xf1\x0c\x0e\x51\xd0\xd0\x54\x50\xd2\x57\x52\xf0\xf4\x73\xf2\x8f\xe0\xe5\x72\x34\x06\x69\x48\xc9\xcf\x03\x2a\x00\x00\x00\x00\xff\xff
    )");
  EXPECT_EQ(d_.Open()->ListFolders({}).size(), 1U);
}

}  // namespace
}  // namespace mailboxfs::mail
