#include "mailboxfs/tree/names.h"

#include <gtest/gtest.h>

#include <random>

#include "mailboxfs/base/error.h"
#include "mailboxfs/model/text.h"

namespace mailboxfs::tree {
namespace {

const char* const kDefault = "{date}_{subject}.{uid}.eml";

model::MessageInfo Message(const std::string& subject, const std::string& from = "a@example.org") {
  model::MessageInfo message;
  message.uid = 1234;
  message.internal_date = 1664661906;  // 2022-10-01 22:05:06 UTC
  message.header = "Subject: " + subject + "\r\nFrom: " + from + "\r\nDate: Fri, 21 Nov 1997 09:55:06 -0600\r\n\r\n";
  return message;
}

std::string NameOf(const std::string& subject) {
  const std::string name = NameTemplate(kDefault).Format(Message(subject));
  const std::string start = "2022-10-01_";
  const std::string end = ".1234.eml";
  EXPECT_TRUE(name.starts_with(start) && name.ends_with(end)) << name;
  return name.substr(start.size(), name.size() - start.size() - end.size());
}

struct SubjectCase {
  std::string subject, name;
};

TEST(NameTemplate, KeepsLettersAndDigitsOfAllScripts) {
  const std::vector<SubjectCase> cases = {
      {"Quarterly report attached", "Quarterly-report-attached"},
      {"Re: [x] Hello / World", "Re-x-Hello-World"},
      {"", "no-subject"},
      {"!!! ... ---", "no-subject"},
      {"report_v1.2.pdf", "report_v1.2.pdf"},
      {"a..b...c", "a-b-c"},
      {"../../etc/passwd", "etc-passwd"},
      {".hidden", "hidden"},
      {"-rf *", "rf"},
      {"the end.", "the-end"},
      {"U.S.A.", "U.S.A"},
      {"me @ home, you@there", "me-home-you-there"},
      {"$(reboot) `x` \"q\" 'q' ; | & < > \\ * ?", "reboot-x-q-q"},
      {"Gr\u00FC\u00DFe aus K\u00F6ln", "Gr\u00FC\u00DFe-aus-K\u00F6ln"},
      {"cafe\u0301", "caf\u00E9"},
      {"\u041F\u0440\u0438\u0432\u0435\u0442, \u043C\u0438\u0440!",
       "\u041F\u0440\u0438\u0432\u0435\u0442-\u043C\u0438\u0440"},
      {"\u4F1A\u8B70\u306E\u8B70\u4E8B\u9332\uFF08\u6848\uFF09", "\u4F1A\u8B70\u306E\u8B70\u4E8B\u9332-\u6848"},
      {"\uC548\uB155 \uD558\uC138\uC694", "\uC548\uB155-\uD558\uC138\uC694"},
      {"\u0645\u0631\u062D\u0628\u0627 \u0628\u0643", "\u0645\u0631\u062D\u0628\u0627-\u0628\u0643"},
      {"\u0928\u092E\u0938\u094D\u0924\u0947", "\u0928\u092E\u0938\u094D\u0924\u0947"},
      {"\u0E2A\u0E27\u0E31\u0E2A\u0E14\u0E35", "\u0E2A\u0E27\u0E31\u0E2A\u0E14\u0E35"},
      {"party \U0001F389\u2764\uFE0F now", "party-now"},
      {"\U0001F468\u200D\U0001F469\u200D\U0001F467", "no-subject"},
      {"invoice\u202Efdp.exe", "invoice-fdp.exe"},
      {"a\u2066b\u2069c\u200Bd\uFEFFe", "a-b-c-d-e"},
      {std::string("nul\0byte", 8), "nul-byte"},
      {"bell\x07tab\ttab\x1B[31mred", "bell-tab-tab-31mred"},
      {"line\r\n folded", "line-folded"},
      {"=?utf-8?Q?slash=2Fnewline=0Anul=00?=", "slash-newline-nul"},
      {"\u0301\u0301leading mark", "leading-mark"},
      {"\u3164\u115F fillers", "fillers"},
      {"bad \xFF\xFE utf-8", "bad-\u00FF\u00FE-utf-8"},
  };
  for (const SubjectCase& one : cases) EXPECT_EQ(NameOf(one.subject), one.name) << one.subject;
}

TEST(NameTemplate, CutsLongSubjectsAtACharacter) {
  for (const char* unit : {"a", "\u00E9", "\u20AC ", "\u4F1A", "e\u0323\u0308", "\U00020000", "ab ", "a.b"}) {
    std::string subject;
    while (subject.size() < 10'000) subject += unit;
    const std::string name = NameTemplate(kDefault).Format(Message(subject));
    EXPECT_LE(name.size(), kMaxMessageName);
    EXPECT_TRUE(model::IsValidUtf8(name)) << name;
    EXPECT_TRUE(name.ends_with(".1234.eml")) << name;
    if (std::string(unit) != "\u20AC ") {
      EXPECT_GE(name.size(), kMaxMessageName - 6) << "room is used: " << name;
    }
  }
}

TEST(NameTemplate, BoundsCombiningMarks) {
  std::string zalgo = "z";
  for (int i = 0; i < 5000; ++i) zalgo += "\u0301";
  const std::string name = NameOf(zalgo + "algo");
  EXPECT_TRUE(name.starts_with("\u017A\u0301") && name.ends_with("\u0301")) << name;
  EXPECT_LT(name.size(), 30U);
  EXPECT_EQ(NameOf("z\u0323\u0301x"), "\u1E93\u0301x");
}

TEST(NameTemplate, TakesTheDateInUtc) {
  model::MessageInfo message = Message("s");
  EXPECT_EQ(NameTemplate("{date}T{time}.{uid}.eml").Format(message), "2022-10-01T220506.1234.eml");
  message.internal_date = 0;
  EXPECT_EQ(NameTemplate("{date}T{time}.{uid}.eml").Format(message), "1997-11-21T155506.1234.eml");
  message.header.clear();
  EXPECT_EQ(NameTemplate("{date}T{time}.{uid}.eml").Format(message), "1970-01-01T000000.1234.eml");
  message.internal_date = -1;
  EXPECT_EQ(NameTemplate("{date}.{uid}.eml").Format(message), "1969-12-31.1234.eml");
  for (const int64_t extreme : {INT64_MAX, INT64_MIN}) {
    message.internal_date = extreme;
    EXPECT_EQ(NameTemplate("{date}.{uid}.eml").Format(message).size(), 19U);
  }
}

TEST(NameTemplate, NamesTheSender) {
  const NameTemplate by_sender("{from}-{uid}.eml");
  EXPECT_EQ(by_sender.Format(Message("s", "\"J\u00F6rg M\u00FCller\" <j@example.org>")),
            "J\u00F6rg-M\u00FCller-1234.eml");
  EXPECT_EQ(by_sender.Format(Message("s", "joe.x@example.org")), "joe.x@example.org-1234.eml");
  EXPECT_EQ(by_sender.Format(Message("s", "\"\u202E\" <j@example.org>")), "j@example.org-1234.eml");
  EXPECT_EQ(by_sender.Format(Message("s", "")), "unknown-1234.eml");
}

TEST(NameTemplate, SharesTheRoom) {
  const NameTemplate both("{date}_{from}_{subject}.{uid}.eml");
  const std::string name = both.Format(Message(std::string(400, 's'), std::string(400, 'f') + "@example.org"));
  EXPECT_EQ(name.size(), kMaxMessageName);
  EXPECT_EQ(name, "2022-10-01_" + std::string(64, 'f') + "_" + std::string(115, 's') + ".1234.eml");
}

TEST(NameTemplate, RefusesABadTemplate) {
  for (const char* text :
       {"", "{subject}.eml", "{uid}", "{uid}.txt", "{uid}/{subject}.eml", "{uid}.{what}.eml", "{uid.eml", "uid}.eml",
        "{uid}{.eml", "a b.{uid}.eml", ".{uid}.eml", "-{uid}.eml", "\u202E{uid}.eml", "\xFF{uid}.eml", "{UID}.eml",
        "{subject}{subject}{subject}{subject}{uid}.eml"}) {
    try {
      const NameTemplate made(text);
      ADD_FAILURE() << "accepted " << text;
    } catch (const base::Error& error) {
      EXPECT_EQ(error.kind(), base::ErrorKind::kConfig);
    }
  }
  EXPECT_THROW(NameTemplate("{uid}" + std::string(200, 'x') + ".eml"), base::Error);
  EXPECT_NO_THROW(NameTemplate("{date}-{time}_{from}_{subject}.{uid}.eml"));
}

void ExpectSafe(const std::string& name, const std::string& input) {
  ASSERT_LE(name.size(), kMaxName) << input;
  ASSERT_TRUE(model::IsValidUtf8(name)) << input;
  ASSERT_EQ(model::NormalizeNfc(name), name) << input;
  ASSERT_TRUE(IsPossibleName(name)) << name;
  ASSERT_EQ(name.find(".."), std::string::npos) << name;
  ASSERT_FALSE(name.starts_with('.') || name.starts_with('-')) << name;
  for (size_t position = 0; position < name.size();) {
    const char32_t c = model::NextCodePoint(name, &position);
    const model::CharClass type = model::Classify(c);
    ASSERT_TRUE(type == model::CharClass::kLetterOrDigit || type == model::CharClass::kMark || c == '-' || c == '_' ||
                c == '.' || c == '@')
        << name;
  }
}

TEST(NameTemplate, IsSafeWhateverTheServerSends) {
  std::mt19937 random(4711);  // Fixed: failures repeat.
  const std::vector<std::string> pieces = {"/",      "..",
                                           ".",      "-",
                                           "_",      "@",
                                           " ",      "\r\n ",
                                           "\u202E", "\u0301",
                                           "\u0323", "\u0651",
                                           "\u064E", "\u1100",
                                           "\u1161", "\u11A8",
                                           "\u0CC6", "\u0CD5",
                                           "\u0BC6", "\u0BBE",
                                           "\uFE0F", "=?utf-8?Q?=00=2F?=",
                                           "\xC3",   "\xFF",
                                           "a",      "Z",
                                           "\u00E9", "\U0001F600",
                                           "\uFFFD", "\uAC00",
                                           "\u212B", "\u0340",
                                           "%"};
  const NameTemplate by_subject("{subject}.{uid}.eml");
  const NameTemplate by_sender("{from}_{subject}.{uid}.eml");
  for (int round = 0; round < 500 * MAILBOXFS_MANY; ++round) {
    std::string text;
    const unsigned length = random() % (round % 100 == 0 ? 3000 : 20);
    for (unsigned i = 0; i < length; ++i) {
      text += random() % 4 == 0 ? std::string(1, static_cast<char>(random())) : pieces[random() % pieces.size()];
    }
    model::MessageInfo message = Message(text, text);
    message.uid = static_cast<model::Uid>(random());
    message.internal_date = static_cast<int64_t>((uint64_t{random()} << 32U) | random());
    for (const NameTemplate* one : {&by_subject, &by_sender}) {
      const std::string name = one->Format(message);
      ExpectSafe(name, text);
      ASSERT_TRUE(name.ends_with("." + std::to_string(message.uid) + ".eml")) << name;
    }
    if (HasFatalFailure()) return;
  }
}

struct FolderCase {
  std::string component;
  bool raw;
  std::string name;
};

TEST(EscapeFolderName, EscapesOnlyWhatIsImpossible) {
  const std::vector<FolderCase> cases = {
      {"INBOX", false, "INBOX"},
      {"Sent Items", false, "Sent Items"},
      {"\u00C9l\u00E9ments envoy\u00E9s", false, "\u00C9l\u00E9ments envoy\u00E9s"},
      {"\U0001F600 fun!", false, "\U0001F600 fun!"},
      {"A/B", false, "A%2FB"},
      {"100%", false, "100%25"},
      {".", false, "%2E"},
      {"..", false, "%2E."},
      {".git", false, "%2Egit"},
      {"-rf", false, "%2Drf"},
      {" padded ", false, "%20padded%20"},
      {" ", false, "%20"},
      {"a\tb\nc", false, "a%09b%0Ac"},
      {std::string("a\0b", 3), false, "a%00b"},
      {"x\u202Ey", false, "x%E2%80%AEy"},
      {"report.eml", false, "report%2Eeml"},
      {".eml", false, "%2Eeml"},
      {"a.emlx", false, "a.emlx"},
      {"R&D", false, "R&D"},
      {"R&D", true, "R%26D"},
      {"raw\xFF", true, "raw%FF"},
      {"", false, "%"},
  };
  for (const FolderCase& one : cases) {
    EXPECT_EQ(EscapeFolderName(one.component, one.raw), one.name);
    EXPECT_EQ(UnescapeFolderName(one.name), one.component) << one.name;
    EXPECT_TRUE(IsPossibleName(one.name)) << one.name;
  }
}

TEST(EscapeFolderName, CutsLongNamesAndKeepsThemApart) {
  for (const char* unit : {"x", "/", "\u00E9", "\u202E", "\u4F1A"}) {
    std::string text;
    while (text.size() < 1000) text += unit;
    const std::string name = EscapeFolderName(text, false);
    EXPECT_LE(name.size(), kMaxName);
    EXPECT_TRUE(model::IsValidUtf8(name));
    EXPECT_EQ(name[name.size() - 18], '%') << name;
    EXPECT_EQ(name.substr(0, name.size() - 18).find("%~"), std::string::npos);
    EXPECT_NE(name, EscapeFolderName(text + unit, false));
    EXPECT_TRUE(IsPossibleName(name)) << name;
    EXPECT_EQ(UnescapeFolderName(name), std::nullopt);
  }
  EXPECT_EQ(EscapeFolderName(std::string(255, 'x'), false), std::string(255, 'x'));
}

TEST(EscapeFolderName, IsReversibleWhateverTheServerSends) {
  std::mt19937 random(99);  // Fixed: failures repeat.
  const std::vector<std::string> pieces = {"/", ".", "-", " ", "%", "%2F", "&", ".eml", "a", "\u00E9", "\u202E", "~"};
  for (int round = 0; round < 10'000; ++round) {
    std::string text;
    for (unsigned i = random() % 12; i > 0; --i) {
      text += random() % 4 == 0 ? std::string(1, static_cast<char>(random())) : pieces[random() % pieces.size()];
    }
    const bool raw = random() % 2 == 0;
    const std::string name = EscapeFolderName(text, raw);
    ASSERT_EQ(UnescapeFolderName(name), text) << name;
    ASSERT_TRUE(model::IsValidUtf8(name)) << name;
    ASSERT_TRUE(IsPossibleName(name)) << name;
    ASSERT_EQ(name.find('/'), std::string::npos);
    ASSERT_FALSE(name.ends_with(".eml")) << name;
  }
}

TEST(UnescapeFolderName, RefusesWhatNoFolderIsCalled) {
  for (const char* name :
       {"", ".", "..", ".git", "-x", "a/b", "50%", "%2", "%zz", "%2f", "%41", "a%20b", " x", "x.eml", "\xFF", "a\tb"}) {
    EXPECT_EQ(UnescapeFolderName(name), std::nullopt) << name;
  }
}

TEST(ParseUidAlias, ReadsUids) {
  EXPECT_EQ(ParseUidAlias("1234.eml"), 1234U);
  EXPECT_EQ(ParseUidAlias("4294967295.eml"), 4294967295U);
  for (const char* name : {"4294967296.eml", "0.eml", "01.eml", ".eml", "+1.eml", "-1.eml", "1 .eml", "1.EML", "1",
                           "99999999999.eml", "1x.eml"}) {
    EXPECT_EQ(ParseUidAlias(name), std::nullopt) << name;
  }
}

TEST(IsPossibleName, RefusesWhatToolsLookForInVain) {
  for (const char* name : {"", ".", "..", ".git", ".Trash-1000", ".hidden", ".xdg-volume-info", "-", "a\nb.1.eml",
                           "no uid.eml", "nouid.eml", "x\u202E.1.eml", "\xFF.1.eml", "bad%zz"}) {
    EXPECT_FALSE(IsPossibleName(name)) << name;
  }
  EXPECT_FALSE(IsPossibleName(std::string(256, 'x')));
  for (const char* name : {"INBOX", "1.eml", "2022-10-01_Hello.7.eml", "Sent Items", "x%~0123456789abcdef"}) {
    EXPECT_TRUE(IsPossibleName(name)) << name;
  }
}

}  // namespace
}  // namespace mailboxfs::tree
