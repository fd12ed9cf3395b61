#include <utility>

#include "fetch_parser.h"
#include "mailboxfs/base/error.h"
#include "mailboxfs/imap/response_parser.h"

namespace mailboxfs::imap {

ResponseReader::ResponseReader(const FramerLimits& limits, size_t max_inline)
    : framer_(limits), max_inline_(max_inline) {}
ResponseReader::~ResponseReader() = default;
ResponseReader::ResponseReader(ResponseReader&&) noexcept = default;
ResponseReader& ResponseReader::operator=(ResponseReader&&) noexcept = default;

std::optional<Response> ResponseReader::Next(BodyHandler* handler) {
  if (broken_) throw base::Error(base::ErrorKind::kProtocol, "the connection broke a limit before; it must be closed");
  while (const std::optional<Framer::Fragment> fragment = framer_.Next()) {
    switch (fragment->kind) {
      case Framer::Fragment::Kind::kText: raw_.text.back() = fragment->bytes; break;
      case Framer::Fragment::Kind::kLiteralBegin: BeginLiteral(fragment->size, handler); break;
      case Framer::Fragment::Kind::kLiteralData:
        if (!streaming_) {
          raw_.literals.back().bytes.append(fragment->bytes);
        } else if (handler != nullptr) {
          handler->OnBodyData(fragment->bytes);
        }
        break;
      case Framer::Fragment::Kind::kEnd: {
        const RawResponse raw = std::exchange(raw_, RawResponse());
        scanner_.reset();
        scanned_literals_ = 0;
        inline_octets_ = 0;
        return ParseResponse(raw);
      }
    }
  }
  return std::nullopt;
}

void ResponseReader::BeginLiteral(uint64_t size, BodyHandler* handler) {
  FetchPrefix prefix;
  streaming_ = LiteralIsFullBody(prefix) && handler != nullptr;
  if (!streaming_ && size > max_inline_ - inline_octets_) {
    broken_ = true;
    throw base::Error(base::ErrorKind::kProtocol,
                      "the server sent more than " + std::to_string(max_inline_) +
                          " octets of literals in one response where none so large were asked for");
  }
  raw_.literals.push_back({std::string(), streaming_, size});
  raw_.text.emplace_back();
  if (streaming_) {
    handler->OnBodyBegin(prefix, size);
  } else {
    inline_octets_ += static_cast<size_t>(size);
  }
}

bool ResponseReader::LiteralIsFullBody(FetchPrefix& prefix) {
  if (!scanner_) {
    scanner_ = std::make_unique<FetchScanner>();
    scanner_->AddText(raw_.text.front());
  }
  for (; scanned_literals_ < raw_.literals.size(); ++scanned_literals_) {
    scanner_->AddLiteral(raw_.literals[scanned_literals_].bytes);
    scanner_->AddText(raw_.text[scanned_literals_ + 1]);
  }
  if (!scanner_->AwaitsFullBody()) return false;
  prefix = *FetchPrefixOf(*scanner_);
  return true;
}

}  // namespace mailboxfs::imap
