#include "fetch_parser.h"

#include <utility>

#include "cursor.h"
#include "lexical.h"
#include "mailboxfs/base/encoding.h"

namespace mailboxfs::imap {
namespace {

std::optional<uint32_t> ItemUid(const FetchItem& item) {
  const std::optional<uint32_t> uid = ParseNumber32(item.text);
  return uid == 0U ? std::nullopt : uid;
}

bool IsNil(const FetchItem& item) {
  return item.value == FetchItem::Value::kAtom && base::EqualsIgnoreCase(item.text, "NIL");
}

BodySectionData Section(FetchItem& item, const RawResponse& raw) {
  BodySectionData data;
  data.section = std::move(*item.section);
  data.origin = item.origin;
  switch (item.value) {
    case FetchItem::Value::kQuoted: data.content = std::move(item.text); return data;
    case FetchItem::Value::kLiteral:
      data.content = raw.literals[item.literal].bytes;
      data.streamed = raw.literals[item.literal].streamed;
      return data;
    default: break;
  }
  if (!IsNil(item)) FailParse("a FETCH response has a body section that is not a string", data.section);
  return data;
}

std::optional<uint64_t> Positive(std::string_view text) {
  const std::optional<uint64_t> value = ParseNumber(text);
  return value == uint64_t{0} ? std::nullopt : value;
}

// Zoho sends 0 and -1 for "no such thing".
std::optional<uint64_t> ModSeq(const FetchItem& item) {
  return Positive(WithoutTrailingSpaces(WithoutLeadingSpaces(item.text)));
}

void AddItem(FetchData& data, FetchItem& item, const RawResponse& raw) {
  if (item.section) {
    if (item.name == "BODY") data.sections.push_back(Section(item, raw));
  } else if (item.name == "UID") {
    const std::optional<uint32_t> uid = ItemUid(item);
    if (!uid || (data.uid && data.uid != uid)) FailParse("a FETCH response has no usable UID", item.text);
    data.uid = uid;
  } else if (item.name == "FLAGS") {
    if (item.value != FetchItem::Value::kList && !IsNil(item)) FailParse("FLAGS is not a list", item.text);
    data.flags = IsNil(item) ? std::vector<std::string>() : ParseFlags(item.text);
  } else if (item.name == "INTERNALDATE") {
    const bool literal = item.value == FetchItem::Value::kLiteral;
    data.internal_date = ParseInternalDate(literal ? raw.literals[item.literal].bytes : item.text);
  } else if (item.name == "RFC822.SIZE") {
    data.rfc822_size = ParseNumber(item.text);
  } else if (item.name == "MODSEQ") {
    data.mod_seq = ModSeq(item);
  } else if (item.name == "X-GM-MSGID") {
    data.gmail_message_id = Positive(item.text);
  }
}

}  // namespace

FetchData ParseFetch(const RawResponse& raw) {
  FetchScanner scanner;
  scanner.AddText(raw.text.front());
  for (size_t i = 0; i < raw.literals.size(); ++i) {
    if (raw.literals[i].streamed && !scanner.AwaitsFullBody()) {
      FailParse("the octets of a body were not those of BODY[]", raw.text[i]);
    }
    scanner.AddLiteral(raw.literals[i].bytes);
    scanner.AddText(raw.text[i + 1]);
  }
  if (scanner.broken() || !scanner.complete()) FailParse("a FETCH response is malformed", raw.text.back());
  FetchData data;
  data.sequence = scanner.sequence();
  std::vector<FetchItem> items = scanner.TakeItems();
  for (FetchItem& item : items) AddItem(data, item, raw);
  return data;
}

std::optional<FetchPrefix> FetchPrefixOf(const FetchScanner& scanner) {
  if (scanner.broken()) return std::nullopt;
  FetchPrefix prefix;
  prefix.sequence = scanner.sequence();
  prefix.is_full_body = scanner.AwaitsFullBody();
  for (const FetchItem& item : scanner.items()) {
    if (item.name == "UID" && !item.section) prefix.uid = ItemUid(item);
  }
  return prefix;
}

std::optional<FetchPrefix> ParseFetchPrefix(const RawResponse& raw_so_far) {
  FetchScanner scanner;
  for (size_t i = 0; i < raw_so_far.text.size(); ++i) {
    if (i > 0 && i <= raw_so_far.literals.size()) scanner.AddLiteral(raw_so_far.literals[i - 1].bytes);
    scanner.AddText(raw_so_far.text[i]);
  }
  return FetchPrefixOf(scanner);
}

std::vector<std::string> ParseFlags(std::string_view text) {
  std::vector<std::string> flags;
  for (text = WithoutLeadingSpaces(text); !text.empty(); text = WithoutLeadingSpaces(text)) {
    const std::string_view flag = FirstWord(text);
    flags.emplace_back(flag);
    text.remove_prefix(flag.size());
  }
  return flags;
}

}  // namespace mailboxfs::imap
