#include "mailboxfs/model/text.h"

#include <gtest/gtest.h>

namespace mailboxfs::model {
namespace {

TEST(ToValidUtf8, ReplacesEachInvalidSequence) {
  EXPECT_EQ(ToValidUtf8("a\xFFz"), "a\uFFFDz");
  EXPECT_EQ(ToValidUtf8("a\xC3"), "a\uFFFD");
  EXPECT_EQ(ToValidUtf8("\xE2\x82z"), "\uFFFDz");
  EXPECT_EQ(ToValidUtf8("\xC0\xAF"), "\uFFFD\uFFFD") << "overlong slash";
  EXPECT_EQ(ToValidUtf8("\xED\xA0\x80"), "\uFFFD\uFFFD\uFFFD") << "surrogate";
  EXPECT_EQ(ToValidUtf8("\xF4\x90\x80\x80"), "\uFFFD\uFFFD\uFFFD\uFFFD") << "above U+10FFFF";
  EXPECT_EQ(ToValidUtf8("Gr\u00FC\u00DFe \U0001F600"), "Gr\u00FC\u00DFe \U0001F600");
}

TEST(IsValidUtf8, KnowsTheEdges) {
  EXPECT_TRUE(IsValidUtf8(""));
  EXPECT_TRUE(IsValidUtf8(std::string_view("\0", 1)));
  EXPECT_TRUE(IsValidUtf8("\u0080\u07FF\u0800\uFFFF\U00010000\U0010FFFF"));
  EXPECT_FALSE(IsValidUtf8("\x80"));
  EXPECT_FALSE(IsValidUtf8("\xF0\x80\x80\x80"));
}

TEST(NormalizeNfc, Composes) {
  EXPECT_EQ(NormalizeNfc("e\u0301"), "\u00E9");
  EXPECT_EQ(NormalizeNfc("\u1112\u1161\u11AB"), "\uD55C");
  EXPECT_EQ(NormalizeNfc(std::string("a\0e\u0301", 5)), std::string("a\0\u00E9", 4)) << "NUL is a character";
  EXPECT_EQ(NormalizeNfc(""), "");
}

TEST(FoldCase, ForgetsCaseAndComposition) {
  EXPECT_EQ(FoldCase("TÂCHES"), FoldCase("ta\u0302ches"));
  EXPECT_EQ(FoldCase("ΕΠΑΦΈΣ"), FoldCase("Επαφές"));
  EXPECT_NE(FoldCase("taches"), FoldCase("tâches"));
  EXPECT_EQ(FoldCase("a\xFF"), "a\uFFFD");
}

TEST(CodePoints, AreReadAndWritten) {
  std::string text;
  for (const char32_t c : {U'a', U'\u00DF', U'\u20AC', U'\U0001F600'}) AppendUtf8(c, &text);
  AppendUtf8(0xD800, &text);
  EXPECT_EQ(text, "a\u00DF\u20AC\U0001F600\uFFFD");
  size_t position = 0;
  EXPECT_EQ(NextCodePoint(text, &position), U'a');
  EXPECT_EQ(NextCodePoint(text, &position), U'\u00DF');
  EXPECT_EQ(NextCodePoint(text, &position), U'\u20AC');
  EXPECT_EQ(NextCodePoint(text, &position), U'\U0001F600');
  EXPECT_EQ(NextCodePoint(text, &position), U'\uFFFD');
  EXPECT_EQ(position, text.size());
}

TEST(Classify, TellsLettersOfAllScriptsFromWhatIsUnsafe) {
  for (const char32_t c : {U'a', U'7', U'\u00E9', U'\u0431', U'\u6F22', U'\u0E01', U'\u0627', U'\u00BD'}) {
    EXPECT_EQ(Classify(c), CharClass::kLetterOrDigit) << std::hex << static_cast<uint32_t>(c);
  }
  for (const char32_t c : {U'\u0301', U'\u0E31', U'\u093E'}) EXPECT_EQ(Classify(c), CharClass::kMark);
  for (const char32_t c : {U'!', U'$', U'+', U'\u20AC', U'\U0001F600', U'_'}) {
    EXPECT_EQ(Classify(c), CharClass::kPunctuation);
  }
  for (const char32_t c : {U' ', U'\t', U'\r', U'\n', U'\u00A0', U'\u3000', U'\u2028'}) {
    EXPECT_EQ(Classify(c), CharClass::kSpace);
  }
  for (const char32_t c : {char32_t{0}, char32_t{7}, char32_t{0x7F}, char32_t{0x85}, U'\u202E', U'\u2066', U'\u200D',
                           U'\uFEFF', U'\uE000', U'\uFFFD', char32_t{0x110000}, U'\u3164', U'\uFE0F'}) {
    EXPECT_EQ(Classify(c), CharClass::kUnsafe) << std::hex << static_cast<uint32_t>(c);
  }
}

TEST(TruncateUtf8, CutsBetweenCharacters) {
  EXPECT_EQ(TruncateUtf8("abc", 3), "abc");
  EXPECT_EQ(TruncateUtf8("abc", 2), "ab");
  EXPECT_EQ(TruncateUtf8("a\u20AC", 3), "a");
  EXPECT_EQ(TruncateUtf8("a\u20AC", 4), "a\u20AC");
  EXPECT_EQ(TruncateUtf8("\u20AC", 2), "");
}

TEST(TruncateUtf8, KeepsACharacterWithItsMarks) {
  EXPECT_EQ(TruncateUtf8("abe\u0323\u0301x", 5), "ab");
  EXPECT_EQ(TruncateUtf8("abe\u0323\u0301x", 7), "abe\u0323\u0301");
  EXPECT_EQ(TruncateUtf8("\u0301\u0301\u0301", 4), "");
}

}  // namespace
}  // namespace mailboxfs::model
