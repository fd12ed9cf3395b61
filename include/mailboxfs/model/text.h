#pragma once

#include <cstdint>
#include <string>
#include <string_view>

// Unicode, wrapped so that the rest of the project does not see the library. Reentrant.
namespace mailboxfs::model {

// Replaces every invalid UTF-8 sequence by U+FFFD.
std::string ToValidUtf8(std::string_view text);
bool IsValidUtf8(std::string_view text);
// Normalization Form C of valid UTF-8.
std::string NormalizeNfc(std::string_view utf8);
// For comparisons without regard to case: NFC and full case folding. Invalid sequences are replaced as above.
std::string FoldCase(std::string_view text);
// Decodes one code point at `*position` of valid UTF-8 and moves on.
char32_t NextCodePoint(std::string_view utf8, size_t* position);
void AppendUtf8(char32_t code_point, std::string* out);

enum class CharClass {
  kLetterOrDigit,  // L*, N*
  kMark,           // M*: combining marks
  kPunctuation,    // P*, S*
  kSpace,          // Z*, and TAB, CR, LF
  kUnsafe,         // C*: control, format (bidi), surrogate, private, unassigned; whatever is
                   // invisible by default (fillers, variation selectors); U+FFFD
};
CharClass Classify(char32_t code_point);

// The longest prefix of valid UTF-8 that has at most `max_bytes` and does not cut a
// character apart from its combining marks.
std::string_view TruncateUtf8(std::string_view utf8, size_t max_bytes);

}  // namespace mailboxfs::model
