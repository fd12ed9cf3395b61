#include "claims.h"

#include "account_facts.h"
#include "check_testing.h"

namespace mailboxfs::check {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

class ClaimsTest : public testing::CheckTest {
 protected:
  ClaimsResult Look(const std::string& token, const std::string& tenant = testing::kTenant) {
    ClaimsResult result;
    facts_ = FactsOf(account);
    Try([&](const Context& context, Subject& subject) {
      TokenResult given;
      given.token = oauth::AccessToken{base::Secret(token), base::MonoTime::max()};
      result = CheckClaims(context, subject, account, given, tenant, facts_);
    });
    return result;
  }
  int64_t Now() const {
    return std::chrono::duration_cast<std::chrono::seconds>(clock.WallNow().time_since_epoch()).count();
  }
  Facts facts_;
};

TEST_F(ClaimsTest, GoodToken) {
  const ClaimsResult result = Look(testing::AppToken(R"(,"exp":)" + std::to_string(Now() + 3600)));
  EXPECT_TRUE(result.usable);
  EXPECT_FALSE(result.person);
  EXPECT_THAT(Ids(), ElementsAre("token-audience", "token-roles", "token-app", "token-tenant", "token-object",
                                 "token-lifetime", "token-size"));
  EXPECT_EQ(exit_code, 0);
  EXPECT_THAT(Only("token-object").evidence, AllOf(HasSubstr(testing::kClient), HasSubstr(testing::kObject)));
  EXPECT_THAT(Only("token-object").advice,
              AllOf(HasSubstr("\n    Connect-ExchangeOnline\n"),
                    HasSubstr(std::string("\n    Get-ServicePrincipal | Where-Object AppId -eq ") + testing::kClient),
                    HasSubstr(std::string("\n    New-ServicePrincipal -AppId ") + testing::kClient + " -ObjectId " +
                              testing::kObject + " -DisplayName \"mailboxfs\"")));
  EXPECT_EQ(Only("token-lifetime").evidence, "valid for 60 min");
  EXPECT_EQ(facts_.Get("object"), testing::kObject);
}

TEST_F(ClaimsTest, NationalCloudsHaveAShellOfTheirOwn) {
  account.exchange_environment = "O365USGovGCCHigh";
  Look(testing::AppToken());
  EXPECT_THAT(Only("token-object").advice,
              HasSubstr("\n    Connect-ExchangeOnline -ExchangeEnvironmentName O365USGovGCCHigh\n"));
}

TEST_F(ClaimsTest, TokenForGraphIsNoUse) {
  for (const char* audience :
       {"https://graph.microsoft.com", "00000003-0000-0000-c000-000000000000", "https://graph.microsoft.com/"}) {
    EXPECT_FALSE(Look(testing::Jwt(std::string(R"({"roles":["IMAP.AccessAsApp"],"aud":")") + audience + "\"}")).usable);
    EXPECT_EQ(Only("token-audience").cause, "wrong-audience") << audience;
    EXPECT_THAT(Only("token-audience").advice,
                AllOf(HasSubstr(audience), HasSubstr("https://outlook.office365.com/.default")));
    EXPECT_EQ(exit_code, 3);
  }
}

TEST_F(ClaimsTest, ExchangeHasSeveralNames) {
  for (const char* audience : {"https://ps.outlook.com", "00000002-0000-0ff1-ce00-000000000000",
                               "https://outlook.office365.us/", "https://partner.outlook.cn"}) {
    Look(testing::Jwt(std::string(R"({"roles":["IMAP.AccessAsApp"],"aud":")") + audience + "\"}"));
    EXPECT_EQ(Only("token-audience").verdict, Verdict::kOk) << audience;
  }
  account.auth.scope = "https://mail.contoso.com/.default";
  Look(testing::Jwt(R"({"roles":["IMAP.AccessAsApp"],"aud":["x","https://mail.contoso.com"]})"));
  EXPECT_EQ(Only("token-audience").verdict, Verdict::kOk) << "it was asked for";
  account.auth.scope = "";
  account.auth.resource = "https://mail.contoso.com";
  Look(testing::Jwt(R"({"roles":["IMAP.AccessAsApp"],"aud":"https://mail.contoso.com"})"));
  EXPECT_EQ(Only("token-audience").verdict, Verdict::kOk);
}

// Who knows what a server takes?
TEST_F(ClaimsTest, AudienceThatNobodyKnowsIsAWarning) {
  EXPECT_TRUE(Look(testing::Jwt(R"({"roles":["IMAP.AccessAsApp"],"aud":"https://other.example.org"})")).usable);
  EXPECT_EQ(Only("token-audience").verdict, Verdict::kWarning);
}

// As if a resource of that name had been asked for.
TEST_F(ClaimsTest, AskingForGraphDoesNotMakeItRight) {
  account.auth.scope = "https://graph.microsoft.com/.default";
  EXPECT_FALSE(Look(testing::Jwt(R"({"roles":["IMAP.AccessAsApp"],"aud":"https://graph.microsoft.com"})")).usable);
}

TEST_F(ClaimsTest, TokenThatPermitsNothing) {
  EXPECT_FALSE(Look(testing::Jwt(R"({"aud":"https://outlook.office365.com","idtyp":"app"})")).usable);
  EXPECT_EQ(Only("token-roles").cause, "roles-missing");
  EXPECT_THAT(Only("token-roles").advice,
              AllOf(HasSubstr("Application permissions"), HasSubstr("IMAP.AccessAsApp"), HasSubstr("admin consent")));
  EXPECT_EQ(exit_code, 3);
  Look(testing::Jwt(R"({"aud":"https://outlook.office365.com","roles":["POP.AccessAsApp"]})"));
  EXPECT_EQ(Only("token-roles").cause, "pop-only");
  account.auth.method = config::AuthMethod::kManagedIdentity;
  Look(testing::Jwt(
      R"({"aud":"https://outlook.office365.com","idtyp":"app","oid":"9d2a2d1c-3333-3333-3333-4f1f0c8a7b6e"})"));
  EXPECT_THAT(Only("token-roles").advice, HasSubstr("\n    New-MgServicePrincipalAppRoleAssignment -ServicePrincipalId "
                                                    "9d2a2d1c-3333-3333-3333-4f1f0c8a7b6e -PrincipalId "));
}

TEST_F(ClaimsTest, PeoplesTokens) {
  const std::string token = testing::Jwt(
      R"({"aud":"https://outlook.office.com","scp":"IMAP.AccessAsUser.All","upn":"ada@example.org","oid":"x"})");
  EXPECT_FALSE(Look(token).usable) << "an application's was asked for";
  EXPECT_EQ(Only("token-roles").cause, "delegated-token");
  account.auth.method = config::AuthMethod::kDeviceCode;
  const ClaimsResult result = Look(token);
  EXPECT_TRUE(result.usable);
  EXPECT_TRUE(result.person);
  EXPECT_EQ(facts_.Get("user"), "ada@example.org");
  EXPECT_THAT(Ids(), Not(Contains("token-object"))) << "a person is no service principal";
  EXPECT_FALSE(Look(testing::Jwt(R"({"aud":"https://outlook.office.com","scp":"Mail.Read"})")).usable);
  EXPECT_EQ(Only("token-roles").cause, "scope-missing");
  EXPECT_THAT(Only("token-roles").evidence, HasSubstr("Mail.Read"));
  // A command may give either.
  account.auth.method = config::AuthMethod::kTokenCommand;
  EXPECT_TRUE(Look(token).person);
  EXPECT_FALSE(Look(testing::AppToken()).person);
}

TEST_F(ClaimsTest, SomebodyElsesToken) {
  EXPECT_TRUE(Look(testing::AppToken(), "11111111-2222-2222-2222-06ab992d36b7").usable);
  EXPECT_EQ(Only("token-tenant").cause, "other-tenant");
  account.auth.client_id = "11111111-1111-1111-1111-bdca9a88c089";
  Look(testing::AppToken(), "");
  EXPECT_EQ(Only("token-tenant").verdict, Verdict::kOk) << "whose it should be is not known";
  EXPECT_EQ(Only("token-app").cause, "other-app");
  EXPECT_EQ(exit_code, 1);
  EXPECT_EQ(facts_.Get("app"), testing::kClient) << "Exchange sees the token, not the configuration";
}

TEST_F(ClaimsTest, TimeOfLife) {
  const auto look = [&](int64_t begin, int64_t end) {
    return Look(testing::AppToken(R"(,"nbf":)" + std::to_string(Now() + begin) + R"(,"exp":)" +
                                  std::to_string(Now() + end)))
        .usable;
  };
  EXPECT_TRUE(look(-5, -10)) << "clocks differ a little";
  EXPECT_FALSE(look(-7200, -3600));
  EXPECT_EQ(Only("token-lifetime").cause, "token-expired");
  EXPECT_THAT(Only("token-lifetime").advice, HasSubstr("timedatectl"));
  EXPECT_FALSE(look(600, 3600));
  EXPECT_THAT(Only("token-lifetime").evidence, HasSubstr("begins in 10 min"));
}

TEST_F(ClaimsTest, TokenThatCannotBeRead) {
  const ClaimsResult result = Look("EwBAAl3BAAUFFpUAo7J3Ve0bjLBWZWCclRC3EoAA");
  EXPECT_TRUE(result.usable);
  EXPECT_EQ(Only("token-claims").verdict, Verdict::kInfo);
  EXPECT_THAT(Only("token-claims").evidence, HasSubstr("normal for personal accounts of Microsoft"));
  EXPECT_EQ(exit_code, 0);
}

TEST_F(ClaimsTest, OtherServersTokensAreTheirs) {
  account.vendor = config::Vendor::kOther;
  EXPECT_TRUE(Look(testing::Jwt(R"({"aud":"mail"})")).usable);
  EXPECT_THAT(Ids(), ElementsAre("token-size"));
  Look(std::string(6001, 'x'));
  EXPECT_EQ(Only("token-size").cause, "token-large");
  EXPECT_THAT(Only("token-size").advice, HasSubstr("Dovecot"));
  account.vendor = config::Vendor::kMicrosoft;
  Look(std::string(6001, 'x'));
  EXPECT_EQ(Only("token-size").verdict, Verdict::kInfo);
}

}  // namespace
}  // namespace mailboxfs::check
