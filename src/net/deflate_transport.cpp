#include <zlib.h>

#include <algorithm>
#include <array>
#include <new>

#include "mailboxfs/base/encoding.h"
#include "mailboxfs/base/error.h"
#include "mailboxfs/base/log.h"
#include "mailboxfs/net/transport.h"

namespace mailboxfs::net {
namespace {

using base::Error;
using base::ErrorKind;

// RFC 4978: raw deflate, as RFC 1951 has it, without zlib's header.
constexpr int kRawWindowBits = -15;
constexpr size_t kBufferSize = 16384;

// zlib declares its input non-const, but does not write to it.
void SetInput(z_stream& stream, std::string_view bytes) {
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
}

void SetOutput(z_stream& stream, std::span<char> buffer) {
  stream.next_out = reinterpret_cast<Bytef*>(buffer.data());
  stream.avail_out = static_cast<uInt>(buffer.size());
}

// Owns a compressing z_stream. Neither copied nor moved: zlib keeps its address. Thread-bound.
class Deflater {
 public:
  Deflater() {
    if (deflateInit2(&stream_, Z_DEFAULT_COMPRESSION, Z_DEFLATED, kRawWindowBits, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
      throw std::bad_alloc();
    }
  }
  ~Deflater() { deflateEnd(&stream_); }
  Deflater(const Deflater&) = delete;
  Deflater& operator=(const Deflater&) = delete;

  void Feed(std::string_view bytes) { SetInput(stream_, bytes); }
  // The next piece of output, up to a flush. Less than a full buffer is the last one.
  size_t Flush(std::span<char> buffer) {
    SetOutput(stream_, buffer);
    deflate(&stream_, Z_SYNC_FLUSH);
    return buffer.size() - stream_.avail_out;
  }

 private:
  z_stream stream_{};
};

// Owns a decompressing z_stream. Neither copied nor moved. Thread-bound.
class Inflater {
 public:
  Inflater() {
    if (inflateInit2(&stream_, kRawWindowBits) != Z_OK) throw std::bad_alloc();
  }
  ~Inflater() { inflateEnd(&stream_); }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;

  // `bytes` is borrowed until all of it is used, which is when Next gives nothing.
  void Feed(std::string_view bytes) { SetInput(stream_, bytes); }
  bool ended() const noexcept { return ended_; }
  // The next output; 0 if it needs more input, or has ended. Throws Error(kProtocol).
  size_t Next(std::span<char> buffer) {
    if (ended_) return 0;
    SetOutput(stream_, buffer);
    const int code = inflate(&stream_, Z_SYNC_FLUSH);
    const size_t count = buffer.size() - stream_.avail_out;
    if (code == Z_STREAM_END) {
      ended_ = true;
    } else if (code == Z_MEM_ERROR) {
      throw std::bad_alloc();
    } else if (code != Z_OK && code != Z_BUF_ERROR && count == 0) {
      throw Error(ErrorKind::kProtocol,
                  base::Format("the server's compressed data is damaged: {}",
                               base::Printable(stream_.msg != nullptr ? stream_.msg : "unknown reason")));
    }
    return count;
  }

 private:
  z_stream stream_{};
  bool ended_ = false;
};

class DeflateTransport final : public Transport {
 public:
  explicit DeflateTransport(std::unique_ptr<Transport> inner) : inner_(std::move(inner)) {}

  void Write(std::string_view bytes, const base::Deadline& deadline, const base::WakeEvent& wake) override {
    constexpr size_t kMaxPiece = size_t{1} << 30U;  // zlib counts in 32 bits.
    while (!bytes.empty()) {
      const std::string_view piece = bytes.substr(0, kMaxPiece);
      bytes.remove_prefix(piece.size());
      deflater_.Feed(piece);
      std::array<char, kBufferSize> out;
      size_t count = 0;
      do {
        count = deflater_.Flush(out);
        inner_->Write(std::string_view(out.data(), count), deadline, wake);
      } while (count == out.size());
    }
  }

  size_t Read(std::span<char> buffer, const base::Deadline& deadline, const base::WakeEvent& wake) override {
    if (has_ahead_) {
      // And what can be had with it without waiting: Wait comes before nearly every Read.
      has_ahead_ = false;
      buffer.front() = ahead_.front();
      const std::span<char> rest = buffer.subspan(1);
      return 1 + (rest.empty() ? 0 : inflater_.Next(rest.first(std::min(rest.size(), kMaxOutput))));
    }
    for (;;) {
      const size_t count = inflater_.Next(buffer.first(std::min(buffer.size(), kMaxOutput)));
      if (count > 0 || ended_ || inflater_.ended()) return count;
      FeedFrom(deadline, wake);
    }
  }

  WaitResult Wait(const base::Deadline& deadline, const base::WakeEvent& wake) override {
    // Read must not end for `wake` here: inner has said that it would not block.
    static const base::WakeEvent never;
    for (;;) {
      if (wake.IsSet()) return WaitResult::kWoken;
      // One byte of output is the only proof that Read would not block.
      if (!has_ahead_) has_ahead_ = inflater_.Next(ahead_) > 0;
      if (has_ahead_ || ended_ || inflater_.ended()) return WaitResult::kReadable;
      const WaitResult result = inner_->Wait(deadline, wake);
      if (result != WaitResult::kReadable) return result;
      FeedFrom(base::Deadline::Never(), never);
    }
  }

 private:
  static constexpr size_t kMaxOutput = size_t{1} << 30U;

  void FeedFrom(const base::Deadline& deadline, const base::WakeEvent& wake) {
    const size_t count = inner_->Read(in_, deadline, wake);
    ended_ = count == 0;
    inflater_.Feed(std::string_view(in_.data(), count));
  }

  std::unique_ptr<Transport> inner_;
  Deflater deflater_;
  Inflater inflater_;
  std::array<char, kBufferSize> in_{};
  // A byte that Wait has inflated and Read has not given yet.
  std::array<char, 1> ahead_{};
  bool has_ahead_ = false;
  bool ended_ = false;
};

}  // namespace

std::unique_ptr<Transport> WrapDeflate(std::unique_ptr<Transport> inner) {
  return std::make_unique<DeflateTransport>(std::move(inner));
}

}  // namespace mailboxfs::net
