#include "mailbox.h"

#include "account_facts.h"
#include "check_testing.h"
#include "server.h"

namespace mailboxfs::check {
namespace {

using mail::ProbeReport;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

using Command = mail::testing::FakeServer::Command;

class MailboxTest : public testing::CheckTest {
 protected:
  MailboxResult Look(bool person = false) {
    MailboxResult result;
    Try([&](const Context& context, Subject& subject) {
      Facts facts = FactsOf(account);
      facts.Set("object", testing::kObject);
      facts.Set("user", "boss@example.org");
      result = CheckMailbox(context, subject, account, account.mailboxes.front(), person, facts);
    });
    return result;
  }
  // Answers each command that begins with `prefix`; "TAG" is its tag.
  void Answer(const std::string& prefix, const std::string& answer, int times = 1000) {
    auto left = std::make_shared<int>(times);
    SetHook([=](const Command& command) -> std::optional<std::string> {
      if (!command.text.starts_with(prefix) || (*left)-- <= 0) return std::nullopt;
      std::string text = answer;
      if (const size_t at = text.find("TAG"); at != std::string::npos) text.replace(at, 3, command.tag);
      return text;
    });
  }
  Finding LoginAfter(const std::string& answer) {
    Answer("AUTHENTICATE", answer);
    Look();
    return Only("login");
  }
};

constexpr const char* kNotConnected = "TAG BAD User is authenticated but not connected.\r\n";

TEST_F(MailboxTest, Opened) {
  const MailboxResult result = Look();
  EXPECT_TRUE(result.opened);
  EXPECT_THAT(Ids(), ElementsAre("login"));
  EXPECT_EQ(Only("login").evidence, "logged in with XOAUTH2");
}

TEST_F(MailboxTest, RefusedByExchange) {
  Answer("AUTHENTICATE", "TAG NO AUTHENTICATE failed.\r\n");
  const MailboxResult result = Look();
  EXPECT_TRUE(result.refused);
  const Finding finding = Only("login");
  EXPECT_EQ(finding.cause, "login-refused");
  EXPECT_THAT(finding.evidence, HasSubstr("NO AUTHENTICATE failed."));
  // In this order.
  size_t at = 0;
  for (const std::string& line :
       {std::string("\n    Connect-ExchangeOnline\n"),
        std::string("\n    New-ServicePrincipal -AppId ") + testing::kClient + " -ObjectId " + testing::kObject + " ",
        std::string("\n    Add-MailboxPermission -Identity 'ada@example.org' -User ") + testing::kObject +
            " -AccessRights FullAccess -AutoMapping $false\n",
        std::string("\n    Get-CASMailbox -Identity 'ada@example.org' | fl ImapEnabled,PopEnabled\n"),
        std::string("    Set-CASMailbox -Identity 'ada@example.org' -ImapEnabled $true\n")}) {
    const size_t found = finding.advice.find(line, at);
    EXPECT_NE(found, std::string::npos) << line << finding.advice;
    if (found != std::string::npos) at = found;
  }
  EXPECT_EQ(exit_code, 3);
}

TEST_F(MailboxTest, PersonHasNoServicePrincipal) {
  Answer("AUTHENTICATE", "TAG NO AUTHENTICATE failed.\r\n");
  Look(true);
  EXPECT_EQ(Only("login").cause, "login-refused");
  EXPECT_THAT(Only("login").advice, AllOf(Not(HasSubstr("New-ServicePrincipal")),
                                          HasSubstr("-Identity 'ada@example.org' -User 'boss@example.org' ")));
  account.vendor = config::Vendor::kOther;
  Look(true);
  EXPECT_THAT(Only("login").advice, AllOf(Not(HasSubstr("Exchange")), HasSubstr("ada@example.org")));
}

TEST_F(MailboxTest, WhoeverHasNoAdministratorGetsNoPowerShell) {
  account.provider = "outlook.com";
  Answer("AUTHENTICATE", "TAG NO AUTHENTICATE failed.\r\n");
  Look(true);
  EXPECT_EQ(Only("login").cause, "login-refused");
  EXPECT_THAT(Only("login").advice, AllOf(HasSubstr("Let devices and apps use IMAP"), Not(HasSubstr("CASMailbox"))));
}

TEST_F(MailboxTest, NeverConnected) {
  Answer("LIST \"\" \"\"", kNotConnected);
  const MailboxResult result = Look();
  EXPECT_TRUE(result.refused);
  EXPECT_EQ(Only("login").cause, "not-connected");
  EXPECT_THAT(Only("login").evidence, HasSubstr("0 of 5 logins opened it"));
  EXPECT_THAT(Only("login").advice, AllOf(HasSubstr("1. The application has no permission"),
                                          HasSubstr("Add-MailboxPermission -Identity 'ada@example.org' -User ")));
  EXPECT_EQ(exit_code, 3);
}

TEST_F(MailboxTest, ConnectedNowAndThen) {
  Answer("LIST \"\" \"\"", kNotConnected, 2);
  const MailboxResult result = Look();
  EXPECT_TRUE(result.opened);
  EXPECT_EQ(Only("login").verdict, Verdict::kWarning);
  EXPECT_EQ(Only("login").cause, "not-connected-sometimes");
  EXPECT_THAT(Only("login").evidence, HasSubstr("3 of 5 logins"));
  EXPECT_EQ(exit_code, 1);
}

TEST_F(MailboxTest, OtherAnswersToALogin) {
  for (const auto& [answer, cause, words] : {
           std::tuple("TAG NO Server Unavailable. 15\r\n", "server-unavailable", "some minutes"),
           std::tuple("Server Unavailable.\r\n", "server-unavailable", "some minutes"),
           std::tuple("* BYE Connection closed. 14\r\n", "connection-closed", "some minutes"),
           std::tuple("TAG BAD Request is throttled. Suggested Backoff Time: 92415 milliseconds\r\n", "throttled",
                      "pause"),
           std::tuple("TAG NO [UNAVAILABLE] Maximum number of connections from user+IP exceeded\r\n",
                      "too-many-connections", "mail_max_userip_connections"),
       }) {
    const Finding finding = LoginAfter(answer);
    EXPECT_EQ(finding.cause, cause) << answer;
    EXPECT_THAT(finding.advice, HasSubstr(words)) << answer;
    EXPECT_EQ(exit_code, 4) << answer;
  }
  EXPECT_THAT(LoginAfter("TAG BAD Request is throttled. Suggested Backoff Time: 92415 milliseconds\r\n").evidence,
              HasSubstr("asks for a pause of 93 s"));
}

TEST_F(MailboxTest, Passwords) {
  account.auth.method = config::AuthMethod::kPassword;
  account.vendor = config::Vendor::kApple;
  Answer("LOGIN", "TAG NO LOGIN failed.\r\n");
  Look();
  EXPECT_EQ(Only("login").cause, "password-refused");
  EXPECT_THAT(Only("login").advice, HasSubstr("app-specific password"));
  EXPECT_EQ(exit_code, 3);
}

TEST_F(MailboxTest, FoldersAndMessagesThatCannotBeRead) {
  Answer("LIST \"\" \"*\"", "TAG NO no\r\n");
  EXPECT_FALSE(Look().opened);
  EXPECT_EQ(Only("folders").cause, "folders-unlisted");
  EXPECT_EQ(Only("login").verdict, Verdict::kOk);
  Answer("EXAMINE", "TAG NO no\r\n");
  Look();
  EXPECT_EQ(Only("message").cause, "inbox-unreadable");
  EXPECT_EQ(exit_code, 4);
}

TEST_F(MailboxTest, ConnectionThatEndsAfterTheLogin) {
  Answer("LIST \"\" \"*\"", "* BYE Connection closed. 14\r\n");
  Look();
  EXPECT_EQ(Only("folders").cause, "connection");
  EXPECT_THAT(Only("folders").advice, AllOf(HasSubstr("The server ends the connection"), Not(HasSubstr("firewall"))));
  EXPECT_EQ(exit_code, 4);
}

TEST_F(MailboxTest, AddressesThatAreHardlyPrimary) {
  EXPECT_THAT(AddressHint("ada@example.org\\shared"), HasSubstr("shared mailbox's own address"));
  EXPECT_THAT(AddressHint("ada+x@example.org"), HasSubstr("primary"));
  EXPECT_THAT(AddressHint("ada@contoso.OnMicrosoft.com"), HasSubstr("alias"));
  EXPECT_EQ(AddressHint("ada@example.org"), "");
  account.mailboxes.front().address = "ada@contoso.onmicrosoft.com";
  EXPECT_THAT(LoginAfter("TAG NO AUTHENTICATE failed.\r\n").advice, HasSubstr("onmicrosoft.com in an alias"));
  EXPECT_THAT(LoginAfter("TAG NO Server Unavailable. 15\r\n").advice, Not(HasSubstr("alias")));
}

class ServerTest : public testing::CheckTest {
 protected:
  ServerTest() {
    probe_.profile = model::FindProfile("exchange");
    probe_.greeting = probe_.server = "The Microsoft Exchange IMAP4 service is ready.";
    probe_.capabilities = {"IMAP4REV1", "IDLE"};
    probe_.folders = 12;
    probe_.inbox_messages = 300;
    probe_.idle = true;
  }
  void Contents() {
    Try([&](const Context& context, Subject& subject) { CheckContents(context, subject, probe_); });
  }
  void Server() {
    std::vector<const config::MailboxConfig*> mailboxes;
    for (const config::MailboxConfig& mailbox : account.mailboxes) mailboxes.push_back(&mailbox);
    Try([&](const Context& context, Subject& subject) { CheckServer(context, subject, account, mailboxes, probe_); });
  }
  void Sample(model::Uid uid, std::optional<uint64_t> size, const std::string& problem = "") {
    probe_.samples.push_back({uid, 10, size, problem});
  }
  ProbeReport probe_;
};

TEST_F(ServerTest, SizesThatAreRight) {
  Sample(1, 10);
  Sample(2, 10);
  Contents();
  EXPECT_THAT(Ids(), ElementsAre("folders", "message", "sizes", "idle"));
  EXPECT_EQ(Only("folders").evidence, "12 folders");
  EXPECT_EQ(Only("message").evidence, "INBOX has 300 messages; 2 of 2 were read");
  EXPECT_EQ(Only("sizes").verdict, Verdict::kOk);
  EXPECT_EQ(exit_code, 0);
}

TEST_F(ServerTest, SizesThatAreWrongAreNobodysFault) {
  Sample(1, 10);
  Sample(2, 7);
  Sample(3, std::nullopt, "the server sends a placeholder instead");
  Contents();
  EXPECT_EQ(Only("sizes").verdict, Verdict::kInfo);
  EXPECT_THAT(Only("sizes").evidence, HasSubstr("1 of 2 are wrong (UID 2: 10 told, 7 real)"));
  EXPECT_EQ(Only("sizes").advice, "Files show the exact size from their first opening on.");
  EXPECT_EQ(Only("message").cause, "message-unfetchable");
  EXPECT_THAT(Only("message").evidence, HasSubstr("2 of 3 were read; not UID 3: the server sends a placeholder"));
  EXPECT_EQ(exit_code, 1);
}

TEST_F(ServerTest, SamplesThatCameTooSlowly) {
  probe_.idle.reset();
  probe_.cut_short = "it was slow";
  probe_.inbox_messages = 0;
  Contents();
  EXPECT_EQ(Only("message").cause, "message-cut-short");
  EXPECT_THAT(Only("message").evidence, HasSubstr("it was slow"));
  EXPECT_THAT(Ids(), Not(Contains("idle"))) << "it was not tried";
  EXPECT_EQ(exit_code, 1);
  Sample(3, std::nullopt, "far more than told");
  Contents();
  EXPECT_EQ(Only("message").cause, "message-unfetchable");
}

TEST_F(ServerTest, NothingToRead) {
  Contents();
  EXPECT_THAT(Only("message").evidence, HasSubstr("all large"));
  probe_.inbox_messages = 0;
  Contents();
  EXPECT_EQ(Only("message").evidence, "INBOX is empty");
  EXPECT_THAT(Ids(), Not(Contains("sizes")));
}

TEST_F(ServerTest, Idle) {
  probe_.idle = false;
  Contents();
  EXPECT_EQ(Only("idle").verdict, Verdict::kInfo);
  EXPECT_THAT(Only("idle").advice, HasSubstr("60 s"));
  probe_.idle.reset();
  Contents();
  EXPECT_THAT(Only("idle").evidence, HasSubstr("does not offer"));
}

TEST_F(ServerTest, ExchangesOddities) {
  account.mailboxes = {{"ada@example.org", "ada"}, {"o'brien@example.org", "bob"}, {"gr\u00fc@example.org", "x"}};
  probe_.capabilities.emplace_back("IMAP4REV2");
  Server();
  EXPECT_THAT(Ids(), ElementsAre("server", "capabilities", "connections", "read-receipts", "calendar-notices",
                                 "invisible-folders"));
  EXPECT_EQ(Only("read-receipts").verdict, Verdict::kInfo);
  EXPECT_THAT(Only("read-receipts").advice,
              HasSubstr("\n    'ada@example.org','o''brien@example.org' | ForEach-Object { Set-CASMailbox -Identity $_ "
                        "-ImapUseProtocolDefaults $false -ImapSuppressReadReceipt $true }"));
  EXPECT_THAT(Only("calendar-notices").advice, HasSubstr("-ImapForceICalForCalendarRetrievalOption $true }"));
  EXPECT_THAT(Only("capabilities").advice, HasSubstr("IMAP4rev2"));
  EXPECT_THAT(Only("capabilities").evidence, HasSubstr("without CONDSTORE, QRESYNC, COMPRESS"));
  EXPECT_EQ(exit_code, 0);
}

TEST_F(ServerTest, WhoeverHasNoAdministratorGetsNoPowerShell) {
  account.provider = "outlook.com";
  Server();
  EXPECT_THAT(Ids(), ElementsAre("server", "capabilities", "connections", "invisible-folders"));
}

TEST_F(ServerTest, ConnectionsAgainstWhatIsAllowed) {
  account.imap.connections = 8;
  Server();
  EXPECT_EQ(Only("connections").verdict, Verdict::kOk);
  account.imap.connections = 15;
  Server();
  EXPECT_EQ(Only("connections").verdict, Verdict::kInfo);
  EXPECT_EQ(exit_code, 0);
  probe_.profile = model::FindProfile("gmail");
  probe_.greeting = probe_.server = "Gimap ready for requests";
  Server();
  EXPECT_EQ(Only("connections").verdict, Verdict::kWarning);
  EXPECT_THAT(Only("connections").evidence, HasSubstr("Gmail allows 15"));
  EXPECT_EQ(exit_code, 1);
  probe_.greeting = "ready";
  probe_.profile = model::FindProfile("dovecot");
  probe_.server = "Dovecot";
  account.imap.connections = 10;
  Server();
  EXPECT_THAT(Only("connections").evidence, HasSubstr("mail_max_userip_connections"));
  probe_.profile = model::FindProfile("generic");
  probe_.server = "somebody";
  Server();
  EXPECT_EQ(Only("connections").verdict, Verdict::kOk);
}

TEST_F(ServerTest, OtherVendors) {
  probe_.profile = model::FindProfile("gmail");
  probe_.greeting = probe_.server = "Gimap ready";
  Server();
  EXPECT_THAT(Ids(), AllOf(Contains("labels"), Contains("daily-volume"), Not(Contains("read-receipts"))));
  probe_.profile = model::FindProfile("generic");
  probe_.greeting = probe_.server = "ready";
  account.vendor = config::Vendor::kYahoo;
  Server();
  EXPECT_THAT(Only("folder-limit").evidence, HasSubstr("10,000"));
}

}  // namespace
}  // namespace mailboxfs::check
