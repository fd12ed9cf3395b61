// What browsers, and others, send to the page that a login comes back to.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "oauth_testing.h"
#include "redirect_request.h"

namespace mailboxfs::oauth {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

const base::Secret kState("st4te");

std::variant<RedirectAnswer, NoRedirect> Parse(const std::string& line) {
  return ParseRedirect(line + "\r\nHost: localhost:1\r\n\r\n", kState);
}
// 0: it is an answer.
int StatusOf(const std::string& line) {
  const auto answer = Parse(line);
  const auto* none = std::get_if<NoRedirect>(&answer);
  return none == nullptr ? 0 : none->status;
}
RedirectAnswer AnswerOf(const std::string& line) { return std::get<RedirectAnswer>(Parse(line)); }

TEST(RedirectTest, TheCodeIsDecoded) {
  EXPECT_EQ(AnswerOf("GET /?code=0.AX~-_%2F%2b+x&state=st4te&session_state=1 HTTP/1.1").code.Reveal(), "0.AX~-_/+ x");
  EXPECT_EQ(AnswerOf("GET /?state=st4te&code=c HTTP/1.0").code.Reveal(), "c");
}

TEST(RedirectTest, OnlyOurStateCounts) {
  for (const char* line :
       {"GET /?code=c HTTP/1.1", "GET /?code=c&state= HTTP/1.1", "GET /?code=c&state=st4te2 HTTP/1.1",
        "GET /?code=c&state=ST4TE HTTP/1.1", "GET /?code=c&state=x&state=st4te HTTP/1.1",
        "GET /?error=access_denied&state=other HTTP/1.1", "GET /?error=access_denied HTTP/1.1"}) {
    EXPECT_EQ(StatusOf(line), 400) << line;
  }
}

TEST(RedirectTest, AnErrorIsShownPrintable) {
  const RedirectAnswer answer =
      AnswerOf("GET /?error=access_denied&error_description=No%0d%0aHTTP+%1b%3Cb%3E&state=st4te HTTP/1.1");
  EXPECT_EQ(answer.error, "access_denied");
  EXPECT_EQ(answer.description, "No\\x0d\\x0aHTTP \\x1b<b>");
  EXPECT_TRUE(answer.code.empty());
  const std::string page = RedirectPage(answer);
  EXPECT_THAT(page, HasSubstr("\\x1b&lt;b&gt;"));
  EXPECT_THAT(page, Not(HasSubstr("<b>")));
  EXPECT_TRUE(AnswerOf("GET /?error=x&code=c&state=st4te HTTP/1.1").code.empty()) << "an error is an error";
}

TEST(RedirectTest, OtherPathsAndMethodsAreTurnedAway) {
  EXPECT_EQ(StatusOf("GET /favicon.ico HTTP/1.1"), 404);
  EXPECT_EQ(StatusOf("GET /x?code=c&state=st4te HTTP/1.1"), 404);
  EXPECT_EQ(StatusOf("GET //?code=c&state=st4te HTTP/1.1"), 404);
  EXPECT_EQ(StatusOf("GET http://localhost/?code=c&state=st4te HTTP/1.1"), 404);
  for (const char* method : {"POST", "HEAD", "OPTIONS", "get", ""}) {
    EXPECT_EQ(StatusOf(std::string(method) + " /?code=c&state=st4te HTTP/1.1"), 405) << method;
  }
}

TEST(RedirectTest, MalformedRequestsAreTurnedAway) {
  for (const char* line :
       {"", " ", "GET", "GET /?code=c&state=st4te", "GET /?code=c&state=st4te HTTP/2", "GET / HTTP/1.1",
        "GET /? HTTP/1.1", "GET /?code&state=st4te HTTP/1.1", "GET /?code=&state=st4te HTTP/1.1",
        "GET /?code=%&state=st4te HTTP/1.1", "GET /?code=%4&state=st4te HTTP/1.1", "GET /?state=st4te&code=%4 HTTP/1.1",
        "GET /?code=%zz&state=st4te HTTP/1.1", "GET /?code=a&code=b&state=st4te HTTP/1.1", "\x16\x03\x01"}) {
    EXPECT_EQ(StatusOf(line), 400) << line;
  }
}

TEST(RedirectTest, PagesAreWholeAndKeepNothing) {
  for (const std::string& line : {std::string("GET /?code=s3cret&state=st4te HTTP/1.1"), std::string("GET /x HTTP/1.1"),
                                  std::string("POST / HTTP/1.1"), std::string("x")}) {
    const std::string page = RedirectPage(Parse(line));
    EXPECT_THAT(page, StartsWith("HTTP/1.1 "));
    const size_t body = page.find("\r\n\r\n") + 4;
    EXPECT_THAT(page, HasSubstr("Content-Length: " + std::to_string(page.size() - body) + "\r\n"));
    EXPECT_THAT(page, HasSubstr("Cache-Control: no-store\r\n"));
    EXPECT_THAT(page, Not(HasSubstr("s3cret")));
  }
}

}  // namespace
}  // namespace mailboxfs::oauth
