#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "mailboxfs/model/types.h"

namespace mailboxfs::tree {

// One sanitiser for every server-supplied string; see SEMANTICS.md "Names". Reentrant.

// The largest file name, in bytes (NAME_MAX).
inline constexpr size_t kMaxName = 255;
// A message's: what mail tools append (":2,S") or store with it must fit, too; notmuch gives up the whole
// mail store at a name of 235.
inline constexpr size_t kMaxMessageName = 200;

// What every message's name ends in, and no folder's.
inline constexpr std::string_view kMessageExtension = ".eml";

// A template such as "{date}_{subject}.{uid}.eml", checked once.
class NameTemplate {
 public:
  // Throws Error(kConfig), which says what is wrong with the template and does not repeat it:
  // unknown placeholder, no {uid}, a slash, not ending in ".eml", ...
  explicit NameTemplate(std::string_view text);
  // The file name for a message: valid UTF-8 in NFC; only letters and digits of all scripts,
  // and a few safe marks; no space, control or bidi character; no leading "-" or "."; at most
  // kMaxMessageName bytes, cut at a character; contains the UID.
  std::string Format(const model::MessageInfo& message) const;

 private:
  std::string text_;
};

// A server's folder name component as a file name, reversible: %XX for "/", NUL, control and
// bidi characters, "%", a leading "." or "-", a leading or trailing space, a final ".eml"
// (its dot) and, if `raw`, "&". Empty becomes "%". What is then longer than kMaxName is cut and
// ends in "%~" and 16 hex digits of a hash of the whole (the one case that is not reversible).
std::string EscapeFolderName(std::string_view component, bool raw);
// The reverse, for tests and documentation; nullopt for cut or impossible names.
std::optional<std::string> UnescapeFolderName(std::string_view name);

// "1234.eml" -> 1234: the alias under which every message resolves, unlisted.
std::optional<model::Uid> ParseUidAlias(std::string_view name);

// Could this name ever be that of a message or folder? If not, ENOENT needs no server.
bool IsPossibleName(std::string_view name);

}  // namespace mailboxfs::tree
