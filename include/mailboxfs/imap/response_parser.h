#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mailboxfs/imap/framer.h"
#include "mailboxfs/imap/response.h"

namespace mailboxfs::imap {

// A complete response as the framer cut it: text[0] literal[0] text[1] ... text[n].
struct RawResponse {
  std::vector<std::string> text = {std::string()};
  struct Literal {
    std::string bytes;
    bool streamed = false;  // Octets went elsewhere; `bytes` is empty.
    uint64_t size = 0;
  };
  std::vector<Literal> literals;
};

// Parses one response. Pure and total: hostile input gives Error(kProtocol) where the
// meaning cannot be known (status lines, FETCH/LIST/STATUS/SEARCH data that is broken in the
// parts we use) and UnknownData where it may be skipped. Linear time; nesting depth is
// bounded. A line without a tag such as "Server Unavailable." (Exchange) is kProtocol.
Response ParseResponse(const RawResponse& raw);

// Looks at the text of a FETCH response up to a literal that is about to begin: is the
// literal a BODY[] section, and which UID was named before it?
struct FetchPrefix {
  uint32_t sequence = 0;
  bool is_full_body = false;    // "BODY[]" without partial, directly before the literal.
  std::optional<uint32_t> uid;  // If the UID item came first.
};
std::optional<FetchPrefix> ParseFetchPrefix(const RawResponse& raw_so_far);

// Collects fragments to responses and streams BODY[] literals. Thread-bound.
class ResponseReader {
 public:
  // Gets the octets of a full body. Its exceptions pass through Next().
  class BodyHandler {
   public:
    virtual ~BodyHandler() = default;
    virtual void OnBodyBegin(const FetchPrefix& prefix, uint64_t size) = 0;
    virtual void OnBodyData(std::string_view bytes) = 0;
  };

  // In-memory literals of one response may have at most `max_inline` octets together.
  explicit ResponseReader(const FramerLimits& limits = {}, size_t max_inline = 16U << 20)
      : framer_(limits), max_inline_(max_inline) {}

  void Push(std::string_view bytes) { framer_.Push(bytes); }
  // The next complete response, or nullopt if more bytes are needed. `handler` may be null:
  // BODY[] literals are then collected like all others. Throws Error(kProtocol).
  std::optional<Response> Next(BodyHandler* handler);
  bool AtBoundary() const { return framer_.AtBoundary(); }

 private:
  Framer framer_;
  size_t max_inline_;
  size_t inline_octets_ = 0;
  RawResponse raw_;
  bool streaming_ = false;
};

}  // namespace mailboxfs::imap
