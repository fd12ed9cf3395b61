#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace mailboxfs::model {

// RFC 2047 section 2: =?charset?encoding?text?=
struct EncodedWord {
  std::string_view charset;  // Without the language suffix of RFC 2231 section 5.
  std::string bytes;         // Decoded from B or Q, still in that charset.
  size_t end = 0;            // Position behind it.
};

// Finds encoded-words in one text, in linear time however it is made up. Lenient where
// senders commonly are not right: longer than 75 characters, spaces inside, inside words.
// Thread-bound; borrows the text.
class EncodedWordScanner {
 public:
  explicit EncodedWordScanner(std::string_view text) : text_(text) {}

  // The encoded-word that begins at `position`, if one does. Positions must not decrease.
  std::optional<EncodedWord> Match(size_t position);

 private:
  std::string_view text_;
  size_t next_end_ = 0;  // Where the next "?=" is, as far as it was looked for.
};

}  // namespace mailboxfs::model
