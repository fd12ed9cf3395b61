#include "host.h"

#include "check_testing.h"

namespace mailboxfs::check {
namespace {

using base::Error;
using base::ErrorKind;
using net::ReachReport;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

class HostTest : public testing::CheckTest {
 protected:
  bool Look(net::Tls tls = net::Tls::kImplicit) {
    bool reached_it = false;
    Try([&](const Context& context, Subject& subject) {
      reached_it = CheckHost(context, subject, "mail", {"imap.example.org", 993, tls, std::nullopt}, account, Facts());
    });
    return reached_it;
  }
  void Break(ReachReport::Layer layer, ErrorKind kind) {
    reach_report.failed_at = layer;
    reach_report.error = Error(kind, "cannot connect to imap.example.org:993: bad luck");
  }
};

TEST_F(HostTest, ThreeLayers) {
  EXPECT_TRUE(Look());
  EXPECT_THAT(Ids(), ElementsAre("mail-dns", "mail-connection", "mail-tls"));
  EXPECT_EQ(Only("mail-dns").evidence, "imap.example.org is 192.0.2.1, 2001:db8::1");
  EXPECT_EQ(Only("mail-connection").evidence, "imap.example.org port 993 answers at 192.0.2.1");
  EXPECT_THAT(Only("mail-tls").evidence,
              ::testing::AllOf(HasSubstr("TLSv1.3"), HasSubstr("DigiCert"), HasSubstr("2030")));
  EXPECT_EQ(exit_code, 0);
}

TEST_F(HostTest, ManyAddressesAreNotAllShown) {
  reach_report.addresses.assign(30, "192.0.2.1");
  Look();
  EXPECT_THAT(Only("mail-dns").evidence, HasSubstr("and 24 more"));
}

TEST_F(HostTest, BehindAProxy) {
  reach_report.proxy = "http://proxy.example.org:3128";
  reach_report.addresses.clear();
  EXPECT_TRUE(Look());
  EXPECT_THAT(Only("mail-dns").evidence, HasSubstr("proxy"));
  EXPECT_THAT(Only("mail-connection").evidence, HasSubstr("through the proxy http://proxy.example.org:3128"));
}

TEST_F(HostTest, NameThatIsUnknown) {
  Break(ReachReport::Layer::kDns, ErrorKind::kNetwork);
  EXPECT_FALSE(Look());
  EXPECT_THAT(Ids(), ElementsAre("mail-dns"));
  EXPECT_EQ(findings[0].cause, "dns");
  EXPECT_THAT(findings[0].advice, HasSubstr("\n    getent ahosts imap.example.org"));
  EXPECT_EQ(exit_code, 4);
}

TEST_F(HostTest, NoConnection) {
  Break(ReachReport::Layer::kConnection, ErrorKind::kNetwork);
  EXPECT_FALSE(Look());
  EXPECT_THAT(Ids(), ElementsAre("mail-dns", "mail-connection"));
  EXPECT_EQ(Only("mail-connection").cause, "connection");
  EXPECT_THAT(Only("mail-connection").advice, HasSubstr("port 993"));
  Break(ReachReport::Layer::kConnection, ErrorKind::kTimeout);
  EXPECT_FALSE(Look());
  EXPECT_EQ(Only("mail-connection").cause, "timeout");
  EXPECT_EQ(exit_code, 4);
}

TEST_F(HostTest, TlsThatIsRefusedNamesTheIssuer) {
  Break(ReachReport::Layer::kTls, ErrorKind::kTls);
  reach_report.issuer = "CN = Corporate Inspection CA";
  EXPECT_FALSE(Look());
  EXPECT_THAT(Ids(), ElementsAre("mail-dns", "mail-connection", "mail-tls"));
  EXPECT_EQ(Only("mail-tls").cause, "tls");
  EXPECT_THAT(Only("mail-tls").advice, ::testing::AllOf(HasSubstr("issued by CN = Corporate Inspection CA"),
                                                        HasSubstr("inspects TLS"), HasSubstr("\"ca_file\"")));
  EXPECT_EQ(exit_code, 4);
  reach_report.issuer.clear();
  Look();
  EXPECT_THAT(Only("mail-tls").advice, Not(HasSubstr("issued by")));
}

TEST_F(HostTest, LineThatBreaksDuringTheHandshakeIsNoQuestionOfTrust) {
  Break(ReachReport::Layer::kTls, ErrorKind::kNetwork);
  EXPECT_FALSE(Look());
  EXPECT_EQ(Only("mail-tls").cause, "connection");
}

TEST_F(HostTest, IPv6ThatDoesNotAnswerIsWorthAWordButNotOnThisMachine) {
  reach_report.ipv6_problem = "Connection refused";
  EXPECT_TRUE(Look());
  EXPECT_EQ(Only("mail-ipv6").verdict, Verdict::kInfo);
  EXPECT_EQ(exit_code, 0);
  reach_report.address = "127.0.0.1";
  EXPECT_TRUE(Look());
  EXPECT_THAT(Ids(), Not(::testing::Contains("mail-ipv6")));
}

TEST_F(HostTest, WithoutTls) {
  EXPECT_TRUE(Look(net::Tls::kNone));
  EXPECT_THAT(Only("mail-tls").evidence, HasSubstr("none"));
}

}  // namespace
}  // namespace mailboxfs::check
