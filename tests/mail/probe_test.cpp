#include "mailboxfs/mail/probe.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "dialogue.h"

namespace mailboxfs::mail {
namespace {

using base::ErrorKind;
using testing::Dialogue;
using Layer = ProbeReport::Layer;

constexpr const char* kLogin = R"(
  S: * OK [CAPABILITY IMAP4rev1 AUTH=XOAUTH2 SASL-IR] ready
  C: A1 AUTHENTICATE XOAUTH2 {X1}
  S: A1 OK [CAPABILITY IMAP4rev1 IDLE] in
  C: A2 LIST "" ""
  S: A2 OK done
  C: A3 LIST "" "*"
)";

class ProbeTest : public ::testing::Test {
 protected:
  void TearDown() override { d_.connector.ExpectAllPlayed(); }
  ProbeReport Probe(const std::string& script) {
    d_.AddScript(script);
    return ProbeMailbox(d_.options, d_.environment);
  }
  Dialogue d_;
};

TEST_F(ProbeTest, ReadsOneMessage) {
  const ProbeReport report = Probe(std::string(kLogin) + R"(
    S: * LIST () "/" Sent
    S: * LIST () "/" Inbox
    S: A3 OK done
    C: A4 EXAMINE Inbox
    S: * 2 EXISTS
    S: * OK [UIDVALIDITY 7] ok
    S: A4 OK done
    C: A5 FETCH 1 (UID RFC822.SIZE)
    S: * 1 FETCH (RFC822.SIZE 19189 UID 33)
    S: A5 OK done
    C: A6 UID FETCH 33 (UID BODY.PEEK[])
    S: * 1 FETCH (UID 33 BODY[] {5}
    S| hello
    S: )
    S: A6 OK done
    C: A7 LOGOUT
    S: * BYE bye
    S: A7 OK done
  )");
  EXPECT_EQ(report.failed_at, Layer::kDone);
  EXPECT_FALSE(report.error);
  EXPECT_EQ(report.greeting, "ready");
  EXPECT_EQ(report.mechanism, "XOAUTH2");
  EXPECT_EQ(report.capabilities, (std::vector<std::string>{"IMAP4REV1", "IDLE"}));
  EXPECT_EQ(report.folders, 2U);
  EXPECT_EQ(report.inbox_messages, 2U);
  EXPECT_TRUE(report.first_message_read);
  EXPECT_EQ(report.first_message_size, 5U);
  EXPECT_EQ(report.first_message_estimate, 19189U);
  EXPECT_EQ(d_.budget.in_use(), 0U);
}

TEST_F(ProbeTest, EmptyInboxIsFine) {
  const ProbeReport report = Probe(std::string(kLogin) + R"(
    S: * LIST () "/" INBOX
    S: A3 OK done
    C: A4 EXAMINE INBOX
    S: * 0 EXISTS
    S: * OK [UIDVALIDITY 7] ok
    S: A4 OK done
    C: A5 LOGOUT
    S: A5 OK done
  )");
  EXPECT_EQ(report.failed_at, Layer::kDone);
  EXPECT_FALSE(report.first_message_read);
}

TEST_F(ProbeTest, NamesTheLayerThatFailed) {
  EXPECT_EQ(Probe("! refuse").failed_at, Layer::kConnect);
  EXPECT_EQ(Probe("S: * BYE busy\n").failed_at, Layer::kGreeting);
  const ProbeReport listing = Probe(std::string(kLogin) + "S: A3 NO no\n");
  EXPECT_EQ(listing.failed_at, Layer::kFolders);
  ASSERT_TRUE(listing.error);
  EXPECT_EQ(listing.error->kind(), ErrorKind::kServer);
  const ProbeReport message =
      Probe(std::string(kLogin) + "S: * LIST () \"/\" INBOX\nS: A3 OK done\nC: A4 EXAMINE INBOX\nS: A4 NO no\n");
  EXPECT_EQ(message.failed_at, Layer::kMessage);
  const ProbeReport login = Probe(R"(
    S: * OK [CAPABILITY IMAP4rev1 AUTH=XOAUTH2 SASL-IR] ready
    C: A1 AUTHENTICATE XOAUTH2 {X1}
    S: A1 NO [UNAVAILABLE] sorry
  )");
  EXPECT_EQ(login.failed_at, Layer::kLogin);
}

constexpr const char* kNotConnected = R"(
  S: * OK [CAPABILITY IMAP4rev1 AUTH=XOAUTH2 SASL-IR] ready
  C: A1 AUTHENTICATE XOAUTH2 {X1}
  S: A1 OK [CAPABILITY IMAP4rev1] AUTHENTICATE completed.
  C: A2 LIST "" ""
  S: A2 BAD User is authenticated but not connected.
)";

TEST_F(ProbeTest, MailboxThatIsNeverOpenedIsARefusedLogin) {
  d_.AddScript(kNotConnected);
  d_.AddScript(kNotConnected);
  const ProbeReport report = Probe(kNotConnected);
  EXPECT_EQ(report.failed_at, Layer::kLogin);
  ASSERT_TRUE(report.error);
  EXPECT_EQ(report.error->kind(), ErrorKind::kLoginRefused);
  EXPECT_THAT(report.error->what(), ::testing::HasSubstr("FullAccess"));
  EXPECT_THAT(report.error->what(), ::testing::Not(::testing::HasSubstr("attempt")));
}

TEST_F(ProbeTest, MailboxThatIsOpenedAtTheSecondTryIsFine) {
  d_.AddScript(kNotConnected);
  const ProbeReport report = Probe(std::string(kLogin) + "S: A3 NO no\n");
  EXPECT_EQ(report.failed_at, Layer::kFolders);
}

TEST_F(ProbeTest, OtherTroubleAfterAnUnopenedMailboxEndsTheProbe) {
  d_.AddScript(kNotConnected);
  const ProbeReport report = Probe("S: * BYE busy\n");
  EXPECT_EQ(report.failed_at, Layer::kGreeting);
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
}

}  // namespace
}  // namespace mailboxfs::mail
