#include "mailboxfs/imap/response_parser.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "mailboxfs/base/error.h"
#include "support/describe.h"

namespace mailboxfs::imap {
namespace {

// What the only response of `input` says; without its CRLF.
std::string ParseText(std::string_view input) {
  const std::vector<std::string> lines = testing::ReadAll(std::string(input) + "\r\n", {});
  if (lines.size() == 2 && lines[1] == "end") return lines[0];
  return lines.size() == 1 ? lines[0] : "not one response";
}

TEST(StatusResponse, Rfc3501Examples) {
  EXPECT_EQ(ParseText("* OK IMAP4rev1 server ready"), "untagged OK 'IMAP4rev1 server ready'");
  EXPECT_EQ(ParseText("A443 OK Expunge completed"), "tagged A443 OK 'Expunge completed'");
  EXPECT_EQ(ParseText("* NO Disk is 98% full, please delete unnecessary data"),
            "untagged NO 'Disk is 98% full, please delete unnecessary data'");
  EXPECT_EQ(ParseText("* BAD Command line too long"), "untagged BAD 'Command line too long'");
  EXPECT_EQ(ParseText("* PREAUTH IMAP4rev1 server logged in as Smith"),
            "untagged PREAUTH 'IMAP4rev1 server logged in as Smith'");
  EXPECT_EQ(ParseText("* BYE Autologout; idle for too long"), "untagged BYE 'Autologout; idle for too long'");
}

TEST(StatusResponse, Codes) {
  EXPECT_EQ(ParseText("* OK [UIDVALIDITY 3857529045] UIDs valid"), "untagged OK [UIDVALIDITY|3857529045] 'UIDs valid'");
  EXPECT_EQ(ParseText("A1 OK [read-only] EXAMINE completed."), "tagged A1 OK [READ-ONLY|] 'EXAMINE completed.'");
  EXPECT_EQ(ParseText("* OK [PERMANENTFLAGS (\\Deleted \\Seen \\*)] Limited"),
            "untagged OK [PERMANENTFLAGS|(\\Deleted \\Seen \\*)] 'Limited'");
  EXPECT_EQ(ParseText("* OK [PERMANENTFLAGS (a] [b c[ \\*)] Gmail's"),
            "untagged OK [PERMANENTFLAGS|(a] [b c[ \\*)] 'Gmail's'");
  EXPECT_EQ(ParseText("A NO [BADCHARSET (US-ASCII)] no"), "tagged A NO [BADCHARSET|(US-ASCII)] 'no'");
  EXPECT_EQ(ParseText("A NO [X-A [b] \"]\" c] no"), "tagged A NO [X-A|[b] \"]\" c] 'no'");
  EXPECT_EQ(ParseText("A NO [REFERRAL imap://a(b/] no"), "tagged A NO [REFERRAL|imap://a(b/] 'no'");
  EXPECT_EQ(ParseText("A NO [COPYUID 14  ] none"), "tagged A NO [COPYUID|14  ] 'none'");
}

TEST(StatusResponse, NumberOfACode) {
  EXPECT_EQ((ResponseCode{"UIDNEXT", "4392"}).Number(), 4392U);
  EXPECT_EQ((ResponseCode{"HIGHESTMODSEQ", " 18446744073709551615 "}).Number(), UINT64_MAX);
  for (const char* none : {"", "-1", "+1", "18446744073709551616", "1 2", "0x10", "ten"}) {
    EXPECT_EQ((ResponseCode{"X", none}).Number(), std::nullopt) << none;
  }
}

TEST(StatusResponse, BracketsThatAreNoCode) {
  EXPECT_EQ(ParseText("* OK The Microsoft Exchange IMAP4 service is ready. [QgBZADEA]"),
            "untagged OK 'The Microsoft Exchange IMAP4 service is ready. [QgBZADEA]'");
  EXPECT_EQ(ParseText("* OK [unclosed text"), "untagged OK '[unclosed text'");
  EXPECT_EQ(ParseText("* OK [] text"), "untagged OK '[] text'");
  EXPECT_EQ(ParseText("* OK [ X] text"), "untagged OK '[ X] text'");
}

TEST(StatusResponse, WithoutText) {
  EXPECT_EQ(ParseText("* OK"), "untagged OK ''");
  EXPECT_EQ(ParseText("* BYE "), "untagged BYE ''");
  EXPECT_EQ(ParseText("A1 OK"), "tagged A1 OK ''");
  EXPECT_EQ(ParseText("A1 OK [READ-ONLY]"), "tagged A1 OK [READ-ONLY|] ''");
  EXPECT_EQ(ParseText("a1 ok  done"), "tagged a1 OK 'done'");
}

TEST(StatusResponse, TextMayEndInBraces) {
  EXPECT_EQ(ParseText("* OK Done {5}"), "untagged OK 'Done {5}'");
  EXPECT_EQ(ParseText("A1 NO no {5}"), "tagged A1 NO 'no {5}'");
}

TEST(Response, ContinuationRequests) {
  EXPECT_EQ(ParseText("+"), "continue ''");
  EXPECT_EQ(ParseText("+ "), "continue ''");
  EXPECT_EQ(ParseText("+ idling"), "continue 'idling'");
  EXPECT_EQ(ParseText("+ eyJzdGF0dXMiOiI0MDEifQ=="), "continue 'eyJzdGF0dXMiOiI0MDEifQ=='");
  EXPECT_EQ(ParseText("+eyJ9"), "continue 'eyJ9'");
}

TEST(Response, LinesWithoutMeaningAreErrors) {
  for (const char* line : {"Server Unavailable.", "Server", "A1", "A1 BYE x", "A1 PREAUTH", "* OK\r\nfoo bar", "*OK",
                           "*5 EXISTS", "[COPYUID 14 1 2]", "A1 FETCH", " * OK"}) {
    EXPECT_TRUE(ParseText(line) == "error" || ParseText(line) == "not one response") << line;
  }
  EXPECT_EQ(ParseText("Server Unavailable."), "error");
}

TEST(Response, TheErrorShowsTheLine) {
  RawResponse raw;
  raw.text = {"Server Unavailable.\x1b"};
  try {
    ParseResponse(raw);
    FAIL();
  } catch (const base::Error& error) {
    EXPECT_EQ(error.kind(), base::ErrorKind::kProtocol);
    EXPECT_NE(std::string(error.what()).find("Server Unavailable.\\x1b"), std::string::npos) << error.what();
  }
}

TEST(Response, EmptyLinesAndLeadingNulsAreHarmless) {
  EXPECT_EQ(ParseText(""), "unknown ''");
  EXPECT_EQ(ParseText("  "), "unknown ''");
  EXPECT_EQ(ParseText("*"), "unknown ''");
  EXPECT_EQ(ParseText(std::string("\0\0", 2)), "unknown ''");
  EXPECT_EQ(ParseText(std::string("\0\0* 3 EXISTS", 12)), "exists 3");
  EXPECT_EQ(ParseText(std::string("\0A1 OK x", 8)), "tagged A1 OK 'x'");
  EXPECT_EQ(ParseText(std::string("\0* 1 FETCH (UID 3)", 18)), "fetch 1 uid=3");
}

TEST(Response, TextsAndLiteralsMustAlternate) {
  RawResponse raw;
  raw.text = {};
  EXPECT_THROW(ParseResponse(raw), base::Error);
  raw.text = {"* LIST () NIL "};
  raw.literals.resize(1);
  EXPECT_THROW(ParseResponse(raw), base::Error);
  raw.text = {"A1 OK ", ""};
  EXPECT_THROW(ParseResponse(raw), base::Error);
}

TEST(UntaggedData, Numbers) {
  EXPECT_EQ(ParseText("* 23 EXISTS"), "exists 23");
  EXPECT_EQ(ParseText("* 0 exists "), "exists 0");
  EXPECT_EQ(ParseText("* 5 RECENT"), "recent 5");
  EXPECT_EQ(ParseText("* 44 EXPUNGE"), "expunge 44");
  EXPECT_EQ(ParseText("* 4294967295 EXISTS"), "exists 4294967295");
  EXPECT_EQ(ParseText("* 4294967296 EXISTS"), "error");
  EXPECT_EQ(ParseText("* 0 EXPUNGE"), "error");
}

TEST(UntaggedData, Capabilities) {
  EXPECT_EQ(ParseText("* CAPABILITY IMAP4rev1 auth=XOAuth2  SASL-IR "), "capability (IMAP4REV1 AUTH=XOAUTH2 SASL-IR)");
  EXPECT_EQ(ParseText("* capability"), "capability ()");
  EXPECT_EQ(ParseCapabilities("IMAP4rev1 idle"), (std::vector<std::string>{"IMAP4REV1", "IDLE"}));
  EXPECT_EQ(ParseText("* ENABLED condstore QRESYNC"), "enabled (CONDSTORE QRESYNC)");
  EXPECT_EQ(ParseText("* ENABLED"), "enabled ()");
}

TEST(UntaggedData, List) {
  EXPECT_EQ(ParseText("* LIST (\\Noselect) \"/\" ~/Mail/foo"), "list (\\Noselect) / '~/Mail/foo'");
  EXPECT_EQ(ParseText("* LSUB () \".\" #news.comp.mail.misc"), "list () . '#news.comp.mail.misc'");
  EXPECT_EQ(ParseText("* XLIST (\\HasNoChildren \\Inbox) \"/\" Inbox"), "list (\\HasNoChildren \\Inbox) / 'Inbox'");
  EXPECT_EQ(ParseText("* LIST () NIL INBOX"), "list () none 'INBOX'");
  EXPECT_EQ(ParseText("* LIST () \"\" INBOX"), "list () none 'INBOX'");
  EXPECT_EQ(ParseText("* LIST () / INBOX"), "list () / 'INBOX'");
  EXPECT_EQ(ParseText("* LIST () \"\\\\\" \"a\\\\b\\\"c \""), "list () \\ 'a\\b\"c '");
  EXPECT_EQ(ParseText("* LIST (\\Noselect) \"/\" \"\""), "list (\\Noselect) / ''");
  EXPECT_EQ(ParseText("* LIST () \"/\" {7}\r\na\r\n\"b c"), "list () / 'a<0d><0a>\"b c'");
  EXPECT_EQ(ParseText("* LIST () \"/\" {0}\r\n"), "list () / ''");
}

TEST(UntaggedData, ListNamesWithoutTheirQuotes) {
  EXPECT_EQ(ParseText("* LIST (\\HasNoChildren) \"/\" Foo\tbar"), "list (\\HasNoChildren) / 'Foo<09>bar'");
  EXPECT_EQ(ParseText("* LIST () \"/\" Foo bar (old)  "), "list () / 'Foo bar (old)'");
  EXPECT_EQ(ParseText("* LIST () \"/\" a[b]c%"), "list () / 'a[b]c%'");
  EXPECT_EQ(ParseText("* LIST () \"/\" \"a\"  "), "list () / 'a'");
}

TEST(UntaggedData, ListExtendedDataIsIgnored) {
  EXPECT_EQ(ParseText("* LIST () \"/\" \"Foo\" (\"CHILDINFO\" (\"SUBSCRIBED\"))"), "list () / 'Foo'");
  EXPECT_EQ(ParseText("* LIST () \"/\" Foo (\"CHILDINFO\" (\"SUBSCRIBED\"))"), "list () / 'Foo'");
  EXPECT_EQ(ParseText("* LIST () \"/\" Foo (OLDNAME (\"Bar\"))"), "list () / 'Foo'");
}

TEST(UntaggedData, BrokenListsAreErrors) {
  for (const char* line : {"* LIST", "* LIST ()", "* LIST () \"/\"", "* LIST () \"/\" ", "* LIST ( \"/\" a",
                           "* LIST \"/\" a", "* LIST () \"//\" a", "* LIST () \"/ a", "* LIST () \"/\" \"a",
                           "* LIST () \"/\" \"a\"b\"", "* LIST () ab c", "* LIST () \"/\"a"}) {
    EXPECT_EQ(ParseText(line), "error") << line;
  }
}

TEST(UntaggedData, Status) {
  EXPECT_EQ(ParseText("* STATUS blurdybloop (MESSAGES 231 UIDNEXT 44292)"),
            "status 'blurdybloop' MESSAGES=231 UIDNEXT=44292");
  EXPECT_EQ(ParseText("* STATUS \"a b\" (uidvalidity 14 )  "), "status 'a b' UIDVALIDITY=14");
  EXPECT_EQ(ParseText("* STATUS {3}\r\na b (MESSAGES 1)"), "status 'a b' MESSAGES=1");
  EXPECT_EQ(ParseText("* STATUS a\tb c (MESSAGES 1)"), "status 'a<09>b c' MESSAGES=1");
  EXPECT_EQ(ParseText("* STATUS a ()"), "status 'a'");
  EXPECT_EQ(ParseText("* STATUS a (MAILBOXID (F2212) SIZE 99999999999 X \"y z\" MODSEQ -1 UNSEEN NIL MESSAGES 2)"),
            "status 'a' SIZE=99999999999 MESSAGES=2");
  for (const char* line :
       {"* STATUS", "* STATUS a", "* STATUS a (MESSAGES 1", "* STATUS (MESSAGES 1)", "* STATUS a (X (1)"}) {
    EXPECT_EQ(ParseText(line), "error") << line;
  }
}

TEST(UntaggedData, Search) {
  EXPECT_EQ(ParseText("* SEARCH 2 3 6"), "search 2 3 6");
  EXPECT_EQ(ParseText("* SEARCH"), "search");
  EXPECT_EQ(ParseText("* SEARCH 2 84 (MODSEQ 917162500)"), "search 2 84");
  EXPECT_EQ(ParseText("* SEARCH 2 x"), "error");
  EXPECT_EQ(ParseText("* SEARCH 4294967296"), "error");
  EXPECT_EQ(ParseText("* SEARCH -1"), "error");
}

TEST(UntaggedData, ExtendedSearch) {
  EXPECT_EQ(ParseText("* ESEARCH (TAG \"A282\") UID MIN 2 COUNT 3 ALL 2,10:12"), "search 2 10 11 12");
  EXPECT_EQ(ParseText("* ESEARCH (TAG \"A\") ALL 5:3"), "search 3 4 5");
  EXPECT_EQ(ParseText("* ESEARCH ALL 1"), "search 1");
  EXPECT_EQ(ParseText("* ESEARCH (TAG \"A282\") UID COUNT 0"), "unknown 'ESEARCH'") << "nothing said about the numbers";
  EXPECT_EQ(ParseText("* ESEARCH (TAG \"A\") ALL 1:4294967295"), "error") << "16 GB";
  EXPECT_EQ(ParseText("* ESEARCH ALL 1:*"), "error");
}

TEST(UntaggedData, Id) {
  EXPECT_EQ(ParseText("* ID NIL"), "id");
  EXPECT_EQ(ParseText("* ID (\"name\" \"Cyrus\" \"version\" \"1.5\" \"os\" NIL)"), "id name='Cyrus' version='1.5'");
  EXPECT_EQ(ParseText("* ID ({4}\r\nname \"NIL\")"), "id name='NIL'");
  EXPECT_EQ(ParseText("* ID (\"name\""), "unknown 'ID'");
}

TEST(UntaggedData, Flags) {
  EXPECT_EQ(ParseText("* FLAGS (\\Answered \\Seen $MDNSent [a] b])"), "flags (\\Answered \\Seen $MDNSent [a] b])");
  EXPECT_EQ(ParseText("* FLAGS ()"), "flags ()");
  EXPECT_EQ(ParseText("* FLAGS"), "error");
}

TEST(UntaggedData, OthersAreSkipped) {
  EXPECT_EQ(ParseText("* VANISHED (EARLIER) 41,43:116"), "unknown 'VANISHED'");
  EXPECT_EQ(ParseText("* NAMESPACE ((\"\" \"/\")) NIL NIL"), "unknown 'NAMESPACE'");
  EXPECT_EQ(ParseText("* QUOTA \"\" (STORAGE 10 512)"), "unknown 'QUOTA'");
  EXPECT_EQ(ParseText("* XYZ {3}\r\n(\"( {2}\r\n))"), "unknown 'XYZ'");
  EXPECT_EQ(ParseText("* 12 FROB x"), "unknown 'FROB'");
  EXPECT_EQ(ParseText("* 12"), "unknown ''");
  EXPECT_EQ(ParseText("* -1 EXISTS"), "unknown '-1'");
}

}  // namespace
}  // namespace mailboxfs::imap
