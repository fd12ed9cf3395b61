#include "describe.h"

#include <optional>
#include <stdexcept>
#include <utility>

#include "mailboxfs/base/encoding.h"
#include "mailboxfs/base/error.h"
#include "mailboxfs/imap/response_parser.h"

namespace mailboxfs::imap::testing {
namespace {

// Printable, and flags stay readable.
std::string Text(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c >= ' ' && c <= '~') {
      out.push_back(c);
    } else {
      out += "<" + base::HexEncode({&c, 1}) + ">";
    }
  }
  return out;
}

std::string Join(const std::vector<std::string>& words) {
  std::string joined = "(";
  for (const std::string& word : words) joined += (joined.size() > 1 ? " " : "") + Text(word);
  return joined + ")";
}

template <typename T>
std::string Field(std::string_view name, const std::optional<T>& value) {
  return value ? " " + std::string(name) + "=" + std::to_string(*value) : std::string();
}

struct Describer {
  std::string operator()(const StatusResponse& status) const {
    constexpr std::string_view kNames[] = {"OK", "NO", "BAD", "BYE", "PREAUTH"};
    std::string line = status.tag.empty() ? "untagged" : "tagged " + Text(status.tag);
    line += " " + std::string(kNames[static_cast<size_t>(status.condition)]);
    if (status.code) line += " [" + Text(status.code->name) + "|" + Text(status.code->argument) + "]";
    return line + " '" + Text(status.text) + "'";
  }
  std::string operator()(const ContinuationRequest& request) const { return "continue '" + Text(request.text) + "'"; }
  std::string operator()(const UntaggedData& data) const { return std::visit(*this, data); }
  std::string operator()(const CapabilityData& data) const { return "capability " + Join(data.capabilities); }
  std::string operator()(const ListData& data) const {
    const std::string delimiter = data.delimiter ? Text({&*data.delimiter, 1}) : "none";
    return "list " + Join(data.attributes) + " " + delimiter + " '" + Text(data.mailbox) + "'";
  }
  std::string operator()(const ExistsData& data) const { return "exists " + std::to_string(data.count); }
  std::string operator()(const RecentData& data) const { return "recent " + std::to_string(data.count); }
  std::string operator()(const ExpungeData& data) const { return "expunge " + std::to_string(data.sequence); }
  std::string operator()(const FlagsData& data) const { return "flags " + Join(data.flags); }
  std::string operator()(const SearchData& data) const {
    std::string line = "search";
    for (const uint32_t number : data.numbers) line += " " + std::to_string(number);
    return line;
  }
  std::string operator()(const StatusData& data) const {
    std::string line = "status '" + Text(data.mailbox) + "'";
    for (const auto& [name, value] : data.items) line += " " + Text(name) + "=" + std::to_string(value);
    return line;
  }
  std::string operator()(const IdData& data) const {
    std::string line = "id";
    for (const auto& [name, value] : data.fields) line += " " + Text(name) + "='" + Text(value) + "'";
    return line;
  }
  std::string operator()(const EnabledData& data) const { return "enabled " + Join(data.capabilities); }
  std::string operator()(const UnknownData& data) const { return "unknown '" + Text(data.keyword) + "'"; }
  std::string operator()(const FetchData& data) const {
    std::string line = "fetch " + std::to_string(data.sequence);
    line += Field("uid", data.uid);
    if (data.flags) line += " flags=" + Join(*data.flags);
    line += Field("date", data.internal_date) + Field("size", data.rfc822_size) + Field("modseq", data.mod_seq);
    line += Field("gmail", data.gmail_message_id);
    for (const BodySectionData& section : data.sections) {
      line += " [" + Text(section.section) + "]";
      if (section.origin) line += "<" + std::to_string(*section.origin) + ">";
      line += "=" + (section.content ? "'" + Text(*section.content) + "'" : std::string("nil"));
      if (section.streamed) line += "(streamed)";
    }
    return line;
  }
};

// Keeps bodies, and holds the reader to its promises about them.
class Recorder : public ResponseReader::BodyHandler {
 public:
  void OnBodyBegin(const FetchPrefix& prefix, uint64_t size) override {
    if (body_) throw std::logic_error("two bodies were streamed for one response");
    if (!prefix.is_full_body || prefix.sequence == 0) throw std::logic_error("no full body, but streamed");
    body_.emplace();
    size_ = size;
  }
  void OnBodyData(std::string_view bytes) override {
    if (!body_ || bytes.empty()) throw std::logic_error("octets of no body");
    body_->append(bytes);
  }
  std::optional<std::string> Take() {
    if (body_ && body_->size() != size_) throw std::logic_error("a body has not the announced size");
    return std::exchange(body_, std::nullopt);
  }

 private:
  std::optional<std::string> body_;
  uint64_t size_ = 0;
};

void PutBack(Response& response, std::optional<std::string> body) {
  UntaggedData* untagged = std::get_if<UntaggedData>(&response);
  FetchData* fetch = untagged != nullptr ? std::get_if<FetchData>(untagged) : nullptr;
  if (fetch != nullptr) {
    for (BodySectionData& section : fetch->sections) {
      if (!section.streamed) continue;
      section.content = std::exchange(body, std::nullopt);
      if (!section.content) throw std::logic_error("a streamed section without its octets");
      section.streamed = false;
    }
  }
  if (body) throw std::logic_error("octets without their section");
}

}  // namespace

std::string Describe(const Response& response) { return std::visit(Describer(), response); }

std::vector<std::string> ReadAll(std::string_view input, const ReadOptions& options) {
  std::vector<std::string> lines;
  Recorder recorder;
  FramerLimits limits;
  limits.max_literal = 1U << 20;
  ResponseReader reader(limits, size_t{1} << 40);
  size_t size = options.first_cut > 0 ? options.first_cut : options.chunk > 0 ? options.chunk : input.size();
  try {
    while (!input.empty()) {
      const std::string chunk(input.substr(0, size));  // Its own memory: sanitizers see every octet too far.
      input.remove_prefix(chunk.size());
      if (options.first_cut > 0) size = input.size();
      reader.Push(chunk);
      while (std::optional<Response> response = reader.Next(options.stream ? &recorder : nullptr)) {
        PutBack(*response, recorder.Take());
        lines.push_back(Describe(*response));
      }
    }
    lines.emplace_back(reader.AtBoundary() ? "end" : "unfinished");
  } catch (const base::Error& error) {
    if (error.kind() != base::ErrorKind::kProtocol) throw;
    lines.emplace_back("error");
  }
  return lines;
}

}  // namespace mailboxfs::imap::testing
