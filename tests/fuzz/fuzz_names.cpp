// Whatever the server calls folders and messages, the file system gets valid names, and folders'
// names can be turned back.
#include <algorithm>
#include <string>
#include <vector>

#include "fuzz_target.h"
#include "mailboxfs/model/types.h"
#include "mailboxfs/tree/names.h"

namespace mailboxfs::fuzz {
namespace {

using tree::kMaxName;

// Code points; empty optional: not valid UTF-8.
std::optional<std::vector<uint32_t>> DecodeUtf8(std::string_view text) {
  std::vector<uint32_t> points;
  for (size_t i = 0; i < text.size();) {
    const auto lead = static_cast<uint8_t>(text[i]);
    const size_t size = lead < 0x80 ? 1 : lead < 0xC2 ? 0 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : lead < 0xF5 ? 4 : 0;
    if (size == 0 || i + size > text.size()) return std::nullopt;
    uint32_t point = size == 1 ? lead : lead & (0xFFU >> (size + 1));
    for (size_t k = 1; k < size; ++k) {
      const auto byte = static_cast<uint8_t>(text[i + k]);
      if ((byte & 0xC0U) != 0x80) return std::nullopt;
      point = point << 6U | (byte & 0x3FU);
    }
    const bool overlong = (size == 3 && point < 0x800) || (size == 4 && point < 0x10000);
    if (overlong || point > 0x10FFFF || (point >= 0xD800 && point <= 0xDFFF)) return std::nullopt;
    points.push_back(point);
    i += size;
  }
  return points;
}

bool IsControlOrBidi(uint32_t point) {
  return point < 0x20 || (point >= 0x7F && point < 0xA0) || point == 0x61C || point == 0x200E || point == 0x200F ||
         (point >= 0x202A && point <= 0x202E) || (point >= 0x2066 && point <= 0x2069);
}

void CheckFileName(std::string_view name) {
  Check(!name.empty() && name.size() <= kMaxName, "a name has 1 to 255 octets");
  Check(name.find('/') == std::string_view::npos && name.find('\0') == std::string_view::npos, "no slash, no NUL");
  Check(name.front() != '-' && name.front() != '.', "no leading '-' or '.'");
}

void CheckFolder(std::string_view component, bool raw) {
  const std::string name = tree::EscapeFolderName(component, raw);
  CheckFileName(name);
  const bool valid = DecodeUtf8(component).has_value();
  const std::optional<std::vector<uint32_t>> points = DecodeUtf8(name);
  Check(points || !valid, "what was UTF-8 stays UTF-8");
  if (points) Check(std::none_of(points->begin(), points->end(), IsControlOrBidi), "no control or bidi character");
  Check(!name.ends_with(".eml"), "no folder looks like a message");
  Check(name.front() != ' ' && name.back() != ' ', "no space at an end");
  Check(tree::IsPossibleName(name), "a folder's name is a possible one");
  const std::optional<std::string> back = tree::UnescapeFolderName(name);
  // A cut name ends in "%~" and 16 digits.
  const bool cut = name.size() >= 18 && name.substr(name.size() - 18, 2) == "%~";
  Check(cut ? !back : back == component, "what was not cut can be turned back");
  Check(!cut || component.size() > kMaxName / 3 - 20, "only long names are cut");
}

void CheckMessage(const tree::NameTemplate& names, const model::MessageInfo& message) {
  const std::string name = names.Format(message);
  CheckFileName(name);
  const std::optional<std::vector<uint32_t>> points = DecodeUtf8(name);
  Check(points.has_value(), "a message's name is UTF-8");
  for (const uint32_t point : *points) {
    Check(!IsControlOrBidi(point) && point != ' ' && point != 0xA0, "no space, control or bidi character");
  }
  Check(name.ends_with(".eml"), "a message's name ends in .eml");
  Check(name.find(std::to_string(message.uid)) != std::string::npos, "a message's name has its UID");
  Check(tree::IsPossibleName(name), "a message's name is a possible one");
  Check(names.Format(message) == name, "the same message has the same name");
}

uint64_t TakeNumber(std::string_view& input, size_t octets) {
  uint64_t number = 0;
  for (; octets > 0 && !input.empty(); --octets) {
    number = number << 8U | static_cast<uint8_t>(input.front());
    input.remove_prefix(1);
  }
  return number;
}

}  // namespace
}  // namespace mailboxfs::fuzz

// The first octets are numbers of the message, the rest is its header and a folder's name.
int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view input = mailboxfs::fuzz::AsText(data, size);
  mailboxfs::fuzz::CheckFolder(input, false);
  mailboxfs::fuzz::CheckFolder(input, true);
  mailboxfs::tree::IsPossibleName(input);
  mailboxfs::tree::UnescapeFolderName(input);
  if (const std::optional<mailboxfs::model::Uid> uid = mailboxfs::tree::ParseUidAlias(input)) {
    mailboxfs::fuzz::Check(std::to_string(*uid) + ".eml" == input, "an alias has one form");
  }

  mailboxfs::model::MessageInfo message;
  message.uid = static_cast<mailboxfs::model::Uid>(mailboxfs::fuzz::TakeNumber(input, 4));
  if (message.uid == 0) message.uid = 1;
  message.internal_date = static_cast<int64_t>(mailboxfs::fuzz::TakeNumber(input, 8));
  message.header = input;
  static const mailboxfs::tree::NameTemplate kDefault("{date}_{subject}.{uid}.eml");
  static const mailboxfs::tree::NameTemplate kAll("{subject}{from}{time}-{date}-{uid}.eml");
  mailboxfs::fuzz::CheckMessage(kDefault, message);
  mailboxfs::fuzz::CheckMessage(kAll, message);
  return 0;
}
