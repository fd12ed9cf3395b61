#include "authority.h"

#include "account_facts.h"
#include "check_testing.h"
#include "clock.h"

namespace mailboxfs::check {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

class AuthorityTest : public testing::CheckTest {
 protected:
  TenantAnswer Look() {
    TenantAnswer answer;
    Try([&](const Context& context, Subject& subject) {
      answer = CheckTenant(context, subject, account, FactsOf(account));
    });
    return answer;
  }
  // Before the answers of the fixture.
  void Say(long status, const std::string& body, const std::optional<std::string>& date = std::nullopt) {
    net::HttpResponse response;
    response.status = status;
    response.body = body;
    response.date = date;
    // The fixture's answer goes first.
    if (http.count() == 0) Look();
    http.Answer(response);
  }
  static std::string Cloud(const std::string& instance, const std::string& more = "") {
    return R"({"issuer":"https://login/fb561382-2222-2222-2222-06ab992d36b7/v2.0","cloud_instance_name":")" + instance +
           "\"" + more + "}";
  }
};

TEST_F(AuthorityTest, TenantThatExists) {
  const TenantAnswer answer = Look();
  EXPECT_FALSE(answer.failed);
  EXPECT_EQ(answer.tenant_id, testing::kTenant);
  EXPECT_EQ(Only("tenant").verdict, Verdict::kOk);
  EXPECT_THAT(Only("tenant").evidence,
              ::testing::AllOf(HasSubstr(testing::kTenant), HasSubstr("microsoftonline.com"), HasSubstr("EU")));
  EXPECT_EQ(http.request(0).url, std::string("https://login.microsoftonline.com/") + testing::kTenant +
                                     "/v2.0/.well-known/openid-configuration");
  EXPECT_EQ(http.request(0).method, net::HttpRequest::Method::kGet);
  EXPECT_THAT(http.request(0).form, IsEmpty());
}

TEST_F(AuthorityTest, DomainGetsItsId) {
  account.auth.tenant = "contoso.com";
  account.auth.token_endpoint = "https://login.microsoftonline.com/contoso.com/oauth2/token";
  EXPECT_EQ(Look().tenant_id, testing::kTenant);
  EXPECT_EQ(http.request(0).url, "https://login.microsoftonline.com/contoso.com/v2.0/.well-known/openid-configuration");
}

TEST_F(AuthorityTest, TenantThatDoesNot) {
  Say(400, R"({"error":"invalid_tenant","error_description":"AADSTS90002: Tenant not found.","error_codes":[90002]})");
  EXPECT_TRUE(Look().failed);
  EXPECT_EQ(Only("tenant").cause, "tenant-unknown");
  EXPECT_THAT(Only("tenant").evidence, StartsWith("AADSTS90002"));
  EXPECT_THAT(Only("tenant").advice, ::testing::AllOf(HasSubstr(testing::kTenant), HasSubstr("gcc-high")));
  EXPECT_EQ(exit_code, 3);
}

TEST_F(AuthorityTest, TenantInAnotherCloud) {
  for (const auto& [body, provider] :
       {std::pair(Cloud("microsoftonline.us"), "\"provider\" to microsoft365-gcc-high:"),
        {Cloud("microsoftonline.us", R"(,"tenant_region_sub_scope":"DOD")"), "\"provider\" to microsoft365-dod:"},
        {Cloud("partner.microsoftonline.cn"), "\"provider\" to microsoft365-china:"},
        {Cloud("microsoftonline.mars"), "microsoft365-dod or microsoft365-china"}}) {
    Say(200, body);
    EXPECT_TRUE(Look().failed) << body;
    EXPECT_EQ(Only("tenant").cause, "wrong-cloud") << body;
    EXPECT_THAT(Only("tenant").advice, HasSubstr(provider));
    EXPECT_EQ(exit_code, 3);
  }
  Say(400, R"({"error":"invalid_request","error_description":"AADSTS900432: x","error_codes":[900432]})");
  EXPECT_TRUE(Look().failed);
  EXPECT_EQ(Only("tenant").cause, "wrong-cloud");
}

// Where the host says nothing, the provider does.
TEST_F(AuthorityTest, CloudsAreComparedByHostOrProvider) {
  account.auth.token_endpoint = "https://login.microsoftonline.us/x/oauth2/v2.0/token";
  Say(200, Cloud("microsoftonline.us"));
  EXPECT_FALSE(Look().failed);
  account.auth.token_endpoint = "http://localhost:1234/x/oauth2/v2.0/token";
  account.provider = "microsoft365-dod";
  EXPECT_FALSE(Look().failed);
  account.provider = "microsoft365";
  EXPECT_TRUE(Look().failed);
  account.provider = "custom";
  EXPECT_FALSE(Look().failed);
}

TEST_F(AuthorityTest, OtherAnswersAreNoVerdict) {
  for (const auto& [status, body] : {std::pair(404L, "<html>"),
                                     {200L, ""},
                                     {200L, "{}"},
                                     {200L, "[1]"},
                                     {400L, R"({"error_codes":["x",7]})"},
                                     {503L, R"({"error_codes":{}})"}}) {
    Say(status, body);
    EXPECT_FALSE(Look().failed) << body;
    EXPECT_EQ(Only("tenant").verdict, Verdict::kInfo) << body;
  }
  http.Fail(base::ErrorKind::kTimeout);
  EXPECT_FALSE(Look().failed);
  EXPECT_EQ(Only("tenant").verdict, Verdict::kInfo);
  EXPECT_EQ(exit_code, 0);
}

TEST_F(AuthorityTest, OthersAreNotAsked) {
  account.vendor = config::Vendor::kOther;
  Look();
  account.vendor = config::Vendor::kMicrosoft;
  account.auth.tenant = "Consumers";
  Look();
  account.auth.tenant = "x";
  account.auth.token_endpoint = "https://login.example.org/token";
  Look();
  EXPECT_EQ(http.count(), 0U);
}

TEST_F(AuthorityTest, ServerThatKnowsTheTime) {
  EXPECT_EQ(Look().clock_skew, std::nullopt);
  Say(200, "{}", "Thu, 01 Jan 1970 00:10:00 GMT");
  const auto now = std::chrono::duration_cast<std::chrono::seconds>(clock.WallNow().time_since_epoch());
  EXPECT_EQ(Look().clock_skew, now - std::chrono::seconds(600));
}

TEST_F(AuthorityTest, HostThatGivesTokens) {
  const auto look = [&] {
    reached.clear();
    Try([&](const Context& context, Subject& subject) { CheckAuthority(context, subject, account, Facts()); });
    return reached;
  };
  EXPECT_THAT(look(), ElementsAre("login.microsoftonline.com"));
  EXPECT_THAT(Ids(), ElementsAre("authority-dns", "authority-connection", "authority-tls"));
  account.auth.token_endpoint.clear();
  account.auth.issuer = "https://issuer.example.org";
  EXPECT_THAT(look(), ElementsAre("issuer.example.org"));
  account.auth.issuer.clear();
  account.auth.method = config::AuthMethod::kServiceAccount;
  EXPECT_THAT(look(), ElementsAre("oauth2.googleapis.com"));
  for (const auto method : {config::AuthMethod::kManagedIdentity, config::AuthMethod::kTokenCommand}) {
    account.auth.method = method;
    EXPECT_THAT(look(), IsEmpty());
  }
}

TEST_F(AuthorityTest, Clocks) {
  bool go_on = false;
  const auto judge = [&](int seconds, bool has_token = false) {
    Try([&](const Context&, Subject& subject) {
      go_on = CheckClock(subject, std::chrono::seconds(seconds), "login.example.org", account, Facts(), has_token);
    });
    return Only("clock");
  };
  EXPECT_EQ(judge(60).verdict, Verdict::kOk);
  EXPECT_EQ(judge(-61).verdict, Verdict::kWarning);
  EXPECT_THAT(judge(-61).evidence, HasSubstr("61 s behind that of login.example.org"));
  EXPECT_EQ(judge(600).verdict, Verdict::kWarning) << "nothing is signed";
  EXPECT_THAT(judge(600).evidence, HasSubstr("10 min ahead of"));
  EXPECT_THAT(judge(600).advice, HasSubstr("\n    timedatectl set-ntp true\n"));
  EXPECT_EQ(exit_code, 1);
  account.auth.certificate.emplace();
  EXPECT_EQ(judge(300).verdict, Verdict::kWarning);
  EXPECT_EQ(judge(301, /*has_token=*/true).verdict, Verdict::kWarning);
  EXPECT_TRUE(go_on);
  EXPECT_EQ(judge(301).verdict, Verdict::kFailed);
  EXPECT_EQ(judge(-301).cause, "clock-skew");
  EXPECT_FALSE(go_on);
  EXPECT_EQ(exit_code, 3);
}

}  // namespace
}  // namespace mailboxfs::check
