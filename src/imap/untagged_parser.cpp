#include "untagged_parser.h"

#include <algorithm>
#include <utility>

#include "fetch_parser.h"
#include "lexical.h"
#include "mailboxfs/base/encoding.h"

namespace mailboxfs::imap {
namespace {

constexpr std::string_view kBadList = "a LIST response is malformed";
constexpr std::string_view kBadStatus = "a STATUS response is malformed";
constexpr std::string_view kBadSearch = "a SEARCH response is malformed";

// A set such as 1:4294967295 must not become 16 GB.
constexpr uint64_t kMaxSearchNumbers = 5'000'000;

std::optional<char> ParseDelimiter(Cursor& cursor) {
  if (!cursor.At('"') && !cursor.AtLiteral()) {
    const std::string_view atom = cursor.Atom();
    if (base::EqualsIgnoreCase(atom, "NIL")) return std::nullopt;
    if (atom.size() != 1) FailParse(kBadList, atom);
    return atom.front();
  }
  const std::string delimiter = cursor.AString(kBadList);
  if (delimiter.empty()) return std::nullopt;
  if (delimiter.size() != 1) FailParse(kBadList, delimiter);
  return delimiter.front();
}

// Where the extended data of RFC 5258 begins behind a name that was sent without quotes.
size_t ExtendedDataBegin(std::string_view rest) {
  size_t begin = rest.size();
  for (const std::string_view mark : {" (\"", " (CHILDINFO ", " (OLDNAME "}) begin = std::min(begin, rest.find(mark));
  return begin;
}

// Exchange sends names with tabs, and maybe other odd octets, without quotes: they end where
// the line ends.
std::string ParseListedName(Cursor& cursor) {
  if (!cursor.AtLiteral() && !cursor.At('"')) {
    const std::string_view rest = cursor.rest();
    const std::string name(WithoutTrailingSpaces(rest.substr(0, ExtendedDataBegin(rest))));
    if (name.empty()) FailParse(kBadList, rest);
    return name;
  }
  std::string name = cursor.AString(kBadList);
  cursor.SkipSpaces();
  if (!cursor.rest().empty() && !cursor.At('(')) FailParse(kBadList, cursor.rest());
  return name;
}

std::string ParseStatusName(Cursor& cursor) {
  if (cursor.AtLiteral() || cursor.At('"')) return cursor.AString(kBadStatus);
  const std::string_view rest = cursor.rest();
  const size_t end = std::min(rest.find(" ("), rest.size());
  const std::string name(WithoutTrailingSpaces(rest.substr(0, end)));
  if (name.empty() || end == rest.size()) FailParse(kBadStatus, rest);
  cursor.Skip(end);
  return name;
}

// The front word, taken off together with the spaces before it; "" at the end.
std::string_view TakeWord(std::string_view& text) {
  text = WithoutLeadingSpaces(text);
  const std::string_view word = FirstWord(text);
  text.remove_prefix(word.size());
  return word;
}

void AddRange(std::vector<uint32_t>& numbers, std::string_view range) {
  const size_t colon = range.find(':');
  const std::optional<uint32_t> first = ParseNumber32(range.substr(0, colon));
  const std::optional<uint32_t> last = colon == std::string_view::npos ? first : ParseNumber32(range.substr(colon + 1));
  if (!first || !last) FailParse(kBadSearch, range);
  const auto [low, high] = std::minmax(*first, *last);
  if (numbers.size() + uint64_t{high} - low >= kMaxSearchNumbers) FailParse("a SEARCH result is too large", range);
  for (uint64_t number = low; number <= high; ++number) numbers.push_back(static_cast<uint32_t>(number));
}

}  // namespace

ListData ParseList(Cursor& cursor) {
  ListData data;
  cursor.SkipSpaces();
  data.attributes = ParseFlags(cursor.List(kBadList));
  cursor.SkipSpaces();
  data.delimiter = ParseDelimiter(cursor);
  cursor.Expect(' ', kBadList);
  cursor.SkipSpaces();
  data.mailbox = ParseListedName(cursor);
  return data;
}

StatusData ParseStatusData(Cursor& cursor) {
  StatusData data;
  cursor.SkipSpaces();
  data.mailbox = ParseStatusName(cursor);
  cursor.SkipSpaces();
  cursor.Expect('(', kBadStatus);
  for (cursor.SkipSpaces(); !cursor.At(')'); cursor.SkipSpaces()) {
    const std::string_view name = cursor.Atom();
    if (name.empty()) FailParse(kBadStatus, cursor.rest());
    cursor.SkipSpaces();
    if (cursor.At('(')) {
      cursor.List(kBadStatus);
    } else if (cursor.At('"') || cursor.AtLiteral()) {
      cursor.AString(kBadStatus);
    } else if (const std::optional<uint64_t> value = ParseNumber(cursor.Atom())) {
      data.items.emplace_back(base::AsciiUpper(name), *value);
    }
  }
  return data;
}

SearchData ParseSearch(Cursor& cursor) {
  SearchData data;
  for (cursor.SkipSpaces(); !cursor.rest().empty() && !cursor.At('('); cursor.SkipSpaces()) {
    const std::string_view atom = cursor.Atom();
    const std::optional<uint32_t> number = ParseNumber32(atom);
    if (!number) FailParse(kBadSearch, atom.empty() ? cursor.rest() : atom);
    data.numbers.push_back(*number);
  }
  return data;
}

UntaggedData ParseESearch(Cursor& cursor) {
  cursor.SkipSpaces();
  if (cursor.At('(')) cursor.List(kBadSearch);
  std::string_view rest = cursor.rest();
  while (true) {
    const std::string_view name = TakeWord(rest);
    if (name.empty()) return UnknownData{"ESEARCH"};
    if (base::EqualsIgnoreCase(name, "UID")) continue;
    std::string_view value = TakeWord(rest);
    if (!base::EqualsIgnoreCase(name, "ALL")) continue;
    SearchData data;
    while (!value.empty()) {
      const std::string_view range = value.substr(0, value.find(','));
      AddRange(data.numbers, range);
      value.remove_prefix(std::min(range.size() + 1, value.size()));
    }
    return data;
  }
}

IdData ParseId(Cursor& cursor) {
  IdData data;
  cursor.SkipSpaces();
  if (!cursor.At('(')) return data;
  cursor.Skip(1);
  constexpr std::string_view kBadId = "an ID response is malformed";
  for (cursor.SkipSpaces(); !cursor.At(')'); cursor.SkipSpaces()) {
    std::string name = cursor.AString(kBadId);
    cursor.SkipSpaces();
    const bool quoted = cursor.At('"') || cursor.AtLiteral();
    std::string value = cursor.AString(kBadId);
    if (quoted || !base::EqualsIgnoreCase(value, "NIL")) data.fields.emplace_back(std::move(name), std::move(value));
  }
  return data;
}

}  // namespace mailboxfs::imap
