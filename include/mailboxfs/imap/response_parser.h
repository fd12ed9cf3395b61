#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
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
// nullopt: not the beginning of a FETCH response.
std::optional<FetchPrefix> ParseFetchPrefix(const RawResponse& raw_so_far);

// The argument of the response code CAPABILITY, as CapabilityData has it.
std::vector<std::string> ParseCapabilities(std::string_view text);

class FetchScanner;

// Collects fragments to responses and streams BODY[] literals. Thread-bound.
// A body is good only when Next() has returned its response: the rest may turn out broken.
class ResponseReader {
 public:
  // Gets the octets of a full body. Its exceptions pass through Next(); the octets that it
  // was called with are then gone, and Next() may be called again for what follows.
  class BodyHandler {
   public:
    virtual ~BodyHandler() = default;
    virtual void OnBodyBegin(const FetchPrefix& prefix, uint64_t size) = 0;
    virtual void OnBodyData(std::string_view bytes) = 0;
  };

  // In-memory literals of one response may have at most `max_inline` octets together.
  explicit ResponseReader(const FramerLimits& limits = {}, size_t max_inline = 16U << 20);
  ~ResponseReader();
  ResponseReader(ResponseReader&&) noexcept;
  ResponseReader& operator=(ResponseReader&&) noexcept;

  void Push(std::string_view bytes) { framer_.Push(bytes); }
  // The next complete response, or nullopt if more bytes are needed. `handler` may be null:
  // BODY[] literals are then collected like all others, and the octets of one that is being
  // streamed already are dropped. Throws Error(kProtocol); the stream cannot be read on if a
  // limit was broken, and should not be otherwise.
  std::optional<Response> Next(BodyHandler* handler);
  bool AtBoundary() const { return framer_.AtBoundary(); }

 private:
  void BeginLiteral(uint64_t size, BodyHandler* handler);
  bool LiteralIsFullBody(FetchPrefix& prefix);

  Framer framer_;
  size_t max_inline_;
  size_t inline_octets_ = 0;
  RawResponse raw_;
  bool streaming_ = false;
  bool broken_ = false;
  std::unique_ptr<FetchScanner> scanner_;  // Has seen scanned_literals_ texts and literals of raw_.
  size_t scanned_literals_ = 0;
};

}  // namespace mailboxfs::imap
