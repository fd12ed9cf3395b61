#include "facts.h"

#include <gtest/gtest.h>

#include "url.h"

namespace mailboxfs::check {
namespace {

TEST(Facts, FillInWhatIsKnownAndLeaveOpenWhatIsNot) {
  Facts facts;
  facts.Set("tenant", "contoso.com");
  facts.Set("tenant", "");
  EXPECT_EQ(facts.Fill("in {tenant}, at {host}."), "in contoso.com, at <HOST>.");
  EXPECT_EQ(facts.Get("tenant"), "contoso.com");
}

TEST(Facts, BracesOfOthersStay) {
  const Facts facts;
  for (const char* text : {"% { Set-It $_ }", R"("imap": {"connections"})", "{", "}{", "{tenant", "{nothing}"}) {
    EXPECT_EQ(facts.Fill(text), text);
  }
  EXPECT_EQ(facts.Fill("{x {host} }"), "{x <HOST> }");
}

TEST(Facts, ValuesThatAreNotPrintableAreShownAsBytes) {
  Facts facts;
  facts.Set("host", "a\nb\x1b[31m");
  EXPECT_EQ(facts.Fill("{host}"), "a\\x0ab\\x1b[31m");
}

TEST(Facts, ArgumentsForPowerShell) {
  Facts facts;
  facts.Set("mailbox", "o'brien@example.org");
  facts.Set("app", "4f5a9f88-1111-1111-1111-bdca9a88c089");
  EXPECT_EQ(facts.Fill("-Identity {mailbox|ps} -AppId {app|ps} -ObjectId {object|ps}"),
            "-Identity 'o''brien@example.org' -AppId 4f5a9f88-1111-1111-1111-bdca9a88c089 -ObjectId <OBJECT ID OF THE "
            "ENTERPRISE APPLICATION>");
  facts.Set("mailbox", "$(Remove-Mailbox x);`n");
  EXPECT_EQ(facts.Fill("{mailbox|ps}"), "'$(Remove-Mailbox x);`n'");
}

// PowerShell takes some of them for quotes, and terminals others for anything.
TEST(Facts, OddValuesAreNotPasted) {
  for (const char* odd : {"a\u2019; Remove-Mailbox b", "a\nb", "a\x1b[2J", "gr\u00fc\u00dfe@example.org", "\x7f"}) {
    EXPECT_EQ(QuoteForPowerShell(odd), std::nullopt) << odd;
    EXPECT_EQ(QuoteForShell(odd), std::nullopt) << odd;
    Facts facts;
    facts.Set("mailbox", odd);
    EXPECT_EQ(facts.Fill("{mailbox|ps}"), "'<PRIMARY ADDRESS OF THE MAILBOX>'");
  }
}

TEST(Facts, ArgumentsForAShell) {
  EXPECT_EQ(QuoteForShell("contoso"), "contoso");
  EXPECT_EQ(QuoteForShell("a b"), "'a b'");
  EXPECT_EQ(QuoteForShell("it's; rm -rf ~"), "'it'\\''s; rm -rf ~'");
  EXPECT_EQ(QuoteForShell("-x"), "'-x'");
  EXPECT_EQ(QuoteForShell(""), std::nullopt);
}

TEST(Facts, Guids) {
  EXPECT_TRUE(LooksLikeGuid("4f5a9f88-1111-1111-1111-bdca9a88C089"));
  EXPECT_FALSE(LooksLikeGuid("4f5a9f88-1111-1111-1111-bdca9a88c08"));
  EXPECT_FALSE(LooksLikeGuid("4f5a9f88-1111-1111-1111-bdca9a88c0899"));
  EXPECT_FALSE(LooksLikeGuid("4f5a9f8g-1111-1111-1111-bdca9a88c089"));
  EXPECT_FALSE(LooksLikeGuid(""));
}

TEST(ParseUrl, Parts) {
  const auto url = ParseUrl("HTTPS://login.example.org/tenant/token?x=1#y");
  ASSERT_TRUE(url);
  EXPECT_EQ(url->scheme, "https");
  EXPECT_EQ(url->host, "login.example.org");
  EXPECT_EQ(url->port, 443);
  EXPECT_EQ(url->path, "/tenant/token");
  EXPECT_EQ(url->Origin(), "https://login.example.org");
  EXPECT_EQ(ParseUrl("http://[::1]:8080")->Origin(), "http://[::1]:8080");
  EXPECT_EQ(ParseUrl("http://[::1]:8080")->host, "::1");
  EXPECT_EQ(ParseUrl("https://joe:secret@host:444/")->Origin(), "https://host:444");
}

TEST(ParseUrl, WhatIsNone) {
  for (const char* text : {"", "login.example.org", "ftp://host/", "https://", "https://host:0/", "https://host:x/",
                           "https://host:99999/"}) {
    EXPECT_FALSE(ParseUrl(text)) << text;
  }
}

}  // namespace
}  // namespace mailboxfs::check
