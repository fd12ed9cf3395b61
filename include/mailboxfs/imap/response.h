#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

// Protocol values of RFC 3501 section 7 (and RFC 4731, 5819, 7162 where tolerated). All reentrant.
namespace mailboxfs::imap {

// RFC 3501 section 7.1, RFC 5530. `name` is upper case; `argument` is what follows, verbatim.
struct ResponseCode {
  std::string name;
  std::string argument;
  // The argument as one number, if it is one.
  std::optional<uint64_t> Number() const;
};

enum class Condition { kOk, kNo, kBad, kBye, kPreauth };

// Status response: tagged (tag set) or untagged (tag empty); RFC 3501 section 7.1.
struct StatusResponse {
  std::string tag;
  Condition condition = Condition::kOk;
  std::optional<ResponseCode> code;
  std::string text;
};

struct ContinuationRequest {  // Section 7.5; "+", "+ " and "+ text" are all accepted.
  std::string text;
};

struct CapabilityData {
  std::vector<std::string> capabilities;  // Upper case.
};

struct ListData {                       // Section 7.2.2, also LSUB and XLIST.
  std::vector<std::string> attributes;  // As sent, with the backslash.
  std::optional<char> delimiter;        // nullopt: NIL, a flat namespace.
  std::string mailbox;                  // Wire form after unquoting: modified UTF-7.
};

struct ExistsData {
  uint32_t count = 0;
};
struct RecentData {
  uint32_t count = 0;
};
struct ExpungeData {
  uint32_t sequence = 0;
};
struct FlagsData {
  std::vector<std::string> flags;
};
struct SearchData {
  std::vector<uint32_t> numbers;
};
struct StatusData {  // "* STATUS"
  std::string mailbox;
  std::vector<std::pair<std::string, uint64_t>> items;  // Names upper case.
};
struct IdData {
  std::vector<std::pair<std::string, std::string>> fields;
};
struct EnabledData {
  std::vector<std::string> capabilities;
};

// One body section of a FETCH response, e.g. BODY[] or BODY[HEADER.FIELDS (DATE)].
struct BodySectionData {
  std::string section;                 // Between the brackets, as sent; "" for BODY[].
  std::optional<uint64_t> origin;      // <n> of a partial fetch.
  std::optional<std::string> content;  // nullopt: NIL. Empty also if the octets were streamed.
  bool streamed = false;               // The octets went to a ResponseReader::BodyHandler.
};

struct FetchData {  // Section 7.4.2; items in any order; unknown ones are skipped.
  uint32_t sequence = 0;
  std::optional<uint32_t> uid;
  std::optional<std::vector<std::string>> flags;
  std::optional<int64_t> internal_date;  // Seconds since 1970 UTC; unset if unparsable.
  std::optional<uint64_t> rfc822_size;   // Unset if negative or out of range.
  std::optional<uint64_t> mod_seq;
  std::optional<uint64_t> gmail_message_id;  // X-GM-MSGID; unset if 0 or out of range.
  std::vector<BodySectionData> sections;
};

// Something valid that this client has no use for, or cannot understand but may skip.
struct UnknownData {
  std::string keyword;
};

using UntaggedData = std::variant<CapabilityData, ListData, ExistsData, RecentData, ExpungeData, FlagsData, SearchData,
                                  StatusData, IdData, EnabledData, FetchData, UnknownData>;
using Response = std::variant<StatusResponse, ContinuationRequest, UntaggedData>;

// Whether `flag` etc. are compared without case is RFC 3501's business: flags and names of
// capabilities are case-insensitive, mailbox names other than INBOX are not.

}  // namespace mailboxfs::imap
