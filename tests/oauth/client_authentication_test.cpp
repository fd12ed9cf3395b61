#include "client_authentication.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "mailboxfs/base/error.h"
#include "mailboxfs/json/json.h"
#include "oauth_testing.h"
#include "rsa_testing.h"

namespace mailboxfs::oauth {
namespace {

using base::Error;
using base::ErrorKind;
using base::Secret;
using testing::Gives;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kAudience = "https://login.example.test/tenant/oauth2/v2.0/token";
constexpr int64_t kNow = 1'790'000'000;

class ClientCertificateTest : public ::testing::Test {
 protected:
  static const testing::KeyPair& Pair() { return testing::SharedPair(); }
  static ClientProof Prove(const ClientAuthentication& authentication) {
    return ProveClient(authentication, "the-client", kAudience, base::WallTime(std::chrono::seconds(kNow)));
  }
  static json::Value Part(const ClientProof& proof, int number) {
    std::string_view jwt = proof.secret.Reveal();
    for (int i = 0; i < number; ++i) jwt.remove_prefix(jwt.find('.') + 1);
    return json::Parse(base::Base64UrlDecode(jwt.substr(0, jwt.find('.'))).value());
  }
  static std::string Text(const json::Value& part, const char* name) { return *part.Find(name)->AsString(); }
  static int64_t Number(const json::Value& part, const char* name) { return *part.Find(name)->AsInt(); }
  static std::string ErrorOf(const ClientAuthentication& authentication) {
    try {
      Prove(authentication);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kConfig);
      return error.what();
    }
    ADD_FAILURE() << "no error";
    return "";
  }

  ClientCertificate credential_{Gives(Pair().CertificatePem()), Gives(Pair().KeyPem()), nullptr,
                                SigningAlgorithm::kPs256};
};

TEST_F(ClientCertificateTest, AssertionIsWhatMicrosoftAsksFor) {
  const ClientProof proof = Prove(credential_);
  EXPECT_THAT(proof.fields, ::testing::ElementsAre(std::pair<std::string, std::string>(
                                "client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")));
  EXPECT_EQ(proof.secret_field, "client_assertion");
  const json::Value header = Part(proof, 0);
  EXPECT_EQ(Text(header, "alg"), "PS256");
  EXPECT_EQ(Text(header, "typ"), "JWT");
  EXPECT_EQ(Text(header, "x5t#S256"), base::Base64UrlEncode(Pair().Thumbprint()));
  const json::Value payload = Part(proof, 1);
  EXPECT_EQ(Text(payload, "aud"), kAudience);
  EXPECT_EQ(Text(payload, "iss"), "the-client");
  EXPECT_EQ(Text(payload, "sub"), "the-client");
  EXPECT_EQ(Number(payload, "iat"), kNow);
  EXPECT_LE(Number(payload, "nbf"), kNow) << "clocks differ";
  EXPECT_GE(Number(payload, "exp"), kNow + 240);
  EXPECT_LE(Number(payload, "exp") - Number(payload, "nbf"), 600);
  EXPECT_TRUE(Pair().Verifies(proof.secret.Reveal(), /*pss=*/true));
  EXPECT_FALSE(Pair().Verifies(proof.secret.Reveal(), /*pss=*/false));
}

TEST_F(ClientCertificateTest, Rs256OnRequest) {
  credential_.algorithm = SigningAlgorithm::kRs256;
  const ClientProof proof = Prove(credential_);
  EXPECT_EQ(Text(Part(proof, 0), "alg"), "RS256");
  EXPECT_TRUE(Pair().Verifies(proof.secret.Reveal(), /*pss=*/false));
}

TEST_F(ClientCertificateTest, EachAssertionHasAnIdOfItsOwn) {
  std::set<std::string> ids;
  for (int i = 0; i < 20; ++i) ids.insert(Text(Part(Prove(credential_), 1), "jti"));
  EXPECT_EQ(ids.size(), 20U);
  EXPECT_THAT(*ids.begin(),
              ::testing::MatchesRegex("[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"));
}

TEST_F(ClientCertificateTest, KeysMayBeEncryptedOrInTheOldForm) {
  credential_.private_key = Gives(Pair().KeyPem("open sesame"));
  credential_.passphrase = Gives("open sesame");
  EXPECT_TRUE(Pair().Verifies(Prove(credential_).secret.Reveal(), true));
  credential_.private_key = Gives(Pair().TraditionalKeyPem());
  EXPECT_TRUE(Pair().Verifies(Prove(credential_).secret.Reveal(), true)) << "and the passphrase is not needed";
}

TEST_F(ClientCertificateTest, OneFileMayHoldBoth) {
  for (const std::string& both :
       {Pair().KeyPem() + Pair().CertificatePem(), Pair().CertificatePem() + "\n" + Pair().KeyPem()}) {
    credential_.certificate = credential_.private_key = Gives(both);
    EXPECT_TRUE(Pair().Verifies(Prove(credential_).secret.Reveal(), true));
  }
}

TEST_F(ClientCertificateTest, MistakesAreSaidWithoutWordsOfTheKey) {
  const testing::KeyPair other;
  ClientCertificate credential = credential_;
  credential.private_key = Gives(other.KeyPem());
  EXPECT_THAT(ErrorOf(credential), HasSubstr("not that of the certificate"));
  credential.private_key = Gives(Pair().KeyPem("open sesame"));
  EXPECT_THAT(ErrorOf(credential), HasSubstr("\"private_key_passphrase\""));
  credential.passphrase = Gives("open barley");
  EXPECT_THAT(ErrorOf(credential), AllOf(HasSubstr("does not open the private key"), Not(HasSubstr("barley"))));
  credential.private_key = Gives("hunter2");
  EXPECT_THAT(ErrorOf(credential), AllOf(HasSubstr("no private key"), Not(HasSubstr("hunter2"))));
  credential = credential_;
  credential.certificate = Gives(Pair().KeyPem());
  EXPECT_THAT(ErrorOf(credential), HasSubstr("no certificate"));
  credential = credential_;
  credential.private_key = Gives(testing::KeyPair(1024).KeyPem());
  EXPECT_THAT(ErrorOf(credential), HasSubstr("2048"));
}

TEST_F(ClientCertificateTest, AFederatedTokenIsSentAsItIsAndReadEachTime) {
  int reads = 0;
  const FederatedToken federated{[&reads] { return Secret("a.b.c" + std::to_string(++reads) + "\n"); }};
  const ClientProof proof = Prove(federated);
  EXPECT_EQ(proof.secret_field, "client_assertion");
  EXPECT_EQ(proof.secret.Reveal(), "a.b.c1");
  EXPECT_EQ(Prove(federated).secret.Reveal(), "a.b.c2");
  EXPECT_THAT(ErrorOf(FederatedToken{Gives(" \n")}), HasSubstr("federated_token_file"));
}

}  // namespace
}  // namespace mailboxfs::oauth
