#include "check_testing.h"

namespace mailboxfs::check {
namespace {

using base::Error;
using base::ErrorKind;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

class RunTest : public testing::CheckTest {
 protected:
  // Users are told apart by the login's response.
  void RefuseLoginOf(const std::vector<std::string>& users) {
    std::vector<std::string> responses;
    for (const std::string& user : users) {
      responses.push_back(base::Base64Encode("user=" + user + "\x01" + "auth=Bearer " + tokens->token + "\x01\x01"));
    }
    SetHook([responses](const mail::testing::FakeServer::Command& command) -> std::optional<std::string> {
      for (const std::string& response : responses) {
        if (command.text == "AUTHENTICATE XOAUTH2 " + response) return command.tag + " NO AUTHENTICATE failed.\r\n";
      }
      return std::nullopt;
    });
  }
};

TEST_F(RunTest, AllLayersInOrder) {
  RunAll();
  EXPECT_THAT(Ids(), ElementsAre("authority-dns", "authority-connection", "authority-tls", "tenant", "token",
                                 "token-audience", "token-roles", "token-app", "token-tenant", "token-object",
                                 "token-size", "mail-dns", "mail-connection", "mail-tls", "login", "folders", "message",
                                 "sizes", "idle", "server", "capabilities", "connections"));
  EXPECT_EQ(exit_code, 0);
  EXPECT_EQ(Only("login").subject, "contoso/ada@example.org");
  EXPECT_EQ(Only("token").subject, "contoso");
  EXPECT_THAT(reached, ElementsAre("login.microsoftonline.com", "outlook.office365.com"));
  EXPECT_EQ(server.Count("EXAMINE"), 1U);
  EXPECT_EQ(server.Count("SELECT"), 0U);
}

TEST_F(RunTest, WithoutAMountTheMachineIsCheckedFirst) {
  RunAll({{}, false});
  EXPECT_EQ(Ids().front(), "configuration");
  EXPECT_THAT(Ids(), Contains("fuse"));
}

TEST_F(RunTest, FirstFatalLayerIsTheLastOfTheAccount) {
  reach_report.failed_at = net::ReachReport::Layer::kDns;
  reach_report.error = Error(ErrorKind::kNetwork, "no such name");
  RunAll();
  EXPECT_THAT(Ids(), ElementsAre("authority-dns"));
  EXPECT_EQ(exit_code, 4);
  reach_report = {};

  tokens->error = Error(ErrorKind::kLoginRefused, "no");
  RunAll();
  EXPECT_EQ(Ids().back(), "token");
  EXPECT_EQ(exit_code, 3);
  EXPECT_EQ(server.connections(), 0);
  tokens->error.reset();

  tokens->token = testing::Jwt(R"({"aud":"https://outlook.office365.com","idtyp":"app"})");
  RunAll();
  EXPECT_EQ(Only("token-roles").verdict, Verdict::kFailed);
  EXPECT_THAT(Ids(), Not(Contains("mail-dns")));
  EXPECT_EQ(server.connections(), 0) << "a login that cannot succeed is not tried";
}

// Consent is given meanwhile: whoever asks next needs a new one.
TEST_F(RunTest, UselessTokenIsGivenUp) {
  RunAll();
  EXPECT_THAT(tokens->invalidated, ElementsAre());
  tokens->token = testing::Jwt(R"({"aud":"https://outlook.office365.com","idtyp":"app"})");
  RunAll();
  EXPECT_THAT(tokens->invalidated, ElementsAre(tokens->token));
}

TEST_F(RunTest, RefusalThatAMountRemembersIsForgottenFirst) {
  RunAll({{}, false});
  EXPECT_THAT(tokens->forgotten_before, ElementsAre());
  tokens->asked = 0;
  RunAll({{}, true});
  EXPECT_THAT(tokens->forgotten_before, ElementsAre(0));
}

TEST_F(RunTest, WhatSomebodyMustMendComesBeforeWhatMayPass) {
  const std::vector<Exit> by_rank = {Exit::kConfig, Exit::kLogin, Exit::kNetwork, Exit::kWarnings, Exit::kOk};
  for (size_t i = 0; i < by_rank.size(); ++i) {
    for (size_t k = i; k < by_rank.size(); ++k) {
      for (const auto& [first, second] : {std::pair(i, k), std::pair(k, i)}) {
        Try([&, one = by_rank[first], other = by_rank[second]](const Context&, Subject& subject) {
          subject.Fail("x", "", one, "", "");
          subject.Fail("y", "", other, "", "");
        });
        EXPECT_EQ(exit_code, static_cast<int>(by_rank[i]));
      }
    }
  }
}

TEST_F(RunTest, OtherAccountGoesOn) {
  config::Account broken = account;
  broken.name = "broken";
  broken.auth.method = config::AuthMethod::kPassword;
  broken.mailboxes = {{"eve@example.org", "eve"}};
  Means means = MakeMeans();
  means.reach = [this](const net::Endpoint& endpoint, const base::Deadline&, const base::WakeEvent&) {
    net::ReachReport report = reach_report;
    if (endpoint.host == "broken.example.org") {
      report.failed_at = net::ReachReport::Layer::kConnection;
      report.error = Error(ErrorKind::kNetwork, "refused");
    }
    return report;
  };
  broken.imap.host = "broken.example.org";
  config.accounts = {broken, account};
  EXPECT_EQ(
      check::Run(config, {{}, true}, means, wake, [this](const Finding& finding) { findings.push_back(finding); }), 4);
  EXPECT_EQ(Only("login").subject, "contoso/ada@example.org");
  // Only what was asked for.
  findings.clear();
  EXPECT_EQ(check::Run(config, {{"ADA@example.org"}, true}, means, wake,
                       [this](const Finding& finding) { findings.push_back(finding); }),
            0);
  findings.clear();
  EXPECT_EQ(
      check::Run(config, {{"eve"}, true}, means, wake, [this](const Finding& finding) { findings.push_back(finding); }),
      4);
  EXPECT_EQ(findings.front().subject, "broken");
}

TEST_F(RunTest, WhereOneMailboxOpensAndOneDoesNot) {
  account.mailboxes = {{"ada@example.org", "ada"}, {"bob@example.org", "bob"}};
  RunAll();
  EXPECT_EQ(Only("mailboxes").verdict, Verdict::kOk);
  EXPECT_EQ(exit_code, 0);
  EXPECT_EQ(tokens->status.requests, 0U);
  RefuseLoginOf({"bob@example.org"});
  RunAll();
  EXPECT_EQ(Only("mailboxes").cause, "some-refused");
  EXPECT_THAT(Only("mailboxes").evidence, HasSubstr("1 of 2 mailboxes can be read; not bob@example.org"));
  EXPECT_THAT(Only("mailboxes").advice,
              HasSubstr(std::string("\n    Add-MailboxPermission -Identity 'bob@example.org' -User ") +
                        testing::kObject + " "));
  EXPECT_EQ(exit_code, 3);
  EXPECT_EQ(Only("server").verdict, Verdict::kOk);
  RefuseLoginOf({"ada@example.org", "bob@example.org"});
  RunAll();
  EXPECT_EQ(Only("mailboxes").cause, "all-refused");
  EXPECT_THAT(Only("mailboxes").advice, HasSubstr(std::string("New-ServicePrincipal -AppId ") + testing::kClient +
                                                  " -ObjectId " + testing::kObject));
}

TEST_F(RunTest, TokensForEachMailboxAreCheckedThere) {
  account.vendor = config::Vendor::kOther;
  account.auth.method = config::AuthMethod::kTokenCommand;
  account.auth.command = {"pizauth", "show", "{mailbox}"};
  account.mailboxes = {{"ada@example.org", "ada"}, {"bob@example.org", "bob"}};
  RunAll();
  EXPECT_EQ(tokens->asked, 4) << "twice for the check, twice for the login";
  for (const Finding& finding : findings) {
    if (finding.id == "token") {
      EXPECT_THAT(finding.subject, HasSubstr("@example.org"));
    }
  }
  EXPECT_THAT(Ids(), Not(Contains("authority-dns")));
  EXPECT_EQ(exit_code, 0);
  tokens->error = Error(ErrorKind::kConfig, "the command ended with status 1");
  RunAll();
  EXPECT_EQ(exit_code, 2);
  EXPECT_EQ(std::count_if(findings.begin(), findings.end(),
                          [](const Finding& finding) { return finding.cause == "command-failed"; }),
            2);
}

// What opens none of them need not be the same for all: each token may be another application's.
TEST_F(RunTest, TokensForEachMailboxAreNoReasonToAddTheApplication) {
  account.auth.method = config::AuthMethod::kTokenCommand;
  account.auth.command = {"pizauth", "show", "{mailbox}"};
  account.mailboxes = {{"ada@example.org", "ada"}, {"bob@example.org", "bob"}};
  RefuseLoginOf({"ada@example.org", "bob@example.org"});
  RunAll();
  EXPECT_EQ(exit_code, 3);
  EXPECT_EQ(Only("mailboxes").cause, "all-refused");
  EXPECT_THAT(Only("mailboxes").advice, Not(HasSubstr("New-ServicePrincipal")));
  RefuseLoginOf({"bob@example.org"});
  RunAll();
  EXPECT_EQ(Only("mailboxes").cause, "some-refused");
  EXPECT_THAT(Only("mailboxes").advice, Not(HasSubstr("Add-MailboxPermission")));
}

TEST_F(RunTest, PasswordAccountsHaveNoAuthority) {
  account.auth = {};
  account.auth.method = config::AuthMethod::kPassword;
  account.vendor = config::Vendor::kOther;
  RunAll();
  EXPECT_EQ(Ids().front(), "mail-dns");
}

TEST_F(RunTest, ClockWithWhichATokenCameEndsNothing) {
  tokens->status.clock_skew = std::chrono::seconds(3600);
  account.auth.certificate.emplace();
  account.auth.certificate->private_key.kind = config::SecretSpec::Kind::kCommand;
  RunAll();
  EXPECT_EQ(Only("clock").verdict, Verdict::kWarning);
  EXPECT_EQ(Only("login").verdict, Verdict::kOk);
  EXPECT_EQ(exit_code, 1);
}

TEST_F(RunTest, MailboxThatIsNotThere) {
  try {
    RunAll({{"nobody@example.org"}, true});
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kConfig);
    EXPECT_THAT(error.what(), HasSubstr("no mailbox \"nobody@example.org\""));
  }
  EXPECT_TRUE(findings.empty());
}

TEST_F(RunTest, WakeEndsIt) {
  wake.Set();
  try {
    RunAll();
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kCancelled);
  }
  EXPECT_EQ(server.connections(), 0);
}

}  // namespace
}  // namespace mailboxfs::check
