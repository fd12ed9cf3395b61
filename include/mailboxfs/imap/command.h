#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace mailboxfs::imap {

// What is sent: `pieces` in order; before each piece but the first the server's continuation
// request must be awaited, unless the literals are non-synchronizing (RFC 7888).
struct Command {
  std::vector<std::string> pieces;  // With all CRLFs.
};

// How literals may be sent (RFC 7888).
enum class LiteralMode { kSynchronizing, kLiteralPlus, kLiteralMinus };

// Builds one command. Arguments are encoded so that no octet of theirs can end the line:
// atom if possible, else quoted, else literal. Thread-bound.
class CommandBuilder {
 public:
  CommandBuilder(std::string_view tag, std::string_view name, LiteralMode literals = LiteralMode::kSynchronizing);
  // Protocol text of the program's own, verbatim, after a space. Throws Error(kInternal) if it
  // has CR, LF or NUL; so does the constructor.
  CommandBuilder& Raw(std::string_view text);
  // A string of somebody else's (user name, mailbox in wire form), after a space. `atom_ok`
  // false: always quoted or literal. Throws Error(kProtocol) if it contains NUL.
  CommandBuilder& AString(std::string_view value, bool atom_ok = true);
  // The builder is spent then.
  Command Finish();

 private:
  Command command_;
  LiteralMode literals_;
};

// UID sets, RFC 3501 section 9 "sequence-set": ascending UIDs as ranges ("1:3,7,9:12"), cut
// into strings of at most `max_octets` each (but at least one range: 21 octets). A UID that
// occurs twice in a row is named once.
std::vector<std::string> FormatUidSets(std::span<const uint32_t> ascending, size_t max_octets);

}  // namespace mailboxfs::imap
