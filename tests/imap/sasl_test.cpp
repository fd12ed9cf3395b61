#include "mailboxfs/imap/sasl.h"

#include <gtest/gtest.h>

#include <functional>

#include "mailboxfs/base/encoding.h"
#include "mailboxfs/base/error.h"

namespace mailboxfs::imap {
namespace {

base::Secret Token(std::string_view text) { return base::Secret(std::string(text)); }

// Microsoft's documented example.
TEST(Sasl, XOAuth2KnownAnswer) {
  EXPECT_EQ(
      XOAuth2Response("test@contoso.onmicrosoft.com", Token("EwBAAl3BAAUFFpUAo7J3Ve0bjLBWZWCclRC3EoAA")).Reveal(),
      "dXNlcj10ZXN0QGNvbnRvc28ub25taWNyb3NvZnQuY29tAWF1dGg9QmVhcmVyIEV3QkFBbDNCQUFVRkZwVUFvN0ozVmUwYmpMQldaV0NjbFJD"
      "M0VvQUEBAQ==");
}

// RFC 7628 section 4.1.
TEST(Sasl, OAuthBearerKnownAnswer) {
  EXPECT_EQ(
      OAuthBearerResponse("user@example.com", "server.example.com", 143,
                          Token("vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg=="))
          .Reveal(),
      "bixhPXVzZXJAZXhhbXBsZS5jb20sAWhvc3Q9c2VydmVyLmV4YW1wbGUuY29tAXBvcnQ9MTQzAWF1dGg9QmVhcmVyIHZGOWRmdDRxbVRjMk52"
      "YjNSbGNrQmhiSFJoZG1semRHRXVZMjl0Q2c9PQEB");
}

TEST(Sasl, OAuthBearerEscapesTheUser) {
  const base::Secret response = OAuthBearerResponse("a=b,c", "h", 993, Token("t"));
  EXPECT_EQ(base::Base64Decode(response.Reveal()),
            "n,a=a=3Db=2Cc,\x01host=h\x01port=993\x01"
            "auth=Bearer t\x01\x01");
}

// RFC 4616 section 4.
TEST(Sasl, PlainKnownAnswer) {
  EXPECT_EQ(PlainResponse("tim", Token("tanstaaftanstaaf")).Reveal(), "AHRpbQB0YW5zdGFhZnRhbnN0YWFm");
  EXPECT_EQ(base::Base64Decode(PlainResponse("u", Token("p w")).Reveal()), std::string("\0u\0p w", 6));
}

void ExpectConfigError(const std::function<void()>& call, std::string_view secret) {
  try {
    call();
    FAIL() << "accepted";
  } catch (const base::Error& error) {
    EXPECT_EQ(error.kind(), base::ErrorKind::kConfig);
    EXPECT_EQ(std::string_view(error.what()).find(secret), std::string_view::npos) << "the error tells the secret";
  }
}

TEST(Sasl, RefusesOctetsThatBreakTheFraming) {
  for (const char c : {'\r', '\n', '\0', '\x01'}) {
    const std::string bad = std::string("sEcReT") + c;
    ExpectConfigError([&] { XOAuth2Response(bad, Token("t")); }, bad.substr(0, 6));
    ExpectConfigError([&] { XOAuth2Response("u", Token(bad)); }, bad.substr(0, 6));
    ExpectConfigError([&] { OAuthBearerResponse(bad, "h", 1, Token("t")); }, bad.substr(0, 6));
    ExpectConfigError([&] { OAuthBearerResponse("u", bad, 1, Token("t")); }, bad.substr(0, 6));
    ExpectConfigError([&] { OAuthBearerResponse("u", "h", 1, Token(bad)); }, bad.substr(0, 6));
    ExpectConfigError([&] { PlainResponse(bad, Token("p")); }, bad.substr(0, 6));
    ExpectConfigError([&] { PlainResponse("u", Token(bad)); }, bad.substr(0, 6));
  }
  ExpectConfigError([] { XOAuth2Response("u", Token("to ken")); }, "to ken");
  ExpectConfigError([] { OAuthBearerResponse("u", "h", 1, Token("to ken")); }, "to ken");
}

TEST(Sasl, DescribesARefusal) {
  EXPECT_EQ(
      DescribeFailureChallenge("eyJzdGF0dXMiOiI0MDEiLCJzY2hlbWVzIjoiYmVhcmVyIG1hYyIsInNjb3BlIjoiaHR0cHM6Ly9tYWlsLmdv"
                               "b2dsZS5jb20vIn0="),
      "status 401, scope https://mail.google.com/");
  const auto describe = [](std::string_view json) { return DescribeFailureChallenge(base::Base64Encode(json)); };
  EXPECT_EQ(describe(R"({"status":"401","schemes":"bearer","scope":"mail"})"), "status 401, scope mail");
  EXPECT_EQ(describe(R"( { "status" : 400 , "scope" : "" } )"), "status 400");
  EXPECT_EQ(describe(R"({"status":"invalid_token","openid-configuration":"https:\/\/x"})"),
            "status invalid_token, openid-configuration https://x");
}

TEST(Sasl, DescribesWhatIsNoJson) {
  EXPECT_EQ(DescribeFailureChallenge("not base64!"), "not base64!");
  EXPECT_EQ(DescribeFailureChallenge(""), "");
  EXPECT_EQ(DescribeFailureChallenge(base::Base64Encode("token expired")), "token expired");
  EXPECT_EQ(DescribeFailureChallenge(base::Base64Encode("{\"a\":\"b\x1b[2J\"")), "a b\\x1b[2J");
  EXPECT_EQ(DescribeFailureChallenge(base::Base64Encode("{\"a\":{\"b\":1}}")), "{\"a\":{\"b\":1}}");
  EXPECT_EQ(DescribeFailureChallenge(base::Base64Encode("{\"a\":\"unclosed")), "{\"a\":\"unclosed");
}

}  // namespace
}  // namespace mailboxfs::imap
