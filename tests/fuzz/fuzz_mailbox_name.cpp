// Modified UTF-7 is a bijection between valid names and texts, and names pass through commands whole.
#include <string>

#include "fuzz_target.h"
#include "mailboxfs/base/error.h"
#include "mailboxfs/imap/command.h"
#include "mailboxfs/imap/mailbox_name.h"
#include "mailboxfs/imap/response_parser.h"

namespace mailboxfs::fuzz {
namespace {

void CheckSplit(std::string_view wire, char delimiter) {
  std::string joined;
  bool first = true;
  for (const imap::NamePart& part : imap::SplitMailboxName(wire, delimiter)) {
    if (!first) joined.push_back(delimiter);
    first = false;
    const std::optional<std::string> encoded = part.raw ? part.text : imap::EncodeModifiedUtf7(part.text);
    Check(encoded.has_value(), "a decoded part can be encoded");
    joined += *encoded;
  }
  Check(joined == wire, "a name is the sum of its parts");
}

// What the server reads in a LIST response that repeats our argument.
void CheckCommand(std::string_view name) {
  imap::CommandBuilder builder("A", "X", imap::LiteralMode::kLiteralPlus);
  std::string text;
  try {
    text = builder.AString(name).Finish().pieces.front();
  } catch (const base::Error& error) {
    Check(error.kind() == base::ErrorKind::kProtocol && name.find('\0') != std::string_view::npos,
          "only NUL is refused");
    return;
  }
  Check(text.starts_with("A X "), "the command begins as it was told to");
  imap::ResponseReader reader;
  reader.Push("* LIST () NIL " + text.substr(4));
  const std::optional<imap::Response> response = reader.Next(nullptr);
  Check(response && reader.AtBoundary(), "one line is one command");
  const auto* data = std::get_if<imap::UntaggedData>(&*response);
  const auto* list = data != nullptr ? std::get_if<imap::ListData>(data) : nullptr;
  Check(list != nullptr && list->mailbox == name, "the argument arrives unchanged");
}

}  // namespace
}  // namespace mailboxfs::fuzz

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using mailboxfs::fuzz::Check;
  const std::string_view input = mailboxfs::fuzz::AsText(data, size);
  if (const std::optional<std::string> text = mailboxfs::imap::DecodeModifiedUtf7(input)) {
    Check(mailboxfs::imap::EncodeModifiedUtf7(*text) == input, "what was decoded can be encoded again");
  }
  if (const std::optional<std::string> wire = mailboxfs::imap::EncodeModifiedUtf7(input)) {
    Check(mailboxfs::imap::DecodeModifiedUtf7(*wire) == input, "what was encoded can be decoded again");
    for (const char c : *wire) Check(c >= ' ' && c <= '~', "names are printable");
  }
  mailboxfs::fuzz::CheckSplit(input, '/');
  mailboxfs::fuzz::CheckSplit(input, '.');
  mailboxfs::fuzz::CheckCommand(input);
  return 0;
}
