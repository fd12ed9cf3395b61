#include "mailboxfs/imap/response_parser.h"

#include <utility>

#include "cursor.h"
#include "fetch_parser.h"
#include "lexical.h"
#include "mailboxfs/base/encoding.h"
#include "mailboxfs/base/error.h"
#include "untagged_parser.h"

namespace mailboxfs::imap {
namespace {

Condition ConditionOf(std::string_view word) {
  if (base::EqualsIgnoreCase(word, "OK")) return Condition::kOk;
  if (base::EqualsIgnoreCase(word, "NO")) return Condition::kNo;
  if (base::EqualsIgnoreCase(word, "BAD")) return Condition::kBad;
  if (base::EqualsIgnoreCase(word, "BYE")) return Condition::kBye;
  return Condition::kPreauth;
}

// Position of the ']' that closes the code at the front of `text`. In parentheses brackets mean
// nothing: Gmail's flags have them. nullopt: the brackets are part of the text.
std::optional<size_t> CodeEnd(std::string_view text) {
  size_t parentheses = 0;
  size_t brackets = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '"' && QuoteOpens(text, i)) {
      const std::optional<size_t> after = SkipQuoted(text, i);
      if (!after) break;
      i = *after - 1;
    } else if (c == '(') {
      ++parentheses;
    } else if (c == ')') {
      if (parentheses > 0) --parentheses;
    } else if (parentheses == 0 && c == '[') {
      ++brackets;
    } else if (parentheses == 0 && c == ']' && --brackets == 0) {
      return i;
    }
  }
  const size_t first = text.find(']');
  return first == std::string_view::npos ? std::nullopt : std::optional(first);
}

StatusResponse ParseStatusResponse(std::string_view tag, std::string_view condition, std::string_view rest) {
  StatusResponse response;
  response.tag = tag;
  response.condition = ConditionOf(condition);
  rest = WithoutLeadingSpaces(rest);
  if (rest.starts_with('[')) {
    const std::optional<size_t> end = CodeEnd(rest);
    const std::string_view inside = end ? rest.substr(1, *end - 1) : std::string_view();
    const std::string_view name = FirstWord(inside);
    if (!name.empty()) {
      const std::string_view argument = inside.substr(name.size());
      response.code = ResponseCode{base::AsciiUpper(name), std::string(argument.substr(argument.empty() ? 0 : 1))};
      rest = WithoutLeadingSpaces(rest.substr(*end + 1));
    }
  }
  response.text = rest;
  return response;
}

Response ParseTagged(std::string_view text) {
  const std::string_view tag = FirstWord(text);
  const std::string_view rest = WithoutLeadingSpaces(text.substr(tag.size()));
  const std::string_view condition = FirstWord(rest);
  const bool known = IsConditionWord(condition) && ConditionOf(condition) <= Condition::kBad;
  if (tag.empty() || !known) FailParse("a line is neither tagged, nor untagged, nor a continuation request", text);
  return ParseStatusResponse(tag, condition, rest.substr(condition.size()));
}

UntaggedData ParseNumbered(std::string_view number, std::string_view keyword, const RawResponse& raw) {
  const bool fetch = base::EqualsIgnoreCase(keyword, "FETCH");
  const bool exists = base::EqualsIgnoreCase(keyword, "EXISTS");
  const bool recent = base::EqualsIgnoreCase(keyword, "RECENT");
  const bool expunge = base::EqualsIgnoreCase(keyword, "EXPUNGE");
  if (!fetch && !exists && !recent && !expunge) return UnknownData{base::AsciiUpper(keyword)};
  const std::optional<uint32_t> value = ParseNumber32(number);
  if (!value || (*value == 0 && (fetch || expunge))) FailParse("a message number is out of range", number);
  if (fetch) return ParseFetch(raw);
  if (exists) return ExistsData{*value};
  if (recent) return RecentData{*value};
  return ExpungeData{*value};
}

UntaggedData ParseIdOrSkip(Cursor& cursor) {
  try {
    return ParseId(cursor);
  } catch (const base::Error& error) {
    if (error.kind() != base::ErrorKind::kProtocol) throw;
    return UnknownData{"ID"};
  }
}

// The cursor stands behind the keyword.
UntaggedData ParseKeyword(std::string keyword, Cursor& cursor) {
  if (keyword == "CAPABILITY") return CapabilityData{ParseCapabilities(cursor.rest())};
  if (keyword == "ENABLED") return EnabledData{ParseCapabilities(cursor.rest())};
  if (keyword == "LIST" || keyword == "LSUB" || keyword == "XLIST") return ParseList(cursor);
  if (keyword == "STATUS") return ParseStatusData(cursor);
  if (keyword == "SEARCH") return ParseSearch(cursor);
  if (keyword == "ESEARCH") return ParseESearch(cursor);
  if (keyword == "ID") return ParseIdOrSkip(cursor);
  if (keyword == "FLAGS") {
    cursor.SkipSpaces();
    return FlagsData{ParseFlags(cursor.List("a FLAGS response is malformed"))};
  }
  return UnknownData{std::move(keyword)};
}

Response ParseUntagged(const RawResponse& raw) {
  Cursor cursor(raw);
  cursor.Skip(1);
  if (!cursor.rest().empty() && !cursor.At(' ')) FailParse("no space follows the star", cursor.rest());
  cursor.SkipSpaces();
  const std::string_view word = FirstWord(cursor.rest());
  cursor.Skip(word.size());
  if (IsConditionWord(word)) return ParseStatusResponse({}, word, cursor.rest());
  if (!word.empty() && word.find_first_not_of("0123456789") == std::string_view::npos) {
    cursor.SkipSpaces();
    return ParseNumbered(word, FirstWord(cursor.rest()), raw);
  }
  return ParseKeyword(base::AsciiUpper(word), cursor);
}

}  // namespace

std::optional<uint64_t> ResponseCode::Number() const {
  return ParseNumber(WithoutTrailingSpaces(WithoutLeadingSpaces(argument)));
}

std::vector<std::string> ParseCapabilities(std::string_view text) {
  std::vector<std::string> capabilities = ParseFlags(text);
  for (std::string& capability : capabilities) capability = base::AsciiUpper(capability);
  return capabilities;
}

Response ParseResponse(const RawResponse& raw) {
  if (raw.text.size() != raw.literals.size() + 1) FailParse("texts and literals do not alternate", {});
  const std::string_view text = WithoutLeadingNuls(raw.text.front());
  if (text.starts_with('*')) return ParseUntagged(raw);
  if (!raw.literals.empty()) FailParse("a literal where none may be", text);
  if (WithoutLeadingSpaces(text).empty()) return UnknownData();
  if (text.starts_with('+')) return ContinuationRequest{std::string(WithoutLeadingSpaces(text.substr(1)))};
  return ParseTagged(text);
}

}  // namespace mailboxfs::imap
