// However the input is cut into chunks, the framer says the same, keeps its limits, and loses nothing.
#include <string>
#include <vector>

#include "fuzz_target.h"
#include "mailboxfs/base/error.h"
#include "mailboxfs/imap/framer.h"

namespace mailboxfs::fuzz {
namespace {

using imap::Framer;
using imap::FramerLimits;

constexpr size_t kMaxLine = 200;
constexpr uint64_t kMaxLiteral = 1000;
constexpr size_t kMaxLiterals = 8;

// One response after the other, with marks that cannot be taken for text.
class Transcript {
 public:
  void Add(const Framer::Fragment& fragment) {
    switch (fragment.kind) {
      case Framer::Fragment::Kind::kText:
        Check(literal_left_ == 0, "text follows only a complete literal");
        Check(!announced_ || in_response_, "a literal is part of a response");
        line_octets_ += fragment.bytes.size();
        Check(line_octets_ <= kMaxLine, "lines are bounded");
        Check(fragment.bytes.find('\n') == std::string_view::npos, "a text has no line feed");
        in_response_ = true;
        Mark("T", fragment.bytes);
        break;
      case Framer::Fragment::Kind::kLiteralBegin:
        Check(in_response_ && literal_left_ == 0, "a literal follows a text");
        Check(fragment.size <= kMaxLiteral && ++literals_ <= kMaxLiterals, "literals are bounded");
        announced_ = true;
        literal_left_ = fragment.size;
        Mark("L", std::to_string(fragment.size));
        break;
      case Framer::Fragment::Kind::kLiteralData:
        Check(!fragment.bytes.empty() && fragment.bytes.size() <= literal_left_, "a literal has its octets");
        literal_left_ -= fragment.bytes.size();
        text_.append(fragment.bytes);
        break;
      case Framer::Fragment::Kind::kEnd:
        Check(in_response_ && literal_left_ == 0, "a response ends once");
        *this = Transcript(std::move(text_));
        Mark("E", {});
        break;
    }
  }
  void Mark(std::string_view kind, std::string_view bytes) {
    text_.append("\n<").append(kind).append(std::to_string(bytes.size())).append(">").append(bytes);
  }
  const std::string& text() const { return text_; }

  Transcript() = default;

 private:
  explicit Transcript(std::string text) : text_(std::move(text)) {}

  std::string text_;
  bool in_response_ = false;
  bool announced_ = false;
  uint64_t literal_left_ = 0;
  size_t literals_ = 0;
  size_t line_octets_ = 0;
};

// `first`, `others`: octets of the first chunk and of each one after it.
std::string Frame(std::string_view input, size_t first, size_t others) {
  FramerLimits limits;
  limits.max_line = kMaxLine;
  limits.max_literal = kMaxLiteral;
  limits.max_literals = kMaxLiterals;
  Framer framer(limits);
  Transcript transcript;
  try {
    for (size_t size = first; !input.empty(); size = others) {
      const std::string chunk(input.substr(0, size));
      input.remove_prefix(chunk.size());
      framer.Push(chunk);
      while (const std::optional<Framer::Fragment> fragment = framer.Next()) transcript.Add(*fragment);
    }
    transcript.Mark(framer.AtBoundary() ? "complete" : "incomplete", {});
  } catch (const base::Error& error) {
    Check(error.kind() == base::ErrorKind::kProtocol, "only protocol errors");
    transcript.Mark("error", {});
  }
  return transcript.text();
}

}  // namespace
}  // namespace mailboxfs::fuzz

// The first octet decides how the rest is cut.
int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  using mailboxfs::fuzz::Check;
  using mailboxfs::fuzz::Frame;
  const std::string_view input = mailboxfs::fuzz::AsText(data + 1, size - 1);
  const size_t cut = data[0] % input.size() + 1;
  const std::string whole = Frame(input, input.size(), input.size());
  Check(whole == Frame(input, 1, 1), "octet by octet it says the same");
  Check(whole == Frame(input, cut, input.size()), "in two chunks it says the same");
  Check(whole == Frame(input, cut, data[0] % 7 + 1), "in small chunks it says the same");
  return 0;
}
