// Whatever the server sends, reading ends with responses or one protocol error; it means the same in
// any chunks and whether bodies are streamed or not.
#include <string>
#include <vector>

#include "fuzz_target.h"
#include "mailboxfs/base/error.h"
#include "mailboxfs/imap/mailbox_name.h"
#include "mailboxfs/imap/response_parser.h"
#include "mailboxfs/imap/sasl.h"
#include "support/describe.h"

namespace mailboxfs::fuzz {
namespace {

using imap::testing::ReadAll;

// The same texts as the framer would never cut them: literals wherever the input has a NUL.
void ParseUnframed(std::string_view input) {
  imap::RawResponse raw;
  bool literal = false;
  for (const char c : input) {
    if (c == '\0') {
      literal = !literal;
      if (literal) {
        raw.literals.emplace_back();
        raw.text.emplace_back();
      }
    } else if (literal) {
      raw.literals.back().bytes.push_back(c);
      raw.literals.back().size += 1;
    } else {
      raw.text.back().push_back(c);
    }
  }
  imap::ParseFetchPrefix(raw);
  try {
    imap::testing::Describe(imap::ParseResponse(raw));
  } catch (const base::Error& error) {
    Check(error.kind() == base::ErrorKind::kProtocol, "only protocol errors");
  }
}

}  // namespace
}  // namespace mailboxfs::fuzz

// The first octet decides how the rest is cut.
int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  using mailboxfs::fuzz::Check;
  using mailboxfs::fuzz::ReadAll;
  const std::string_view input = mailboxfs::fuzz::AsText(data + 1, size - 1);
  const std::vector<std::string> whole = ReadAll(input, {});
  Check(whole == ReadAll(input, {.chunk = 1}), "octet by octet it means the same");
  Check(whole == ReadAll(input, {.chunk = 1, .stream = true}), "streamed it means the same");
  Check(whole == ReadAll(input, {.stream = true, .first_cut = data[0] % input.size() + 1}),
        "streamed in two chunks it means the same");
  mailboxfs::fuzz::ParseUnframed(input);
  mailboxfs::imap::DescribeFailureChallenge(input);
  return 0;
}
