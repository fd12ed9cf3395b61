#include <gtest/gtest.h>

#include <stdexcept>
#include <string>
#include <vector>

#include "mailboxfs/base/error.h"
#include "mailboxfs/imap/response_parser.h"
#include "support/describe.h"

namespace mailboxfs::imap {
namespace {

class Recorder : public ResponseReader::BodyHandler {
 public:
  void OnBodyBegin(const FetchPrefix& prefix, uint64_t size) override {
    log.push_back("begin uid=" + (prefix.uid ? std::to_string(*prefix.uid) : "?") + " size=" + std::to_string(size));
  }
  void OnBodyData(std::string_view bytes) override {
    if (fail) throw std::runtime_error("disk full");
    log.push_back("data " + std::string(bytes));
  }

  bool fail = false;
  std::vector<std::string> log;
};

using Lines = std::vector<std::string>;

std::string Describe(const std::optional<Response>& response) {
  return response ? testing::Describe(*response) : "none";
}

TEST(ResponseReader, StreamsABodyAsItComes) {
  ResponseReader reader;
  Recorder recorder;
  reader.Push("* 2 FETCH (UID 9 BODY[] {5}\r\nab");
  EXPECT_FALSE(reader.Next(&recorder));
  EXPECT_EQ(recorder.log, (Lines{"begin uid=9 size=5", "data ab"}));
  reader.Push("cde FLAGS ())\r\n* 3 EXISTS\r\n");
  EXPECT_EQ(Describe(reader.Next(&recorder)), "fetch 2 uid=9 flags=() []=''(streamed)");
  EXPECT_EQ(recorder.log, (Lines{"begin uid=9 size=5", "data ab", "data cde"}));
  EXPECT_EQ(Describe(reader.Next(&recorder)), "exists 3");
  EXPECT_FALSE(reader.Next(&recorder));
  EXPECT_TRUE(reader.AtBoundary());
}

TEST(ResponseReader, AnEmptyBodyIsABodyToo) {
  ResponseReader reader;
  Recorder recorder;
  reader.Push("* 2 FETCH (BODY[] {0}\r\n UID 9)\r\n");
  EXPECT_EQ(Describe(reader.Next(&recorder)), "fetch 2 uid=9 []=''(streamed)");
  EXPECT_EQ(recorder.log, (Lines{"begin uid=? size=0"}));
}

TEST(ResponseReader, OtherStringsAreCollected) {
  ResponseReader reader;
  Recorder recorder;
  reader.Push("* 2 FETCH (UID 9 BODY[HEADER.FIELDS (DATE)] {2}\r\n\r\n BODY[]<0> {1}\r\na)\r\n");
  EXPECT_EQ(Describe(reader.Next(&recorder)), "fetch 2 uid=9 [HEADER.FIELDS (DATE)]='<0d><0a>' []<0>='a'");
  reader.Push("* 2 FETCH (BODY[] \"quoted\")\r\n* 2 FETCH (BODY[] NIL)\r\n");
  EXPECT_EQ(Describe(reader.Next(&recorder)), "fetch 2 []='quoted'");
  EXPECT_EQ(Describe(reader.Next(&recorder)), "fetch 2 []=nil");
  EXPECT_TRUE(recorder.log.empty());
}

TEST(ResponseReader, StreamsBesideOtherLiterals) {
  ResponseReader reader;
  Recorder recorder;
  reader.Push("* 2 FETCH (BODY[HEADER] {1}\r\nh BODY[] {1}\r\nb BODY[TEXT] {1}\r\nt)\r\n");
  EXPECT_EQ(Describe(reader.Next(&recorder)), "fetch 2 [HEADER]='h' []=''(streamed) [TEXT]='t'");
  EXPECT_EQ(recorder.log, (Lines{"begin uid=? size=1", "data b"}));
}

TEST(ResponseReader, WithoutHandlerBodiesAreCollected) {
  ResponseReader reader;
  reader.Push("* 2 FETCH (BODY[] {2}\r\nab)\r\n");
  EXPECT_EQ(Describe(reader.Next(nullptr)), "fetch 2 []='ab'");
}

TEST(ResponseReader, BodyTextIsNeverProtocol) {
  const std::string body = "A1 OK done\r\n* 9 EXISTS\r\n* 1 FETCH (BODY[] {3}\r\nxyz)\r\n)\r\n";
  ResponseReader reader;
  Recorder recorder;
  reader.Push("* 1 FETCH (BODY[] {" + std::to_string(body.size()) + "}\r\n" + body + ")\r\nA1 NO really\r\n");
  EXPECT_EQ(Describe(reader.Next(&recorder)), "fetch 1 []=''(streamed)");
  EXPECT_EQ(Describe(reader.Next(&recorder)), "tagged A1 NO 'really'");
  EXPECT_EQ(recorder.log, (Lines{"begin uid=? size=" + std::to_string(body.size()), "data " + body}));
}

TEST(ResponseReader, OnlyBodiesMayBeLarge) {
  ResponseReader reader({}, 10);
  Recorder recorder;
  reader.Push("* 1 FETCH (BODY[] {11}\r\nHello World)\r\n");
  EXPECT_EQ(Describe(reader.Next(&recorder)), "fetch 1 []=''(streamed)");
  reader.Push("* 1 FETCH (A {5}\r\n12345 B {5}\r\n12345)\r\n* 1 FETCH (A {9}\r\n123456789)\r\n");
  EXPECT_EQ(Describe(reader.Next(&recorder)), "fetch 1");
  EXPECT_EQ(Describe(reader.Next(&recorder)), "fetch 1") << "the bound is that of one response";
  reader.Push("* 1 FETCH (A {5}\r\n12345 B {6}\r\n");
  EXPECT_THROW(reader.Next(&recorder), base::Error);
  reader.Push("123456)\r\n* 5 EXISTS\r\n");
  EXPECT_THROW(reader.Next(&recorder), base::Error) << "the stream cannot be read on";
}

TEST(ResponseReader, ABodyWhoseResponseIsBrokenIsNotReturned) {
  ResponseReader reader;
  Recorder recorder;
  reader.Push("* 1 FETCH (BODY[] {2}\r\nabc)\r\n");
  EXPECT_THROW(reader.Next(&recorder), base::Error);
  EXPECT_EQ(recorder.log.back(), "data ab");
}

TEST(ResponseReader, TheSecondOfTwoBodiesIsNotStreamed) {
  ResponseReader reader;
  Recorder recorder;
  reader.Push("* 1 FETCH (BODY[] {1}\r\na BODY[] {1}\r\nb)\r\n");
  EXPECT_THROW(reader.Next(&recorder), base::Error);
  EXPECT_EQ(recorder.log, (Lines{"begin uid=? size=1", "data a"}));
}

TEST(ResponseReader, GoesOnAfterAnExceptionOfTheHandler) {
  ResponseReader reader;
  Recorder recorder;
  recorder.fail = true;
  reader.Push("* 1 FETCH (UID 4 BODY[] {4}\r\nab");
  EXPECT_THROW(reader.Next(&recorder), std::runtime_error);
  reader.Push("cd)\r\nA1 OK done\r\n");
  EXPECT_EQ(Describe(reader.Next(nullptr)), "fetch 1 uid=4 []=''(streamed)");
  EXPECT_EQ(Describe(reader.Next(nullptr)), "tagged A1 OK 'done'");
}

TEST(ResponseReader, LimitsOfTheFramerHold) {
  FramerLimits limits;
  limits.max_literal = 10;
  ResponseReader reader(limits);
  Recorder recorder;
  reader.Push("* 1 FETCH (BODY[] {11}\r\n");
  EXPECT_THROW(reader.Next(&recorder), base::Error);
  EXPECT_TRUE(recorder.log.empty());
}

// A hostile response must not cost more than its length: with a second look at everything before
// each of the literals this would take minutes.
TEST(ResponseReader, ManyLiteralsTakeLinearTime) {
  std::string input = "* 1 FETCH (X (" + std::string(90'000 * MAILBOXFS_MANY, 'x');
  for (int i = 0; i < 9'999; ++i) input += " BODY[] {0}\r\n";
  input += ") UID 3)\r\n";
  EXPECT_EQ(testing::ReadAll(input, {.chunk = 1, .stream = true}), (Lines{"fetch 1 uid=3", "end"}));
}

TEST(ResponseReader, LongLinesInSmallChunksTakeLinearTime) {
  const std::string input = "* SEARCH" + std::string(100'000 * MAILBOXFS_MANY, ' ') + "7\r\n";
  EXPECT_EQ(testing::ReadAll(input, {.chunk = 1}), (Lines{"search 7", "end"}));
}

TEST(ResponseReader, ManyResponsesInOnePushTakeLinearTime) {
  std::string input;
  constexpr int kMany = 10'000 * MAILBOXFS_MANY;
  for (int i = 0; i < kMany; ++i) input += "* 1 EXPUNGE\r\n";
  EXPECT_EQ(testing::ReadAll(input, {}).size(), kMany + 1U);
}

}  // namespace
}  // namespace mailboxfs::imap
