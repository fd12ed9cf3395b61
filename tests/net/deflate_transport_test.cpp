#include <gtest/gtest.h>
#include <zlib.h>

#include <algorithm>
#include <deque>
#include <memory>
#include <string>

#include "mailboxfs/net/transport.h"
#include "net_testing.h"

namespace mailboxfs::net {
namespace {

using base::ErrorKind;
using testing::ErrorOf;
using testing::Soon;

// One direction of a connection in memory.
struct Pipe {
  std::string bytes;
  bool closed = false;
};

// Reads at most `max_read` bytes at a time. Nothing to read is a time-out: nobody else could write.
class MemoryTransport final : public Transport {
 public:
  MemoryTransport(std::shared_ptr<Pipe> in, std::shared_ptr<Pipe> out, size_t max_read = SIZE_MAX)
      : in_(std::move(in)), out_(std::move(out)), max_read_(max_read) {}

  void Write(std::string_view bytes, const base::Deadline& /*deadline*/, const base::WakeEvent& /*wake*/) override {
    out_->bytes += bytes;
  }
  size_t Read(std::span<char> buffer, const base::Deadline& /*deadline*/, const base::WakeEvent& wake) override {
    if (wake.IsSet()) throw base::Error(ErrorKind::kCancelled, "cancelled");
    if (in_->bytes.empty() && in_->closed) return 0;
    if (in_->bytes.empty()) throw base::Error(ErrorKind::kTimeout, "nothing to read");
    const size_t count = std::min({buffer.size(), in_->bytes.size(), max_read_});
    std::copy_n(in_->bytes.begin(), count, buffer.begin());
    in_->bytes.erase(0, count);
    return count;
  }
  WaitResult Wait(const base::Deadline& /*deadline*/, const base::WakeEvent& wake) override {
    if (wake.IsSet()) return WaitResult::kWoken;
    return in_->bytes.empty() && !in_->closed ? WaitResult::kTimeout : WaitResult::kReadable;
  }

 private:
  std::shared_ptr<Pipe> in_;
  std::shared_ptr<Pipe> out_;
  size_t max_read_;
};

class DeflateTransportTest : public ::testing::Test {
 protected:
  std::unique_ptr<Transport> MakeClient(size_t max_read = SIZE_MAX) {
    return WrapDeflate(std::make_unique<MemoryTransport>(to_client_, to_server_, max_read));
  }
  std::unique_ptr<Transport> MakeServer() {
    return WrapDeflate(std::make_unique<MemoryTransport>(to_server_, to_client_));
  }
  std::string ReadAvailable(Transport& transport, size_t buffer_size) {
    std::string got;
    std::string buffer(buffer_size, '\0');
    try {
      for (;;) {
        const size_t count = transport.Read(buffer, Soon(), wake_);
        if (count == 0) break;
        got.append(buffer, 0, count);
      }
    } catch (const base::Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kTimeout) << error.what();
    }
    return got;
  }
  // What a server that ends its stream (Z_FINISH) would send.
  static std::string Finished(const std::string& text) {
    z_stream stream{};
    EXPECT_EQ(deflateInit2(&stream, 9, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY), Z_OK);
    std::string out(deflateBound(&stream, text.size()), '\0');
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
    stream.avail_in = static_cast<uInt>(text.size());
    stream.next_out = reinterpret_cast<Bytef*>(out.data());
    stream.avail_out = static_cast<uInt>(out.size());
    EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
    out.resize(stream.total_out);
    deflateEnd(&stream);
    return out;
  }

  std::shared_ptr<Pipe> to_client_ = std::make_shared<Pipe>();
  std::shared_ptr<Pipe> to_server_ = std::make_shared<Pipe>();
  base::WakeEvent wake_;
};

TEST_F(DeflateTransportTest, DialogueGoesBothWaysEachLineAtOnce) {
  const auto client = MakeClient();
  const auto server = MakeServer();
  for (int i = 0; i < 100; ++i) {
    const std::string command = "A" + std::to_string(i) + " NOOP\r\n";
    client->Write(command, Soon(), wake_);
    EXPECT_EQ(ReadAvailable(*server, 4096), command);
    server->Write("* OK\r\n", Soon(), wake_);
    EXPECT_EQ(ReadAvailable(*client, 4096), "* OK\r\n");
  }
}

TEST_F(DeflateTransportTest, OutputIsRawDeflateAndSmaller) {
  const auto client = MakeClient();
  const std::string text(100'000, 'x');
  client->Write(text, Soon(), wake_);
  EXPECT_LT(to_server_->bytes.size(), 1000U);
  std::string out(text.size(), '\0');
  z_stream stream{};
  ASSERT_EQ(inflateInit2(&stream, -15), Z_OK);
  stream.next_in = reinterpret_cast<Bytef*>(to_server_->bytes.data());
  stream.avail_in = static_cast<uInt>(to_server_->bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  inflate(&stream, Z_SYNC_FLUSH);
  inflateEnd(&stream);
  EXPECT_TRUE(out == text);
}

TEST_F(DeflateTransportTest, BytesThatDoNotCompressGoThroughWhole) {
  std::string text(300'000, '\0');
  uint32_t state = 7;
  for (char& c : text) {
    state = state * 1664525 + 1013904223;
    c = static_cast<char>(state >> 24U);
  }
  const auto client = MakeClient();
  const auto server = MakeServer();
  server->Write(text, Soon(), wake_);
  EXPECT_TRUE(ReadAvailable(*client, 1000) == text);
}

TEST_F(DeflateTransportTest, OneByteAtATimeFromTheServerAndToTheReader) {
  const auto client = MakeClient(1);
  const auto server = MakeServer();
  const std::string text = "* 1 FETCH (UID 7 BODY[] {5}\r\nhello)\r\n";
  server->Write(text, Soon(), wake_);
  EXPECT_EQ(ReadAvailable(*client, 1), text);
}

TEST_F(DeflateTransportTest, BombIsInflatedOnlyAsFarAsTheReaderAsks) {
  to_client_->bytes = Finished(std::string(size_t{64} << 20U, '\0'));
  const size_t compressed = to_client_->bytes.size();
  ASSERT_GT(compressed, 40'000U);
  const auto client = MakeClient();
  std::array<char, 100> buffer;
  EXPECT_EQ(client->Read(buffer, Soon(), wake_), 100U);
  EXPECT_GE(to_client_->bytes.size(), compressed - 16 * 1024);
}

TEST_F(DeflateTransportTest, OutputPendingInZlibCountsAsReadable) {
  const auto client = MakeClient();
  const auto server = MakeServer();
  server->Write(std::string(1000, 'x'), Soon(), wake_);
  std::array<char, 10> buffer;
  EXPECT_EQ(client->Read(buffer, Soon(), wake_), 10U);
  ASSERT_TRUE(to_client_->bytes.empty());
  EXPECT_EQ(client->Wait(Soon(), wake_), WaitResult::kReadable);
  EXPECT_EQ(client->Wait(Soon(), wake_), WaitResult::kReadable);
  EXPECT_EQ(ReadAvailable(*client, 4096), std::string(990, 'x'));
  EXPECT_EQ(client->Wait(Soon(), wake_), WaitResult::kTimeout);
}

TEST_F(DeflateTransportTest, CompressedBytesWithoutOutputAreNotReadable) {
  const auto client = MakeClient();
  const auto server = MakeServer();
  server->Write("hello", Soon(), wake_);
  const std::string all = std::exchange(to_client_->bytes, "");
  to_client_->bytes = all.substr(0, 1);
  EXPECT_EQ(client->Wait(Soon(), wake_), WaitResult::kTimeout);
  to_client_->bytes = all.substr(1);
  EXPECT_EQ(client->Wait(Soon(), wake_), WaitResult::kReadable);
  EXPECT_EQ(ReadAvailable(*client, 4096), "hello");
}

TEST_F(DeflateTransportTest, WakeEndsAWaitWithoutHarm) {
  const auto client = MakeClient();
  const auto server = MakeServer();
  server->Write("hello", Soon(), wake_);
  wake_.Set();
  EXPECT_EQ(client->Wait(Soon(), wake_), WaitResult::kWoken);
  wake_.Clear();
  EXPECT_EQ(ReadAvailable(*client, 4096), "hello");
}

TEST_F(DeflateTransportTest, DamagedStreamIsAProtocolErrorAfterTheGoodBytes) {
  const auto client = MakeClient();
  const auto server = MakeServer();
  server->Write("good", Soon(), wake_);
  to_client_->bytes += "\xff\xff\xff\xff\xff";
  std::string got;
  std::array<char, 100> buffer;
  const base::Error error = ErrorOf([&] {
    for (;;) got.append(buffer.data(), client->Read(buffer, Soon(), wake_));
  });
  EXPECT_EQ(error.kind(), ErrorKind::kProtocol) << error.what();
  EXPECT_EQ(got, "good");
}

TEST_F(DeflateTransportTest, EndOfTheDeflateStreamIsTheEnd) {
  to_client_->bytes = Finished("* BYE\r\n");
  const auto client = MakeClient();
  EXPECT_EQ(ReadAvailable(*client, 4096), "* BYE\r\n");
  EXPECT_EQ(client->Wait(Soon(), wake_), WaitResult::kReadable);
  std::array<char, 1> buffer;
  EXPECT_EQ(client->Read(buffer, Soon(), wake_), 0U);
}

TEST_F(DeflateTransportTest, EndOfTheConnectionIsTheEnd) {
  const auto client = MakeClient();
  const auto server = MakeServer();
  server->Write("* BYE\r\n", Soon(), wake_);
  to_client_->closed = true;
  EXPECT_EQ(ReadAvailable(*client, 4096), "* BYE\r\n");
  EXPECT_EQ(client->Wait(Soon(), wake_), WaitResult::kReadable);
  std::array<char, 1> buffer;
  EXPECT_EQ(client->Read(buffer, Soon(), wake_), 0U);
}

}  // namespace
}  // namespace mailboxfs::net
